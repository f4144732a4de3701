#![doc = include_str!("../README.md")]

mod active_span;
mod fork;
mod hooks;
mod ids;
mod random;
mod request_id;
mod route;

pub use active_span::{ActiveSpan, active_span, active_span_is_sampled, set_active_span};
pub use fork::{fork_generation, watch_forks};
pub use hooks::{FollowSpans, Sample, SampleKind, Source, SpanFollower, SpanResolver};
pub use ids::{ParseIdError, SpanId, TraceId};
pub use random::random_u64;
pub use request_id::{EnteredRequest, RequestId, current_request_id};
pub use route::Route;
