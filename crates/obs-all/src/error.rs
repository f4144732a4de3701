//! The one error of this crate.

use std::error::Error as StdError;
use std::fmt;

/// The telemetry could not be set up, or the service not served; the text says what to change.
pub struct Error {
    kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Service { name: String },
    Variable { name: String, value: String, problem: String },
    Taken { source: Box<dyn StdError + Send + Sync> },
    Part { part: &'static str, source: Box<dyn StdError + Send + Sync> },
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind }
    }

    pub(crate) fn part<E: Into<Box<dyn StdError + Send + Sync>>>(
        part: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::new(Kind::Part { part, source: source.into() })
    }

    /// The environment variable whose value is wrong, if that is the reason.
    pub fn variable(&self) -> Option<&str> {
        match &self.kind {
            Kind::Variable { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether this process has telemetry already: `init` was called before, or another subscriber or
    /// logger is installed.
    pub fn is_initialised(&self) -> bool {
        matches!(self.kind, Kind::Taken { .. })
    }
}

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Service { name } => {
                write!(
                    f,
                    "the service's name {name:?} is empty or has control characters: give it a plain name"
                )
            }
            Kind::Variable { name, value, problem } => {
                write!(f, "the environment variable {name}={value:?} is wrong: {problem}")
            }
            Kind::Taken { source } => write!(
                f,
                "this process has telemetry already ({source}): call init once, before any other subscriber or logger"
            ),
            Kind::Part { part, source } => write!(f, "{part}: {source}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.kind {
            Kind::Taken { source } | Kind::Part { source, .. } => Some(&**source),
            Kind::Service { .. } | Kind::Variable { .. } => None,
        }
    }
}
