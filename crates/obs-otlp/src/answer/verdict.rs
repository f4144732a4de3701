//! The verdict on one attempt.

use std::time::Duration;

/// Bytes of a collector's text in a warning.
const MAX_TEXT_BYTES: usize = 400;

/// The verdict on one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The collector accepted it, and rejected this many of the items.
    Accepted { rejected: u64, message: String },
    /// It may be retried, after this time where the collector gives one.
    Retry { after: Option<Duration>, reason: String },
    /// It must not be retried.
    Refused { reason: String },
}

impl Verdict {
    pub(crate) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { after: None, reason: reason.into() }
    }
}

/// A collector's text for a log line: bounded, and without control characters.
pub(super) fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..MAX_TEXT_BYTES).unwrap_or(text));
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    text.trim().chars().map(plain).collect()
}
