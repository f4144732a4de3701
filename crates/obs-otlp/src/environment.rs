//! Settings. The code counts more than the environment, and the environment more than the default.
//!
//! An invalid variable is ignored with a warning: the next variable or the default takes its
//! place. It is an error only where that would send telemetry or secrets to another place than was meant.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;

/// One resolved setting.
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
    /// The code.
    Code,
    /// This environment variable.
    Environment(&'static str),
    /// Neither code nor environment.
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
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Resolves settings, and keeps the list.
#[derive(Default)]
pub struct Resolver {
    lookup: Option<Lookup>,
    settings: Vec<Setting>,
    ignored: Vec<String>,
}

/// A variable, and what is valid in it.
pub struct Variable<'a, T> {
    /// In order of rank: the first that is set counts.
    pub names: &'a [&'static str],
    /// `None` for an invalid text.
    pub parse: &'a dyn Fn(&str) -> Option<T>,
    /// What is valid: `give grpc, http/protobuf or http/json`.
    pub remedy: &'a str,
}

impl Resolver {
    /// Without `lookup` nothing of the environment is read.
    pub fn new(lookup: Option<Lookup>) -> Self {
        Self { lookup, ..Self::default() }
    }

    /// A variable's value. An empty one counts as absent (OpenTelemetry's rule).
    pub fn variable(&self, name: &str) -> Option<String> {
        let value = self.lookup.as_ref()?(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The first of these variables that is there.
    pub fn first(&self, variables: &[&'static str]) -> Option<(&'static str, String)> {
        variables.iter().find_map(|&name| Some((name, self.variable(name)?)))
    }

    /// Adds a setting whose value is known.
    pub fn note(&mut self, name: &'static str, value: impl Into<String>, origin: Origin) {
        self.settings.push(Setting { name, value: value.into(), origin });
    }

    /// The value of a setting: the code's, or the first valid variable's, or the default. Invalid variables
    /// are ignored, see [`Resolver::ignored`].
    pub fn choose<T>(
        &mut self,
        name: &'static str,
        code: Option<T>,
        variable: &Variable<'_, T>,
        default: T,
        show: impl Fn(&T) -> String,
    ) -> T {
        let (value, origin) = match code {
            Some(value) => (value, Origin::Code),
            None => self.resolve_variable(variable).unwrap_or((default, Origin::Default)),
        };
        self.note(name, show(&value), origin);
        value
    }

    /// [`Resolver::choose`] for what must not be guessed: where telemetry goes, and with which secrets.
    ///
    /// # Errors
    ///
    /// The variable is invalid.
    pub fn require<T>(
        &mut self,
        name: &'static str,
        code: Option<T>,
        variable: &Variable<'_, T>,
        default: T,
        show: impl Fn(&T) -> String,
    ) -> Result<T, Error> {
        let (value, origin) = match (code, self.first(variable.names)) {
            (Some(value), _) => (value, Origin::Code),
            (None, None) => (default, Origin::Default),
            (None, Some((known, text))) => match (variable.parse)(&text) {
                Some(value) => (value, Origin::Environment(known)),
                None => return Err(invalid_variable(known, &text, variable.remedy)),
            },
        };
        self.note(name, show(&value), origin);
        Ok(value)
    }

    /// Ignores the variable, with a warning, where it is invalid.
    pub fn check(&mut self, variable: &Variable<'_, ()>) {
        let _ = self.resolve_variable(variable);
    }

    /// A whole number.
    pub fn count(
        &mut self,
        name: &'static str,
        code: Option<u32>,
        names: &[&'static str],
        default: u32,
    ) -> u32 {
        let parse = |text: &str| text.parse().ok();
        let remedy = "give a whole number from 0 to 4294967295";
        self.choose(name, code, &Variable { names, parse: &parse, remedy }, default, u32::to_string)
    }

    /// A duration above zero; variables are in milliseconds.
    pub fn millis(
        &mut self,
        name: &'static str,
        code: Option<Duration>,
        names: &[&'static str],
        default: Duration,
    ) -> Duration {
        let parse = |text: &str| text.parse().ok().filter(|&ms| ms > 0).map(Duration::from_millis);
        let remedy = "give milliseconds, a whole number above 0";
        let show = |value: &Duration| format!("{value:?}");
        self.choose(name, code, &Variable { names, parse: &parse, remedy }, default, show)
    }

    /// Ignores a variable's value, and keeps the warning.
    pub fn ignore(&mut self, variable: &str, text: &str, remedy: &str) {
        self.ignored.push(format!("{}, and is left out", invalid_variable(variable, text, remedy)));
    }

    /// The resolved settings.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The warnings of ignored variables, each with its remedy.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Both lists.
    pub fn into_parts(self) -> (Vec<Setting>, Vec<String>) {
        (self.settings, self.ignored)
    }

    fn resolve_variable<T>(&mut self, variable: &Variable<'_, T>) -> Option<(T, Origin)> {
        for name in variable.names {
            let Some(text) = self.variable(name) else { continue };
            match (variable.parse)(&text) {
                Some(value) => return Some((value, Origin::Environment(name))),
                None => self.ignore(name, &text, variable.remedy),
            }
        }
        None
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = [("settings", self.settings.len()), ("ignored", self.ignored.len())];
        f.debug_map().entries(list).finish()
    }
}

impl<T> fmt::Debug for Variable<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The error of an invalid variable, without secrets.
pub fn invalid_variable(variable: &str, text: &str, remedy: &str) -> Error {
    let shown = without_secrets(variable, text);
    Error::new(format_args!("the environment variable {variable} is `{shown}`"), remedy)
}

/// Redacts headers, the part of a URL before the `@`, and its query.
fn without_secrets<'a>(variable: &str, text: &'a str) -> Cow<'a, str> {
    if variable.ends_with("HEADERS") {
        return "***".into();
    }
    let text = match text.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}").into(),
        None => Cow::from(text),
    };
    match text.split_once('?') {
        Some((rest, _)) => format!("{rest}?***").into(),
        None => text,
    }
}

/// `key=value,key=value`, both percent-encoded, as in `OTEL_RESOURCE_ATTRIBUTES` and in headers. `None` where
/// one pair is none.
pub fn parse_pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let (key, value) = (percent_decode(key.trim())?, percent_decode(value.trim())?);
            (!key.is_empty()).then_some((key, value))
        })
        .collect()
}

/// The decoder would take what follows a lone percent sign as it is.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut codes = text.split('%').skip(1).map(|part| part.as_bytes().get(..2));
    if !codes.all(|code| code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))) {
        return None;
    }
    Some(percent_encoding::percent_decode_str(text).decode_utf8().ok()?.into_owned())
}
