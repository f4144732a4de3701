//! What is told of requests: a line each in the list, and one joined document.

mod filter;
mod join;
mod summary;
mod tree;

pub use filter::{BadFilter, Filter, StatusFilter};
pub use join::RequestDocument;
pub(crate) use join::join;
pub use summary::RequestSummary;
pub(crate) use summary::list;
pub use tree::PlacedSpan;
