//! A span while it lives.

mod attribute;
mod compact;
mod data;
mod identity;
mod limits;
mod visit;
mod write;

pub use attribute::AttributeValue;
pub(crate) use attribute::{Attribute, Stored};
pub(crate) use data::{Chunk, Event, EventName, Identity, Link, Pending, Record, State, TailMode};
pub use data::{EndedSpan, SpanKind, Status, Tail};
pub use limits::Limits;
pub(crate) use visit::{Chain, Fields};
pub(crate) use write::{cut, write_bounded};
