//! Ids as OTLP writes them: big-endian bytes, none or all.

use obs_context::{SpanId, TraceId};

pub(super) fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    let id = TraceId::new(u128::from_be_bytes(bytes.try_into().ok()?));
    id.is_valid().then_some(id)
}

pub(super) fn span_id(bytes: &[u8]) -> Option<SpanId> {
    let id = SpanId::new(u64::from_be_bytes(bytes.try_into().ok()?));
    id.is_valid().then_some(id)
}
