//! The head of a JSON line: everything before the message.

use std::ops::Range;

use tracing_core::Level;

use crate::encode::escape::string;

/// What a line begins with, up to the time.
const OPENING: &[u8; 14] = br#"{"timestamp":""#;

/// Where the time stands.
pub(crate) const TIME: Range<usize> = 14..41;

/// What a line of the callsite begins with, the time still missing.
pub(crate) fn opening(head: &[u8]) -> Box<[u8]> {
    let no_time = [b'0'; TIME.end - TIME.start];
    [OPENING, &no_time[..], head].concat().into()
}

/// `","level":"info","target":"orders"`.
pub(crate) fn head(level: &Level, target: &str) -> Box<[u8]> {
    let mut head = Vec::with_capacity(target.len() + 40);
    head.extend_from_slice(br#"","level":""#);
    head.extend_from_slice(level_name(level).as_bytes());
    head.extend_from_slice(br#"","target":"#);
    string(&mut head, target);
    head.into()
}

/// As the lines have it.
pub(crate) const fn level_name(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}
