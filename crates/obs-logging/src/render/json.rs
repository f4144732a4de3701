//! One JSON object a line, in a fixed order, every key once.

use super::{Line, OwnKeys};
use crate::callsite;
use crate::context::fields::Fields;
use crate::encode::escape::string;
use crate::encode::time::Clock;

/// What a line has besides its head, message and fields, at most.
const FRAME: usize = 160;

pub(crate) struct Json {
    pub(super) own: OwnKeys,
    /// The key of the message, with comma and colon.
    event: Box<[u8]>,
}

impl Json {
    pub(crate) fn new(event_key: &str) -> Self {
        let mut event = b",".to_vec();
        string(&mut event, event_key);
        event.push(b':');
        Self { own: OwnKeys::new(event_key), event: event.into() }
    }

    #[inline]
    pub(super) fn render(
        &self,
        line: &Line<'_>,
        parts: &[&Fields],
        clock: &Clock,
        out: &mut Vec<u8>,
    ) {
        let fields: usize = parts.iter().map(|part| part.as_bytes().len()).sum();
        let texts = line.head.len() + self.event.len() + line.message.len();
        out.reserve(fields + texts + FRAME);
        out.extend_from_slice(br#"{"timestamp":""#);
        clock.append(out, line.time);
        if line.has_own_target {
            out.extend_from_slice(&callsite::head(&line.level, line.target));
        } else {
            out.extend_from_slice(line.head);
        }
        if !line.message.is_empty() {
            out.extend_from_slice(&self.event);
            out.extend_from_slice(line.message);
        }
        if let Some((trace_id, span_id)) = line.ids {
            out.extend_from_slice(br#","trace_id":""#);
            out.extend_from_slice(&trace_id.hex());
            out.extend_from_slice(br#"","span_id":""#);
            out.extend_from_slice(&span_id.hex());
            out.push(b'"');
        }
        for part in parts {
            if !part.as_bytes().is_empty() {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.extend_from_slice(b"}\n");
    }
}
