//! What is told of requests: a line each in the list, and one joined document.

mod filter;
mod join;
mod summary;

pub use filter::{BadFilter, Filter, StatusFilter};
pub(crate) use join::join;
pub use join::{RequestDocument, TimedSpan};
pub use summary::RequestSummary;
pub(crate) use summary::list;
