//! Settings: the code's word before the environment's, and that before the default.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::Error;

/// One setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The builder's method of that name sets it.
    pub name: &'static str,
    /// Its value, as text; of secrets only their names.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
}

/// Where a setting's value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The builder was told.
    Code,
    /// This environment variable.
    Environment(&'static str),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code => f.write_str("code"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.name, self.value, self.origin)
    }
}

/// Looks environment variables up.
pub(crate) type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Finds out what each setting is, and keeps the list.
pub(crate) struct Resolver {
    lookup: Option<Lookup>,
    pub(crate) settings: Vec<Setting>,
}

impl Resolver {
    pub(crate) fn new(lookup: Option<Lookup>) -> Self {
        Self { lookup, settings: Vec::new() }
    }

    /// A variable's value. An empty one counts as absent (OpenTelemetry's rule).
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let value = self.lookup.as_ref()?(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The value of a setting: the code's, or the first variable's that is there, or the default.
    ///
    /// `remedy` says what the variable may hold.
    #[expect(clippy::too_many_arguments, reason = "a setting is all of this, and is said once")]
    pub(crate) fn choose<T>(
        &mut self,
        name: &'static str,
        code: Option<T>,
        variables: &[&'static str],
        parse: impl Fn(&str) -> Option<T>,
        remedy: &str,
        default: T,
        show: impl Fn(&T) -> String,
    ) -> Result<T, Error> {
        let (value, origin) = match code {
            Some(value) => (value, Origin::Code),
            None => match self.first(variables) {
                Some((variable, text)) => match parse(&text) {
                    Some(value) => (value, Origin::Environment(variable)),
                    None => return Err(wrong(variable, &text, remedy)),
                },
                None => (default, Origin::Default),
            },
        };
        self.settings.push(Setting { name, value: show(&value), origin });
        Ok(value)
    }

    pub(crate) fn first(&self, variables: &[&'static str]) -> Option<(&'static str, String)> {
        variables.iter().find_map(|&name| Some((name, self.variable(name)?)))
    }

    pub(crate) fn count(
        &mut self,
        name: &'static str,
        code: Option<u32>,
        variables: &[&'static str],
        default: u32,
    ) -> Result<u32, Error> {
        let parse = |text: &str| text.parse().ok();
        let remedy = "give a whole number from 0 to 4294967295";
        self.choose(name, code, variables, parse, remedy, default, u32::to_string)
    }

    pub(crate) fn millis(
        &mut self,
        name: &'static str,
        code: Option<Duration>,
        variables: &[&'static str],
        default: Duration,
    ) -> Result<Duration, Error> {
        let parse = |text: &str| text.parse().ok().filter(|&ms| ms > 0).map(Duration::from_millis);
        let remedy = "give milliseconds, a whole number above 0";
        self.choose(name, code, variables, parse, remedy, default, |value| format!("{value:?}"))
    }
}

pub(crate) fn wrong(variable: &str, text: &str, remedy: &str) -> Error {
    let shown = without_secrets(variable, text);
    Error::new(format_args!("the environment variable {variable} is `{shown}`"), remedy)
}

/// Headers are credentials, and so is what stands before the `@` of a URL.
fn without_secrets<'a>(variable: &str, text: &'a str) -> Cow<'a, str> {
    if variable.ends_with("HEADERS") {
        return "***".into();
    }
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}").into(),
        None => text.into(),
    }
}

/// `key=value,key=value` with percent-encoded values, as in `OTEL_RESOURCE_ATTRIBUTES`.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = key.trim();
            (!key.is_empty()).then(|| (key.to_owned(), crate::propagate::decode(value.trim())))
        })
        .collect()
}
