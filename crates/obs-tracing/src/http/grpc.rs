//! The spans of gRPC calls. Their outcome is in the trailers.

use std::sync::Arc;

use http::request;
use obs_context::Route;
use obs_guard::grpc_code_name;
use obs_http::{End, Exchange, Observe, server_address};
use tracing::info_span;

use super::span::{EnteredSpan, HttpSpan, extract};
use crate::propagate::{Origin, Propagators, with_origin};
use crate::record::{Limits, Record, SpanKind, Status};

/// Makes a SERVER span of every gRPC call that is served, by OpenTelemetry's RPC conventions: a tower
/// layer around tonic's routes, or any other gRPC service.
///
/// The span is a child of the caller's, and ends with the trailers. `rpc.status_code` is theirs, by name; of
/// the codes, those that are the server's fault set the status ERROR: UNKNOWN, DEADLINE_EXCEEDED,
/// UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
#[derive(Clone, Copy, Debug, Default)]
pub struct GrpcServerSpan {
    propagators: Option<Propagators>,
}

/// Makes a CLIENT span around every gRPC call, and writes its context into the metadata, in the formats of the
/// pipeline and with `x-request-id`: a tower layer around tonic's channel. Any code but OK sets the status ERROR.
#[derive(Clone, Debug, Default)]
pub struct GrpcClientSpan {
    propagators: Option<Propagators>,
    server: Option<(Arc<str>, u16)>,
}

/// A gRPC call.
#[derive(Debug)]
pub struct GrpcExchange {
    span: HttpSpan,
    kind: SpanKind,
}

impl GrpcServerSpan {
    /// With the attributes of the conventions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads these formats instead of the pipeline's: see [`Traces::propagators`](crate::Traces::propagators).
    pub fn propagators(mut self, propagators: Propagators) -> Self {
        self.propagators = Some(propagators);
        self
    }
}

impl GrpcClientSpan {
    /// With the attributes of the conventions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `server.address` and `server.port`: tonic's channel keeps them to itself.
    pub fn with_server(mut self, host: &str, port: u16) -> Self {
        self.server = Some((host.into(), port));
        self
    }

    /// Writes these formats instead of the pipeline's: see [`Traces::propagators`](crate::Traces::propagators).
    pub fn propagators(mut self, propagators: Propagators) -> Self {
        self.propagators = Some(propagators);
        self
    }
}

impl Observe for GrpcServerSpan {
    type Exchange = GrpcExchange;

    fn begin(&self, request: &mut request::Parts, _: Option<Route>) -> GrpcExchange {
        let remote = extract(self.propagators, &request.headers);
        let create = || info_span!(target: "obs_http", parent: None, "call");
        let span = HttpSpan::new(|| with_origin(Origin { remote, route: None }, create));
        span.change(|record, limits| record_request(request, record, SpanKind::Server, limits));
        GrpcExchange { span, kind: SpanKind::Server }
    }
}

impl Observe for GrpcClientSpan {
    type Exchange = GrpcExchange;

    fn begin(&self, request: &mut request::Parts, _: Option<Route>) -> GrpcExchange {
        let span = HttpSpan::new(|| info_span!(target: "obs_http", "call"));
        span.change(|record, limits| {
            record_request(request, record, SpanKind::Client, limits);
            let host = request.uri.authority().map(server_address);
            let known = host.zip(request.uri.port_u16());
            let server = self.server.as_ref().map(|(host, port)| (&**host, *port));
            if let Some((host, port)) = server.or(known) {
                record.set("server.address", host.into(), limits);
                record.set("server.port", port.into(), limits);
            }
        });
        span.write_context(self.propagators, &mut request.headers);
        GrpcExchange { span, kind: SpanKind::Client }
    }
}

impl Exchange for GrpcExchange {
    type Entered<'a> = EnteredSpan<'a>;

    const IS_TIMED: bool = false;

    fn enter(&self) -> EnteredSpan<'_> {
        self.span.enter()
    }

    fn can_end_alone(&self, _: &End) -> bool {
        self.span.can_end_alone()
    }

    fn end(self, end: &End) {
        let kind = self.kind;
        self.span.change(|record, limits| record_outcome(record, kind, end, limits));
        self.span.end();
    }
}

pub(super) fn record_request(
    request: &request::Parts,
    record: &mut Record,
    kind: SpanKind,
    limits: &Limits,
) {
    let path = request.uri.path().trim_start_matches('/');
    record.kind = kind;
    record.name = Some(record.push_text(path, limits));
    record.set("rpc.system.name", "grpc".into(), limits);
    record.set("rpc.method", path.into(), limits);
}

pub(super) fn record_outcome(record: &mut Record, kind: SpanKind, end: &End, limits: &Limits) {
    const UNKNOWN: u16 = 2;
    // A call without the content type of one has none.
    let code = end.grpc_status.unwrap_or(UNKNOWN);
    let number;
    let name = match grpc_code_name(code.into()) {
        Some(name) => name,
        None => {
            number = code.to_string();
            number.as_str()
        }
    };
    record.set("rpc.status_code", name.into(), limits);
    let is_error = match kind {
        SpanKind::Server => matches!(code, 2 | 4 | 12 | 13 | 14 | 15),
        _ => code != 0,
    };
    if is_error {
        record.set("error.type", name.into(), limits);
        if record.status == Status::Unset {
            record.set_status(Status::Error, "", limits);
        }
    }
}
