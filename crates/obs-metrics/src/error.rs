//! The one error of this crate.

use std::fmt;

/// Why a metric was not registered. Its text names the cause and the remedy.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    text: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Invalid,
    Conflict,
    Unsupported,
}

impl Error {
    pub(crate) fn invalid(text: impl Into<Box<str>>) -> Self {
        Self { kind: Kind::Invalid, text: text.into() }
    }

    pub(crate) fn conflict(text: impl Into<Box<str>>) -> Self {
        Self { kind: Kind::Conflict, text: text.into() }
    }

    pub(crate) fn unsupported(text: impl Into<Box<str>>) -> Self {
        Self { kind: Kind::Unsupported, text: text.into() }
    }

    /// A name, a label, a bucket or the help breaks a rule of the exposition formats.
    pub fn is_invalid(&self) -> bool {
        self.kind == Kind::Invalid
    }

    /// The name is taken by a metric with another definition.
    pub fn is_conflict(&self) -> bool {
        self.kind == Kind::Conflict
    }

    /// The operating system does not offer what was asked.
    pub fn is_unsupported(&self) -> bool {
        self.kind == Kind::Unsupported
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
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
