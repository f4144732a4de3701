//! What is told of what is kept: lists, and one joined document.

mod filter;
mod join;
mod lines;
mod list;
mod search;
mod summary;
mod tree;

pub use filter::{BadFilter, Filter, StatusFilter};
pub use join::RequestDocument;
pub(crate) use join::join;
pub use lines::{ErrorFilter, Level, LineFilter, LinePage, Numbered};
pub(crate) use lines::{errors, lines};
pub(crate) use list::list;
pub use search::{AttributeFilter, Needle};
pub use summary::RequestSummary;
pub use tree::PlacedSpan;
