//! Exports ended spans.

mod encode;
mod place;
#[cfg(feature = "otel-sdk")]
mod sdk;
mod transport;
mod worker;

pub(crate) use encode::RequestHead;
#[cfg(feature = "otel-sdk")]
pub(crate) use sdk::Exporter;
pub(crate) use transport::{Function, Transport};
pub(crate) use worker::{ExportSettings, Worker};
