//! The receivers: OTLP over gRPC and HTTP, error events in Sentry's protocol, log lines as NDJSON.

mod body;
mod envelope;
mod event;
mod export;
mod grpc;
mod http;
mod ids;
mod json;
mod json_request;
mod logs;
mod metrics;
mod ndjson;
mod origin;
mod sentry;
mod spans;
mod value;

pub(crate) use body::{decode_permit, read as read_body};
pub(crate) use grpc::Grpc;
pub(crate) use http::answer as answer_http;
pub(crate) use ndjson::{ParsedLines, is_object, line, parse as parse_lines};

/// The largest request that a receiver takes, on the wire and unpacked: gRPC's usual 4 MiB.
pub(crate) const MAX_REQUEST_BYTES: usize = 4 << 20;
