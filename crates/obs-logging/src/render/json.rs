//! One JSON object a line, in a fixed order, every key once.

use super::{Line, OwnKeys};
use crate::callsite;
use crate::context::fields::Fields;
use crate::encode::escape::string;
use crate::encode::time::Clock;

/// The two ids as a line has them, and where they stand.
const IDS: &[u8; 75] =
    br#","trace_id":"00000000000000000000000000000000","span_id":"0000000000000000""#;
const TRACE_ID: usize = 13;
const SPAN_ID: usize = 58;

/// What a line has besides its head, message and fields, at most.
const FRAME: usize = 128;

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
        out.reserve(fields + line.head.len() + self.event.len() + line.message.len() + FRAME);
        out.extend_from_slice(br#"{"timestamp":""#);
        out.extend_from_slice(&clock.text(line.time));
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
            let mut ids = *IDS;
            ids[TRACE_ID..TRACE_ID + 32].copy_from_slice(&trace_id.hex());
            ids[SPAN_ID..SPAN_ID + 16].copy_from_slice(&span_id.hex());
            out.extend_from_slice(&ids);
        }
        for part in parts {
            if !part.as_bytes().is_empty() {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.extend_from_slice(b"}\n");
    }
}
