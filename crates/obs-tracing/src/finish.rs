//! Ends a span: from its record to a chunk for the export thread.

use std::sync::Arc;

use crate::pipeline::Pipeline;
use crate::record::{Record, SpanKind};
use crate::thread_state;
#[cfg(feature = "http")]
use crate::thread_state::ThreadState;
use crate::{ring, sql};

/// A thread hands its ended spans over in chunks of at least this many, at the end of a trace; in the
/// middle of one no later than when its ring is full.
const MIN_CHUNK: usize = 32;

impl Pipeline {
    /// The span is over: what it recorded is final. Does nothing the second time.
    #[inline]
    pub(crate) fn finish(self: &Arc<Self>, mut record: Box<Record>) {
        if !record.span_context.recording || record.end.is_some() {
            record.span_context.release();
            record.end = None;
            thread_state::with(|thread| thread.give_back(record));
            return;
        }
        if record.kind == SpanKind::Client && sql::is_sea_orm(record.span_context.name) {
            sql::rename_fields(&mut record, &self.limits);
        }
        record.finish();
        if let Some(undecided) = record.span_context.undecided.take() {
            if !undecided.belongs_to(&self.tail) {
                return self.tail.discard(vec![record], 0); // of a trace whose end is the parent process's
            }
            return self.submit(undecided.end_span(record, &self.limits));
        }
        let min_chunk = if record.span_context.local_root { MIN_CHUNK } else { ring::CAPACITY };
        let mut slot = Some(record);
        let full = thread_state::with(|thread| thread.push_ended(self, slot.take()?, min_chunk));
        match (full, slot) {
            (Some(Some(chunk)), _) => self.submit(chunk),
            (_, Some(record)) => self.submit(vec![record]), // the thread is at its end
            _ => {}
        }
    }

    /// Ends the span before it is closed: its context can still be read.
    #[cfg(feature = "http")]
    pub(crate) fn finish_early(self: &Arc<Self>, id: u64) {
        // With buffers that have grown: it comes back to the thread's pool when the span is closed.
        let mut replacement =
            thread_state::with(ThreadState::take_record).unwrap_or_else(|| Box::new(Record::new()));
        let ended = self.table.with(id, |record| {
            if !record.span_context.recording || record.end.is_some() {
                return false;
            }
            replacement.span_context = record.span_context.clone();
            replacement.end = Some(record.start);
            replacement.entered_elsewhere = std::mem::take(&mut record.entered_elsewhere);
            std::mem::swap(record, &mut replacement);
            true
        });
        match ended {
            Some(true) => self.finish(replacement),
            _ => drop(thread_state::with(|thread| thread.give_back(replacement))),
        }
    }
}
