//! The input of a sampler, and its decision.

use std::sync::Arc;

use obs_context::{Route, TraceId};

use crate::propagate::{PropagatedState, RemoteContext};

/// What there is to decide upon.
pub(crate) struct SamplingInput<'a> {
    pub(crate) trace_id: TraceId,
    pub(crate) name: &'static str,
    pub(crate) route: Option<Route>,
    /// The span of another process that caused this one; valid.
    pub(crate) parent: Option<&'a RemoteContext>,
}

pub(crate) struct Decision {
    pub(crate) sampled: bool,
    pub(crate) propagated: Option<Arc<PropagatedState>>,
}
