//! Converts OTLP's protobuf to its JSON, message by message: one encoder serves both.
//!
//! OTLP's JSON is protobuf's with exceptions: ids are hexadecimal, enums are numbers.

mod tables;

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::signal::Signal;
use crate::wire::{Content, fields};
use tables::{Kind, Message};

/// An encoded `Export{Trace,Metrics,Logs}ServiceRequest` as JSON.
pub fn json_of(signal: Signal, protobuf: &[u8]) -> String {
    let mut out = String::with_capacity(protobuf.len() * 2);
    let known = match signal {
        Signal::Traces => tables::TRACES,
        Signal::Metrics => tables::METRICS,
        Signal::Logs => tables::LOGS,
    };
    message(&mut out, protobuf, known);
    out
}

/// Our own encoder writes the elements of a list one after another.
fn message(out: &mut String, protobuf: &[u8], known: &'static Message) {
    out.push('{');
    let mut list = None;
    for (number, content) in fields(protobuf) {
        let Some((_, name, kind)) = known.iter().find(|(known, ..)| *known == number) else {
            continue;
        };
        if list != Some(number) {
            if list.take().is_some() {
                out.push(']');
            }
            if !out.ends_with('{') {
                out.push(',');
            }
            let _ = write!(out, "\"{name}\":"); // a string takes everything
            if matches!(kind, Kind::Repeated(_)) {
                out.push('[');
                list = Some(number);
            }
        } else {
            out.push(',');
        }
        value(out, *kind, &content);
    }
    if list.is_some() {
        out.push(']');
    }
    out.push('}');
}

fn value(out: &mut String, kind: Kind, content: &Content<'_>) {
    let (number, bytes) = match content {
        Content::Number(number) => (*number, &[][..]),
        Content::Bytes(bytes) => (0, *bytes),
    };
    let _ = match kind {
        Kind::Message(known) | Kind::Repeated(known) => {
            message(out, bytes, known);
            Ok(())
        }
        Kind::Text => text(out, &String::from_utf8_lossy(bytes)),
        Kind::Id => {
            out.push('"');
            bytes.iter().for_each(|byte| {
                let _ = write!(out, "{byte:02x}");
            });
            out.write_char('"')
        }
        Kind::Int32 => write!(out, "{number}"),
        Kind::Uint64 => write!(out, "\"{number}\""),
        Kind::Int64 => write!(out, "\"{}\"", number as i64),
        Kind::Bool => write!(out, "{}", number != 0),
        Kind::Double => double(out, number),
        Kind::Bytes => write!(out, "\"{}\"", BASE64_STANDARD.encode(bytes)),
        Kind::Uint64List => list(out, bytes, |out, number| write!(out, "\"{number}\"")),
        Kind::DoubleList => list(out, bytes, double),
    };
}

fn double(out: &mut String, bits: u64) -> std::fmt::Result {
    match f64::from_bits(bits) {
        number if number.is_finite() => write!(out, "{number:?}"),
        number if number.is_nan() => write!(out, "\"NaN\""),
        number if number > 0.0 => write!(out, "\"Infinity\""),
        _ => write!(out, "\"-Infinity\""),
    }
}

fn list(
    out: &mut String,
    packed: &[u8],
    write: impl Fn(&mut String, u64) -> std::fmt::Result,
) -> std::fmt::Result {
    out.push('[');
    for (index, number) in packed.as_chunks().0.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, u64::from_le_bytes(*number))?;
    }
    out.write_char(']')
}

fn text(out: &mut String, text: &str) -> std::fmt::Result {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if character < ' ' => write!(out, "\\u{:04x}", u32::from(character))?,
            character => out.push(character),
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_non_finite_numbers_are_valid_json() {
        let mut out = String::new();
        let _ = text(&mut out, "a\"b\\c\n\u{1}ö");
        assert_eq!(out, "\"a\\\"b\\\\c\\n\\u0001ö\"");
        for (number, expected) in [(0.5, "0.5"), (3.0, "3.0"), (f64::NAN, "\"NaN\"")] {
            let mut out = String::new();
            value(&mut out, Kind::Double, &Content::Number(number.to_bits()));
            assert_eq!(out, expected);
        }
    }
}
