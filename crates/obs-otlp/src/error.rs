//! The one error of this crate.

use std::fmt;

/// Why the export cannot be set up. Its text names the cause and the remedy.
pub struct Error(String);

impl Error {
    /// From a cause and a remedy.
    pub fn new(cause: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self(format!("{cause}: {remedy}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
