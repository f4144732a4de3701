//! Why a filter is rejected.

use std::fmt;

/// A filter that cannot be understood.
#[derive(Clone, PartialEq, Eq)]
pub struct BadFilter(pub(super) &'static str);

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadFilter {}
