//! The error of the builder.

use std::error::Error as StdError;
use std::{fmt, io};

/// Why error tracking could not be set up.
#[non_exhaustive]
pub enum Error {
    /// A setting is wrong.
    Setting {
        /// Which: `SENTRY_DSN`, or the builder's method.
        name: &'static str,
        /// What is wrong with it, without its value where that is a secret.
        loss: String,
        /// What would be right.
        remedy: &'static str,
    },
    /// The reporting thread could not be started.
    Thread(io::Error),
}

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { name, loss, remedy } => write!(f, "{name} {loss}: {remedy}"),
            Self::Thread(cause) => write!(
                f,
                "the thread that reports errors could not be started ({cause}): raise the limit of threads"
            ),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Setting { .. } => None,
            Self::Thread(error) => Some(error),
        }
    }
}
