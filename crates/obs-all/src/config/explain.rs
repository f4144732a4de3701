//! Every value in force, and its origin.

use std::fmt;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Set by the program.
    Code,
    /// The environment variable of this name.
    Environment(String),
    /// The preset's or the crate's default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code => f.write_str("code"),
            Self::Environment(variable) => write!(f, "environment, {variable}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Every value in force and where it comes from. Secrets are shown as `***`.
///
/// Its `Display` is a table: name, value, origin, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    rows: Vec<(String, String, Origin)>,
}

impl Explanation {
    /// Name, value and origin of every setting.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, &Origin)> {
        self.rows.iter().map(|(name, value, origin)| (name.as_str(), value.as_str(), origin))
    }

    pub(crate) fn push(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
        origin: Origin,
    ) {
        self.rows.push((name.into(), value.into(), origin));
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |column: fn(&(String, String, Origin)) -> usize| {
            self.rows.iter().map(column).max().unwrap_or_default()
        };
        let (names, values) = (widest(|row| row.0.len()), widest(|row| row.1.len()));
        for (name, value, origin) in &self.rows {
            writeln!(f, "{name:names$}  {value:values$}  {origin}")?;
        }
        Ok(())
    }
}
