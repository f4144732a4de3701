//! From OTLP's protobuf to its JSON, message by message: one encoder makes both.
//!
//! OTLP's JSON is protobuf's with exceptions: ids are hexadecimal, enums are numbers.

use std::fmt::Write;

use super::answer::{Content, fields};

/// What a field holds.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// An id: lower-case hexadecimal digits.
    Id,
    /// A 32-bit number, or an enum.
    Small,
    /// A 64-bit number: a string, since JSON's numbers are doubles to many.
    Large,
    Signed,
    Bool,
    Double,
    One(&'static Message),
    Many(&'static Message),
}

/// Field numbers, names and kinds of a message.
type Message = [(u64, &'static str, Kind)];

const REQUEST: &Message = &[(1, "resourceSpans", Kind::Many(RESOURCE_SPANS))];
const RESOURCE_SPANS: &Message =
    &[(1, "resource", Kind::One(RESOURCE)), (2, "scopeSpans", Kind::Many(SCOPE_SPANS))];
const RESOURCE: &Message = &[(1, "attributes", Kind::Many(KEY_VALUE))];
const SCOPE_SPANS: &Message = &[(1, "scope", Kind::One(SCOPE)), (2, "spans", Kind::Many(SPAN))];
const SCOPE: &Message = &[(1, "name", Kind::Text), (2, "version", Kind::Text)];
const SPAN: &Message = &[
    (1, "traceId", Kind::Id),
    (2, "spanId", Kind::Id),
    (3, "traceState", Kind::Text),
    (4, "parentSpanId", Kind::Id),
    (5, "name", Kind::Text),
    (6, "kind", Kind::Small),
    (7, "startTimeUnixNano", Kind::Large),
    (8, "endTimeUnixNano", Kind::Large),
    (9, "attributes", Kind::Many(KEY_VALUE)),
    (10, "droppedAttributesCount", Kind::Small),
    (11, "events", Kind::Many(EVENT)),
    (12, "droppedEventsCount", Kind::Small),
    (13, "links", Kind::Many(LINK)),
    (14, "droppedLinksCount", Kind::Small),
    (15, "status", Kind::One(STATUS)),
    (16, "flags", Kind::Small),
];
const EVENT: &Message = &[
    (1, "timeUnixNano", Kind::Large),
    (2, "name", Kind::Text),
    (3, "attributes", Kind::Many(KEY_VALUE)),
    (4, "droppedAttributesCount", Kind::Small),
];
const LINK: &Message =
    &[(1, "traceId", Kind::Id), (2, "spanId", Kind::Id), (6, "flags", Kind::Small)];
const STATUS: &Message = &[(2, "message", Kind::Text), (3, "code", Kind::Small)];
const KEY_VALUE: &Message = &[(1, "key", Kind::Text), (2, "value", Kind::One(ANY_VALUE))];
const ANY_VALUE: &Message = &[
    (1, "stringValue", Kind::Text),
    (2, "boolValue", Kind::Bool),
    (3, "intValue", Kind::Signed),
    (4, "doubleValue", Kind::Double),
];

/// An encoded `ExportTraceServiceRequest` as JSON.
pub(super) fn request(protobuf: &[u8]) -> String {
    let mut out = String::with_capacity(protobuf.len() * 2);
    message(&mut out, protobuf, REQUEST);
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
            if matches!(kind, Kind::Many(_)) {
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
        Kind::One(known) | Kind::Many(known) => {
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
        Kind::Small => write!(out, "{number}"),
        Kind::Large => write!(out, "\"{number}\""),
        Kind::Signed => write!(out, "\"{}\"", number as i64),
        Kind::Bool => write!(out, "{}", number != 0),
        Kind::Double => match f64::from_bits(number) {
            number if number.is_finite() => write!(out, "{number:?}"),
            number if number.is_nan() => write!(out, "\"NaN\""),
            number if number > 0.0 => write!(out, "\"Infinity\""),
            _ => write!(out, "\"-Infinity\""),
        },
    };
}

fn text(out: &mut String, text: &str) -> std::fmt::Result {
    out.push('"');
    for sign in text.chars() {
        match sign {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            sign if sign < ' ' => write!(out, "\\u{:04x}", u32::from(sign))?,
            sign => out.push(sign),
        }
    }
    out.write_char('"')
}

/// How many spans a JSON answer says were refused, and why: `{"partialSuccess": {"rejectedSpans": "2"}}`.
pub(super) fn rejected(answer: &[u8]) -> (u64, String) {
    let answer = String::from_utf8_lossy(answer);
    let after = |name: &str| {
        let rest = answer.split_once(name)?.1.trim_start().strip_prefix(':')?;
        Some(rest.trim_start())
    };
    let spans = after("\"rejectedSpans\"").map(|rest| {
        let digits = rest.trim_start_matches('"');
        let end = digits.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().unwrap_or(0)
    });
    let message = after("\"errorMessage\"")
        .and_then(|rest| Some(rest.strip_prefix('"')?.split_once('"')?.0.to_owned()));
    (spans.unwrap_or(0), message.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_success() {
        let answer = br#"{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}"#;
        assert_eq!(rejected(answer), (2, "too old".to_owned()));
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedSpans":3}}"#), (3, String::new()));
        assert_eq!(rejected(b"{}"), (0, String::new()));
        assert_eq!(rejected(b"\xff\"rejectedSpans\":"), (0, String::new()));
    }

    #[test]
    fn texts_and_numbers_that_json_knows_not() {
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
