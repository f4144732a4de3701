//! A span that is open: what never changes beside what may.

use std::sync::atomic::AtomicU32;
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
    /// About how many bytes the record holds, once the span is over.
    pub(crate) weight: AtomicU32,
    record: Mutex<Record>,
}

/// What a span is from its beginning, before it has a record.
pub(crate) struct Birth {
    pub(crate) trace_id: TraceId,
    pub(crate) parent_id: SpanId,
    pub(crate) route: Option<Route>,
    pub(crate) sampled: bool,
    pub(crate) recording: bool,
    pub(crate) random: bool,
    pub(crate) local_root: bool,
    pub(crate) remote_parent: bool,
    pub(crate) carried: Option<Arc<Carried>>,
}

impl Birth {
    /// Of a child of this span.
    #[inline]
    pub(crate) fn below(parent: &Open) -> Self {
        Self {
            trace_id: parent.trace_id,
            parent_id: parent.span_id,
            route: parent.route,
            sampled: parent.sampled,
            recording: parent.recording,
            random: parent.random,
            local_root: false,
            remote_parent: false,
            carried: parent.carried.clone(),
        }
    }
}

impl Open {
    /// Begins the span in a record that nobody else has.
    #[inline]
    pub(crate) fn begin(&mut self, name: &'static str, birth: Birth) {
        self.trace_id = birth.trace_id;
        self.span_id = SpanId::random();
        self.parent_id = birth.parent_id;
        self.name = name;
        self.route = birth.route;
        self.sampled = birth.sampled;
        self.random = birth.random;
        self.recording = birth.recording;
        self.local_root = birth.local_root;
        self.remote_parent = birth.remote_parent;
        self.carried = birth.carried;
    }

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
            weight: AtomicU32::new(0),
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
