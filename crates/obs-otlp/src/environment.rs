//! Settings: the code's word before the environment's, and that before the default.
//!
//! A variable that holds what it must not is left out, and said: the next variable or the default takes its
//! place. Only where that would send telemetry or secrets to another place than was meant is it an error.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;

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
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Finds out what each setting is, and keeps the list.
#[derive(Default)]
pub struct Resolver {
    lookup: Option<Lookup>,
    settings: Vec<Setting>,
    ignored: Vec<String>,
}

/// What a variable may hold.
pub struct Variable<'a, T> {
    /// By their rank: the first that holds a value counts.
    pub names: &'a [&'static str],
    /// `None` for what it must not hold.
    pub parse: &'a dyn Fn(&str) -> Option<T>,
    /// What it may hold: `give grpc, http/protobuf or http/json`.
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

    /// Notes a setting whose value is known.
    pub fn note(&mut self, name: &'static str, value: impl Into<String>, origin: Origin) {
        self.settings.push(Setting { name, value: value.into(), origin });
    }

    /// The value of a setting: the code's, or the first variable's that is right, or the default. What is
    /// wrong is left out, see [`Resolver::ignored`].
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
            None => self.of_environment(variable).unwrap_or((default, Origin::Default)),
        };
        self.note(name, show(&value), origin);
        value
    }

    /// As [`Resolver::choose`], for what must not be guessed: where telemetry goes, and with which secrets.
    ///
    /// # Errors
    ///
    /// The variable holds what it must not.
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
                None => return Err(wrong(known, &text, variable.remedy)),
            },
        };
        self.note(name, show(&value), origin);
        Ok(value)
    }

    /// Leaves the variable out, and says so, where it does not hold what it may.
    pub fn check(&mut self, variable: &Variable<'_, ()>) {
        let _ = self.of_environment(variable);
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

    /// A time above zero, in milliseconds where a variable says it.
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

    /// Leaves a variable's value out, and keeps what is to be said of it.
    pub fn ignore(&mut self, variable: &str, text: &str, remedy: &str) {
        self.ignored.push(format!("{}, and is left out", wrong(variable, text, remedy)));
    }

    /// What each setting is.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Variables that were left out because of what they hold: each as a sentence with its remedy.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Both lists.
    pub fn into_parts(self) -> (Vec<Setting>, Vec<String>) {
        (self.settings, self.ignored)
    }

    fn of_environment<T>(&mut self, variable: &Variable<'_, T>) -> Option<(T, Origin)> {
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

/// What is wrong with a variable; no secret is in the text.
pub fn wrong(variable: &str, text: &str, remedy: &str) -> Error {
    let shown = without_secrets(variable, text);
    Error::new(format_args!("the environment variable {variable} is `{shown}`"), remedy)
}

/// Headers are credentials, and so are what stands before the `@` of a URL and its query.
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
pub fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
            (!key.is_empty()).then_some((key, value))
        })
        .collect()
}

/// The decoder would take what follows a lone percent sign as it is.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut codes = text.split('%').skip(1).map(|part| part.as_bytes().get(..2));
    if !codes.all(|code| code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))) {
        return None;
    }
    Some(percent_encoding::percent_decode_str(text).decode_utf8().ok()?.into_owned())
}
