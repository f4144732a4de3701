//! One value as JSON: native types stay native, and no user's `Debug` can break the line.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use obs_guard::Place;

use super::escape::{Escaping, escape, string};
use super::put::{first, short};

/// A value longer than this is cut: a line must stay a line.
pub(crate) const MAX_VALUE_BYTES: usize = 64 * 1024;

/// What stands at the end of a value that was cut.
pub(crate) const TRUNCATED_MARK: &str = "… [truncated]";

/// Causes past this many are left out: a chain may be a ring.
const MAX_CAUSES: usize = 16;

/// `Display` and `Debug` of a value.
static FORMAT: Place = Place::new("logging.value");

/// `Error::source`.
static SOURCE: Place = Place::new("logging.error_source");

#[inline]
pub(crate) fn unsigned(out: &mut Vec<u8>, value: u64) {
    short(out, itoa::Buffer::new().format(value).as_bytes());
}

#[inline]
pub(crate) fn signed(out: &mut Vec<u8>, value: i64) {
    short(out, itoa::Buffer::new().format(value).as_bytes());
}

/// A number where it fits 64 bits; else a string, because readers of JSON would round it.
pub(crate) fn wide_unsigned(out: &mut Vec<u8>, value: u128) {
    match u64::try_from(value) {
        Ok(value) => unsigned(out, value),
        Err(_) => string(out, itoa::Buffer::new().format(value)),
    }
}

/// As [`wide_unsigned`].
pub(crate) fn wide_signed(out: &mut Vec<u8>, value: i128) {
    match i64::try_from(value) {
        Ok(value) => signed(out, value),
        Err(_) => string(out, itoa::Buffer::new().format(value)),
    }
}

/// A number; the three values that JSON lacks are strings, as in the JSON mapping of Protobuf.
#[inline]
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    if short_decimal(out, value) {
        // Most measurements are.
    } else if value.is_finite() {
        short(out, zmij::Buffer::new().format_finite(value).as_bytes());
    } else if value.is_nan() {
        string(out, "NaN");
    } else {
        string(out, if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
}

/// Appends a number with at most three decimal places, and answers whether it is one.
///
/// It is, if the thousandths, read as a decimal, are this very number: of the decimals with at most 15
/// digits no two are, so that these digits are the fewest, too.
#[inline]
fn short_decimal(out: &mut Vec<u8>, value: f64) -> bool {
    let size = value.abs();
    if !(0.001..1e9).contains(&size) {
        return false;
    }
    let thousandths = (size * 1000.0 + 0.5) as u64;
    if thousandths as f64 / 1000.0 != size {
        return false;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    unsigned(out, thousandths / 1000);
    let places = (thousandths % 1000) as u32;
    let digits = [places / 100, places / 10 % 10, places % 10].map(|digit| b'0' + digit as u8);
    let zeros = match digits {
        [_, b'0', b'0'] => 2,
        [_, _, b'0'] => 1,
        _ => 0,
    };
    first(out, [b'.', digits[0], digits[1], digits[2]], 4 - zeros);
    true
}

#[inline]
pub(crate) fn boolean(out: &mut Vec<u8>, value: bool) {
    short(out, if value { b"true" } else { b"false" });
}

#[inline]
pub(crate) fn text(out: &mut Vec<u8>, value: &str) {
    if value.len() <= MAX_VALUE_BYTES {
        string(out, value);
    } else {
        formatted(out, format_args!("{value}"));
    }
}

/// Lower-case hexadecimal digits: bytes are not text, and a reader can turn these back.
pub(crate) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    struct Hex<'a>(&'a [u8]);
    impl fmt::Display for Hex<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
    formatted(out, format_args!("{}", Hex(value)));
}

/// A string of whatever the arguments' `Debug` or `Display` writes: also when it fails, when it
/// panics, and when it never ends.
#[inline]
pub(crate) fn formatted(out: &mut Vec<u8>, value: fmt::Arguments<'_>) {
    formatted_within(out, value, MAX_VALUE_BYTES);
}

/// As [`formatted`], with at most `room` bytes of text.
#[inline]
pub(crate) fn formatted_within(out: &mut Vec<u8>, value: fmt::Arguments<'_>, room: usize) {
    out.push(b'"');
    write_within(&mut Escaping::new(out, room), value);
    out.push(b'"');
}

/// As [`formatted`], without the quotation marks.
#[inline]
pub(crate) fn write_within(writer: &mut Escaping<'_>, value: fmt::Arguments<'_>) {
    let outcome = catch_unwind(AssertUnwindSafe(|| writer.write_fmt(value)));
    match outcome {
        // A `Display` may swallow the error that stops it.
        _ if writer.is_cut => escape(writer.out, TRUNCATED_MARK),
        Ok(Ok(())) => {}
        Ok(Err(_)) => escape(writer.out, "<its Debug or Display failed>"),
        Err(_) => escape(writer.out, "<its Debug or Display panicked>"),
    }
    if let Err(panic) = outcome {
        FORMAT.caught(panic);
    }
}

/// The cause of an error; none where asking for it panics.
pub(crate) fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    SOURCE.call(|| error.source()).flatten()
}

/// The causes of an error, from the nearest to the root, as an array of strings; `false`, and
/// nothing written, where it has none.
pub(crate) fn chain(out: &mut Vec<u8>, error: &(dyn Error + 'static)) -> bool {
    let mut cause = source(error);
    if cause.is_none() {
        return false;
    }
    out.push(b'[');
    for position in 0..MAX_CAUSES {
        let Some(error) = cause else { break };
        if position > 0 {
            out.push(b',');
        }
        formatted(out, format_args!("{error}"));
        cause = source(error);
    }
    if cause.is_some() {
        out.push(b',');
        formatted(out, format_args!("{TRUNCATED_MARK}"));
    }
    out.push(b']');
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_shortest(value: f64) {
        let mut out = Vec::new();
        float(&mut out, value);
        let expected = zmij::Buffer::new().format(value).to_owned();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn floats_have_fewest_digits() {
        for thousandths in (0..300_000_u64).chain(999_999_990_000..1_000_000_010_000) {
            assert_shortest(thousandths as f64 / 1000.0);
        }
        for value in
            [0.0_f64, 0.1, 0.25, 1e-3, 9.5e-4, 1e9, 999_999_999.999, 0.1 + 0.2, 1e300, 5e-324]
        {
            for value in [value, -value, value.next_up(), value.next_down()] {
                assert_shortest(value);
            }
        }
    }
}
