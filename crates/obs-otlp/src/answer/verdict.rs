//! What became of an attempt, and in which words.

use std::time::Duration;

/// What a person needs of a collector's text.
const LONGEST_TEXT: usize = 400;

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The collector has it; it refused this many of the items.
    Accepted { rejected: u64, message: String },
    /// It may be sent again, after this long where the collector said so.
    Retry { after: Option<Duration>, reason: String },
    /// It must not be sent again.
    Refused { reason: String },
}

impl Verdict {
    pub(crate) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { after: None, reason: reason.into() }
    }
}

/// A foreign text for a log line: bounded, and without control characters.
pub(super) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..LONGEST_TEXT).unwrap_or(text));
    let plain = |sign: char| if sign.is_control() { ' ' } else { sign };
    text.trim().chars().map(plain).collect()
}
