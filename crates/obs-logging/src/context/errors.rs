//! Fields that describe one error, and stay together: `error.message`, `error.type`, `error.chain`,
//! `error.location`, `error.backtrace`.
//!
//! A line never has the message of one error and the causes of another: where a later origin (an event,
//! a span inside) has `error` or `error.message`, all of the earlier origin's is gone.

const MESSAGE: &[u8] = b".message";
const PARTS: [&[u8]; 5] = [MESSAGE, b".type", b".chain", b".location", b".backtrace"];

/// Whether the field `name` of an earlier origin is part of an error that a later origin replaces. The
/// closures tell which names each has.
#[cold]
pub(super) fn replaces(
    earlier_has: &impl Fn(&[u8]) -> bool,
    name: &[u8],
    later_has: &impl Fn(&[u8]) -> bool,
) -> bool {
    let error = PARTS.iter().find_map(|part| name.strip_suffix(*part)).unwrap_or(name);
    let message = [error, MESSAGE].concat();
    let earlier_message = earlier_has(&message);
    (later_has(&message) && (earlier_message || earlier_has(error)))
        || (later_has(error) && earlier_message)
}
