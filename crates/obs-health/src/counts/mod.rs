//! What the two servers count, for the health metrics.

mod admin;
mod server;

pub(crate) use admin::{AdminClosed, AdminCounts};
pub(crate) use server::{Closed, ServerCounts, StreamReset};
