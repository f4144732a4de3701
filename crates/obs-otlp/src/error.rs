//! The one error of this crate.

use std::fmt;

/// Why nothing can be exported like this. Its text names the cause and what to do about it.
pub struct Error(String);

impl Error {
    /// From what is wrong, and what mends it.
    pub fn new(cause: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self(format!("{cause}: {remedy}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}
