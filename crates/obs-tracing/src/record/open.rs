//! A span that is open: what never changes beside what may.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use obs_context::{ActiveSpan, Route, SpanId, TraceId};

use super::data::Record;
use crate::propagate::Carried;

/// Shared by whoever may touch the span: the side table, the stacks of the threads that are in it,
/// the queue. Its first part is written before anybody else can see it.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// Invalid for a root.
    pub(crate) parent_id: SpanId,
    pub(crate) name: &'static str,
    pub(crate) route: Option<Route>,
    /// What the headers of the next service will say.
    pub(crate) sampled: bool,
    /// Whether the trace id is random (W3C Trace Context level 2).
    pub(crate) random: bool,
    /// Whether this span is kept: sampled, and there is somebody to export to.
    pub(crate) recording: bool,
    /// Whether the span has no parent in this process.
    pub(crate) local_root: bool,
    pub(crate) remote_parent: bool,
    /// What came with the trace and travels on: `None` where nothing did.
    pub(crate) carried: Option<Arc<Carried>>,
    record: Mutex<Record>,
}

impl Open {
    pub(crate) fn blank() -> Self {
        Self {
            trace_id: TraceId::INVALID,
            span_id: SpanId::INVALID,
            parent_id: SpanId::INVALID,
            name: "",
            route: None,
            sampled: false,
            random: true,
            recording: false,
            local_root: false,
            remote_parent: false,
            carried: None,
            record: Mutex::new(Record::new()),
        }
    }

    /// The record, while nobody else can have it.
    #[inline]
    pub(crate) fn record_mut(&mut self) -> &mut Record {
        self.record.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record, locked: no code of the application may run while it is held.
    #[inline]
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the active-span slot says of this span.
    #[inline]
    pub(crate) fn active(&self) -> ActiveSpan {
        ActiveSpan {
            trace_id: self.trace_id,
            span_id: self.span_id,
            sampled: self.sampled,
            name: self.name,
            route: self.route,
        }
    }
}
