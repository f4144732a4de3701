//! The end of a span: from its record to a chunk for the export thread.

use std::sync::Arc;

use crate::local;
#[cfg(feature = "http")]
use crate::local::Local;
use crate::pipeline::Pipeline;
use crate::record::{Record, SpanKind};
use crate::{ring, sql};

/// A thread hands its ended spans over in chunks of at least this many, at the end of a trace; in the
/// middle of one no later than when its ring is full.
const WORTH_A_CHUNK: usize = 32;

impl Pipeline {
    /// The span is over: what it recorded is final. Does nothing the second time.
    #[inline]
    pub(crate) fn finish(self: &Arc<Self>, mut record: Box<Record>) {
        if !record.identity.recording || record.end.is_some() {
            record.identity.release();
            record.end = None;
            local::with(|local| local.give_back(record));
            return;
        }
        if record.kind == SpanKind::Client && sql::is_sea_orm(record.identity.name) {
            sql::normalise(&mut record, &self.limits);
        }
        record.finish();
        if let Some(pending) = record.identity.pending.take() {
            if !pending.is_of(&self.tail) {
                return self.tail.discard(vec![record], 0); // of a trace whose end is the parent process's
            }
            return self.submit(pending.end(record, &self.limits));
        }
        let worth = if record.identity.local_root { WORTH_A_CHUNK } else { ring::ROOM };
        let mut slot = Some(record);
        let full = local::with(|local| local.end(self, slot.take()?, worth));
        match (full, slot) {
            (Some(Some(chunk)), _) => self.submit(chunk),
            (_, Some(record)) => self.submit(vec![record]), // the thread is at its end
            _ => {}
        }
    }

    /// The span is over before it is closed: others may still ask who it was.
    #[cfg(feature = "http")]
    pub(crate) fn finish_early(self: &Arc<Self>, id: u64) {
        // With buffers that have grown: it comes back to the thread's pool when the span is closed.
        let mut remains = local::with(Local::take).unwrap_or_else(|| Box::new(Record::new()));
        let ended = self.table.with(id, |record| {
            if !record.identity.recording || record.end.is_some() {
                return false;
            }
            remains.identity = record.identity.clone();
            remains.end = Some(record.start);
            std::mem::swap(record, &mut remains);
            true
        });
        match ended {
            Some(true) => self.finish(remains),
            _ => drop(local::with(|local| local.give_back(remains))),
        }
    }
}
