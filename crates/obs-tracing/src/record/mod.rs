//! A span while it lives.

mod attribute;
mod compact;
mod data;
mod limits;
mod open;
mod visit;

pub use attribute::AttributeValue;
pub(crate) use attribute::{Attribute, Stored};
pub(crate) use data::{Event, EventName, Link, Record};
pub use data::{SpanKind, Status};
pub use limits::Limits;
pub(crate) use open::{Birth, Open};
pub(crate) use visit::{Chain, Fields};
