//! The `traceparent` header (W3C Trace Context, section 3.2).

use obs_context::{SpanId, TraceId};

use crate::record::SpanContext;

const SAMPLED_FLAG: u8 = 1;
const RANDOM_FLAG: u8 = 2;

/// A parsed `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) sampled: bool,
    pub(crate) random: bool,
}

impl TraceParent {
    /// The context of this span for its children in other processes.
    pub(crate) fn of(span: &SpanContext) -> Self {
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            sampled: span.sampled,
            random: span.random,
        }
    }

    /// Reads one header's value; `None` for anything that the specification does not allow.
    ///
    /// A version later than 00 is read as far as 00 goes, as the specification requires.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        const LENGTH: usize = 55;
        let value = value.trim_ascii();
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let version = byte(known.get(..2)?)?;
        let goes_on = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let dashes = [2, 35, 52].iter().all(|&at| known[at] == b'-');
        if !goes_on || !dashes {
            return None;
        }
        let trace_id = TraceId::from_hex(&known[3..35]).filter(|id| id.is_valid())?;
        let span_id = SpanId::from_hex(&known[36..52]).filter(|id| id.is_valid())?;
        let flags = byte(&known[53..])?;
        Some(Self {
            trace_id,
            span_id,
            sampled: flags & SAMPLED_FLAG != 0,
            random: flags & RANDOM_FLAG != 0,
        })
    }

    pub(crate) fn flags(self) -> u8 {
        (u8::from(self.sampled) * SAMPLED_FLAG) | (u8::from(self.random) * RANDOM_FLAG)
    }

    /// The header's value, in version 00.
    pub(crate) fn text(self) -> [u8; 55] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&self.trace_id.hex());
        text[36..52].copy_from_slice(&self.span_id.hex());
        text[54] = b'0' + self.flags();
        text
    }
}

/// Two lower-case hexadecimal digits.
fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    match digits {
        &[high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    }
}
