//! State that is propagated with a trace.

use std::sync::Arc;

use super::baggage::Baggage;

/// What travels on with a trace beside its ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PropagatedState {
    /// The `tracestate`, empty for none.
    pub(crate) state: String,
    pub(crate) baggage: Baggage,
}

impl PropagatedState {
    /// The same with other baggage.
    pub(crate) fn with(of: Option<&Arc<Self>>, baggage: &Baggage) -> Option<Arc<Self>> {
        let state = of.map(|propagated| propagated.state.clone()).unwrap_or_default();
        let empty = state.is_empty() && baggage.is_empty();
        (!empty).then(|| Arc::new(Self { state, baggage: baggage.clone() }))
    }
}
