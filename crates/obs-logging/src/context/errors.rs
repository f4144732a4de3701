//! Fields that tell of one error, and stay together: `error.message`, `error.type`, `error.chain`.
//!
//! A line never has the message of one error and the causes of another: where a later origin (an event,
//! a span inside) has `error` or `error.message`, all of the earlier origin's is gone.

use std::ops::Range;

use super::fields::{Fields, hash};

const MESSAGE: &[u8] = b".message";
const PARTS: [&[u8]; 3] = [MESSAGE, b".type", b".chain"];

/// In the hash of a name: it is an error's message, and the seven bits below are those of the error's
/// own name.
pub(super) const IS_MESSAGE: u64 = 1 << 63;

/// Where those seven bits are.
pub(super) const SHIFT: u32 = 56;

/// The hash of a name, with what is known of it as a part of an error.
pub(super) fn marked(plain: u64, name: &[u8]) -> u64 {
    let plain = plain & !(0xff << SHIFT);
    match name.strip_suffix(MESSAGE) {
        Some(error) => plain | IS_MESSAGE | ((hash(error) & 127) << SHIFT),
        None => plain,
    }
}

/// Whether any of the names is an error's message.
pub(super) fn any(mut hashes: impl Iterator<Item = u64>) -> bool {
    hashes.any(|hash| hash & IS_MESSAGE != 0)
}

/// Whether the field `name` of `earlier` is part of an error that another in `later` replaces.
#[cold]
pub(super) fn replaces(
    earlier: &Fields,
    name: &[u8],
    later: &Fields,
    range: &Range<usize>,
) -> bool {
    let error = PARTS.iter().find_map(|part| name.strip_suffix(*part)).unwrap_or(name);
    let message = [error, MESSAGE].concat();
    let has = |fields: &Fields, name: &[u8], range: Range<usize>| {
        fields.contains_in(hash(name), name, range)
    };
    let whole = || 0..earlier.len();
    let (later_has, later_message) =
        (has(later, error, range.clone()), has(later, &message, range.clone()));
    let earlier_message = has(earlier, &message, whole());
    (later_message && (earlier_message || has(earlier, error, whole())))
        || (later_has && earlier_message)
}
