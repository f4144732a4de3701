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

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
