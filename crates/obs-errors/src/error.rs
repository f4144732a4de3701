//! What can be wrong with the settings.

use std::error::Error as StdError;
use std::{fmt, io};

/// Why error tracking could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A setting is wrong.
    Setting {
        /// Which: `SENTRY_DSN`, or the builder's method.
        name: &'static str,
        /// What is wrong with it, without its value where that is a secret.
        why: String,
        /// What would be right.
        remedy: &'static str,
    },
    /// The thread that tells of errors could not be started.
    Thread(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { name, why, remedy } => write!(f, "{name} {why}: {remedy}"),
            Self::Thread(_) => f.write_str(
                "the thread that tells of errors could not be started: raise the limit of threads",
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
