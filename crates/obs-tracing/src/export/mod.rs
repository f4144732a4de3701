//! From ended spans to a collector.

#[cfg(feature = "otlp")]
mod answer;
mod encode;
#[cfg(feature = "otlp")]
mod grpc;
#[cfg(feature = "otlp")]
mod otlp;
mod outcome;
mod proto;
mod transport;
mod worker;

pub(crate) use encode::Head;
#[cfg(feature = "otlp")]
pub(crate) use grpc::PATH as GRPC_PATH;
#[cfg(feature = "otlp")]
pub(crate) use otlp::{Client, Target};
pub(crate) use transport::{Function, Transport};
pub(crate) use worker::{Pace, Worker};
