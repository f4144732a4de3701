//! One JSON object a line, in a fixed order, every key once.

use obs_context::{SpanId, TraceId};

use super::line::{Line, OwnKeys};
use crate::context::fields::Fields;
use crate::encode::escape::string;
use crate::encode::head::{TIME, head, opening};
use crate::encode::moment::Moment;
use crate::encode::put::short;
use crate::encode::time::Clock;

/// The two ids as a line has them, and where they stand.
const IDS: &[u8; 75] =
    br#","trace_id":"00000000000000000000000000000000","span_id":"0000000000000000""#;
const TRACE_ID: usize = 13;
const SPAN_ID: usize = 58;

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

    /// Begins a line: everything before the message.
    #[inline]
    pub(crate) fn open(&self, opening: &[u8], time: Moment, clock: &Clock, line: &mut Vec<u8>) {
        line.clear();
        line.extend_from_slice(opening);
        if let Some(place) = line.get_mut(TIME) {
            place.copy_from_slice(&clock.text(time));
        }
    }

    /// What comes before the message itself.
    #[inline]
    pub(crate) fn begin_message(&self, line: &mut Vec<u8>) {
        short(line, &self.event);
    }

    /// What comes between the message and the event's own fields.
    #[inline]
    pub(crate) fn write_context<'a>(
        &self,
        ids: Option<(TraceId, SpanId)>,
        parts: impl IntoIterator<Item = &'a Fields>,
        line: &mut Vec<u8>,
    ) {
        if let Some((trace_id, span_id)) = ids {
            let mut text = *IDS;
            text[TRACE_ID..TRACE_ID + 32].copy_from_slice(&trace_id.hex());
            text[SPAN_ID..SPAN_ID + 16].copy_from_slice(&span_id.hex());
            line.extend_from_slice(&text);
        }
        for part in parts {
            if !part.as_bytes().is_empty() {
                line.extend_from_slice(part.as_bytes());
            }
        }
    }

    pub(super) fn render(
        &self,
        line: &Line<'_>,
        parts: &[&Fields],
        clock: &Clock,
        out: &mut Vec<u8>,
    ) {
        if line.has_own_target {
            let head = head(&line.level, line.target);
            self.open(&opening(&head), line.time, clock, out);
        } else {
            self.open(line.opening, line.time, clock, out);
        }
        if !line.message.is_empty() {
            self.begin_message(out);
            out.extend_from_slice(line.message);
        }
        self.write_context(line.ids, parts.iter().copied(), out);
        out.extend_from_slice(b"}\n");
    }
}
