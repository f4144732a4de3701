#![doc = include_str!("../README.md")]

mod active_span;
mod hooks;
mod ids;
mod request_id;
mod route;

pub use active_span::{ActiveSpan, active_span, active_span_is_sampled, set_active_span};
pub use hooks::{FollowSpans, Sample, SampleKind, Source, SpanFollower, SpanResolver};
pub use ids::{ParseIdError, SpanId, TraceId};
pub use obs_guard::{fork_generation, random_u64, watch_forks};
pub use request_id::{EnteredRequest, RequestId, current_request_id};
pub use route::Route;
