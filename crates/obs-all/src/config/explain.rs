//! Every value in force, and where it comes from.

use std::fmt;

use obs_tracing::Setting;

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

    pub(crate) fn extend_with_traces(&mut self, settings: &[Setting]) {
        for setting in settings {
            let origin = match setting.origin {
                obs_tracing::Origin::Code => Origin::Code,
                obs_tracing::Origin::Environment(name) => Origin::Environment(name.into()),
                obs_tracing::Origin::Default => Origin::Default,
            };
            self.push(format!("traces.{}", setting.name), setting.value.clone(), origin);
        }
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
