//! From ended spans to a collector.

#[cfg(feature = "otlp")]
mod answer;
mod encode;
#[cfg(feature = "otlp")]
mod grpc;
#[cfg(feature = "otlp")]
mod http_date;
#[cfg(feature = "otlp")]
mod json;
#[cfg(feature = "otlp")]
mod otlp;
mod outcome;
mod proto;
#[cfg(feature = "otel-sdk")]
mod sdk;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod worker;

pub(crate) use encode::Head;
#[cfg(feature = "otlp")]
pub(crate) use grpc::PATH as GRPC_PATH;
#[cfg(feature = "otlp")]
pub(crate) use otlp::{Client, Target};
#[cfg(feature = "otel-sdk")]
pub(crate) use sdk::Exporter;
#[cfg(feature = "tls")]
pub(crate) use tls::{Files as TlsFiles, config as tls_config};
pub(crate) use transport::{Function, Transport};
pub(crate) use worker::{Pace, Worker};
