//! The console's own requests, which are never shown.

use obs_context::{TraceId, random_u64};

use crate::model::LogLine;

/// How the request ids of the console's own requests begin.
pub(crate) const REQUEST_ID_PREFIX: &str = "obs-console-";

/// Every request that the console makes carries a trace id that begins with these 64 bits, so that
/// whatever the asked service tells of it is recognised.
#[derive(Debug)]
pub(crate) struct SelfTraffic(u64);

impl SelfTraffic {
    pub(crate) fn new() -> Self {
        Self(random_u64().max(1))
    }

    pub(crate) fn trace_id(&self) -> TraceId {
        TraceId::new(u128::from(self.0) << 64 | u128::from(random_u64()))
    }

    pub(crate) fn is_own_trace(&self, trace_id: TraceId) -> bool {
        (trace_id.get() >> 64) as u64 == self.0
    }

    pub(crate) fn is_own_line(&self, line: &LogLine) -> bool {
        line.trace_id.is_some_and(|id| self.is_own_trace(id))
            || line.request_id.as_ref().is_some_and(|id| id.starts_with(REQUEST_ID_PREFIX))
    }
}
