//! The record of a span.

mod attribute;
mod compact;
mod data;
mod limits;
mod span_context;
mod visit;
mod write;

pub use attribute::AttributeValue;
pub(crate) use attribute::{Attribute, Stored};
pub(crate) use data::{
    Chunk, Event, EventName, Link, Record, SpanContext, TailDecision, TailMode, UndecidedTrace,
};
pub use data::{EndedSpan, SpanKind, Status, Tail};
pub use limits::Limits;
pub(crate) use visit::{ErrorChain, FieldRecorder};
pub(crate) use write::{cut, write_bounded};
