//! Ready-made checks.

#[cfg(feature = "http-check")]
mod http_get;
mod redis;
#[cfg(feature = "sqlx")]
mod sqlx;
mod tcp;

use std::fmt;

/// Every connection of a pool is in use: the dependency answers, this service waits for itself.
///
/// A check whose error is this, or has it as a source, is down as `exhausted`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PoolExhausted;

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for PoolExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PoolExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "every connection of the pool is in use, while the database answers: look for what keeps them, or raise the pool's limit",
        )
    }
}

impl std::error::Error for PoolExhausted {}
