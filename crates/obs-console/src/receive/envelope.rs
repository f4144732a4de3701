//! Sentry's envelope: a line of headers, then items, each a line of headers and its payload
//! (develop.sentry.dev, "Envelopes").

use serde::Deserialize;
use serde_json::Value;

/// What of an envelope is of use here.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Envelope<'a> {
    /// The `event_id` of its headers.
    pub(super) event_id: Option<u128>,
    /// Whether its headers name the receiver, as those do that come without authentication.
    pub(super) has_dsn: bool,
    /// The payloads of its error events.
    pub(super) events: Vec<&'a [u8]>,
    /// How many items of another kind it has.
    pub(super) others: u64,
}

#[derive(Deserialize)]
struct ItemHeaders<'a> {
    /// Escapes are no part of any kind that is known.
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    length: Option<u64>,
}

/// Takes an envelope apart; the error says what is wrong with it.
pub(super) fn parse(body: &[u8]) -> Result<Envelope<'_>, &'static str> {
    let (headers, mut rest) = line(body);
    let Ok(Value::Object(headers)) = serde_json::from_slice(headers) else {
        return Err("the first line is no JSON object: send the envelope's headers there");
    };
    let mut envelope = Envelope {
        event_id: headers.get("event_id").and_then(event_id),
        has_dsn: headers.get("dsn").is_some_and(Value::is_string),
        ..Envelope::default()
    };
    while !rest.trim_ascii_start().is_empty() {
        let (headers, after) = line(rest);
        let Ok(ItemHeaders { kind, length }) = serde_json::from_slice(headers) else {
            return Err("an item's headers are no JSON object with a type: send them in one line");
        };
        let (payload, after) = match length {
            None => line(after),
            Some(length) => payload(after, length)?,
        };
        match &*kind {
            "event" => envelope.events.push(payload),
            _ => envelope.others += 1,
        }
        rest = after;
    }
    Ok(envelope)
}

/// An event's id, with hyphens or without.
pub(super) fn event_id(value: &Value) -> Option<u128> {
    let digits: String = value.as_str()?.chars().filter(|digit| *digit != '-').collect();
    let all_digits = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u128::from_str_radix(&digits, 16).ok().filter(|_| all_digits)
}

/// The first line and what follows it.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let (line, rest) = text.split_at(end);
            (line, rest.get(1..).unwrap_or_default())
        }
        None => (text, &[]),
    }
}

/// So many bytes, the line's end after them, and what follows.
fn payload(text: &[u8], length: u64) -> Result<(&[u8], &[u8]), &'static str> {
    let split = usize::try_from(length).ok().and_then(|length| text.split_at_checked(length));
    match split {
        Some((payload, [])) => Ok((payload, &[])),
        Some((payload, [b'\n', rest @ ..])) => Ok((payload, rest)),
        Some(_) => Err("an item is longer than its length says: give its bytes, or no length"),
        None => Err("an item is shorter than its length says: send the envelope whole"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_with_and_without_length_are_parsed() {
        let body = b"{\"event_id\":\"0000000000000000000000000000002a\"}\n\
            {\"type\":\"event\",\"length\":9}\n{\"a\":\n\"\"}\n\
            {\"type\":\"session\"}\n{}\n\
            {\"type\":\"attachment\",\"length\":0}\n\n\
            {\"type\":\"event\",\"length\":null,\"other\":[{}]}\n{}\n\n";
        let envelope = parse(body).unwrap();
        assert_eq!(envelope.event_id, Some(42));
        assert_eq!(envelope.events, [&b"{\"a\":\n\"\"}"[..], b"{}"]);
        assert_eq!((envelope.others, envelope.has_dsn), (2, false));
        let without_items = parse(b"{\"dsn\":\"http://key@localhost/1\"}").unwrap();
        assert_eq!((without_items.events.len(), without_items.has_dsn), (0, true));
    }

    #[test]
    fn malformed_envelope_is_rejected_with_remedy() {
        for (body, part) in [
            (&b""[..], "first line"),
            (b"[]\n", "first line"),
            (b"{}\n{}\n{}", "type"),
            (b"{}\nnothing\n{}", "type"),
            (b"{}\n{\"type\":\"event\",\"length\":-1}\n{}", "type"),
            (b"{}\n{\"type\":\"event\",\"length\":1}\n{}", "longer"),
            (b"{}\n{\"type\":\"event\",\"length\":3}\n{}", "shorter"),
            (b"{}\n{\"type\":\"event\",\"length\":18446744073709551615}\n{}", "shorter"),
        ] {
            let refused = parse(body).unwrap_err();
            assert!(refused.contains(part), "{}: {refused}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn event_id_of_another_length_is_rejected() {
        for (text, id) in [
            ("0000000000000000000000000000002a", Some(42)),
            ("00000000-0000-0000-0000-00000000002A", Some(42)),
            ("2a", None),
            ("+000000000000000000000000000002a", None),
            ("ü000000000000000000000000000002a", None),
        ] {
            assert_eq!(event_id(&text.into()), id, "{text}");
        }
    }
}
