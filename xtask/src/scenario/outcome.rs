//! How a scenario ends.

use crate::error::Failure;

/// How a scenario ended.
pub(crate) enum Outcome {
    Passed,
    /// A peer is not installed; the text says which.
    Skipped(String),
}

pub(crate) fn expect(holds: bool, otherwise: &str) -> Result<(), Failure> {
    match holds {
        true => Ok(()),
        false => Err(Failure::new(otherwise)),
    }
}
