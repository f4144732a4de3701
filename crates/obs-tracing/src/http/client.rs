//! The client span of a request.

use http::{Uri, request, response};
use obs_context::Route;
use obs_http::{End, Exchange, Observe, server_address};
use tracing::info_span;

use super::address;
use super::span::{EnteredSpan, HttpSpan, OTHER_METHOD, method, method_name};
use crate::propagate::Propagators;
use crate::record::{Limits, Record, SpanKind, Status};

/// Makes a CLIENT span around every request, and writes its context into the request's headers:
/// in the formats of the pipeline, also when the trace is not sampled. `x-request-id` goes with it.
///
/// The URL is an attribute without its query string and without a password. A 4xx or 5xx sets the
/// status ERROR, as do an error and a request that is dropped before its response; a body that is
/// dropped before its end does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientSpan {
    propagators: Option<Propagators>,
}

/// A request that is under way.
#[derive(Debug)]
pub struct ClientExchange {
    span: HttpSpan,
}

impl ClientSpan {
    /// With the attributes that the conventions require.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes these formats instead of the pipeline's: see [`Traces::propagators`](crate::Traces::propagators).
    pub fn propagators(mut self, propagators: Propagators) -> Self {
        self.propagators = Some(propagators);
        self
    }
}

impl Observe for ClientSpan {
    type Exchange = ClientExchange;

    fn begin(&self, request: &mut request::Parts, _: Option<Route>) -> ClientExchange {
        let span = HttpSpan::new(|| info_span!(target: "obs_http", "send"));
        span.change(|record, limits| record_request(request, record, limits));
        span.write_context(self.propagators, &mut request.headers);
        ClientExchange { span }
    }
}

impl Exchange for ClientExchange {
    type Entered<'a> = EnteredSpan<'a>;

    const IS_TIMED: bool = false;

    fn enter(&self) -> EnteredSpan<'_> {
        self.span.enter()
    }

    fn response(&mut self, response: &mut response::Parts) {
        let code = response.status.as_u16();
        self.span.change(|record, limits| {
            record.set("http.response.status_code", code.into(), limits);
            address::protocol_version(response.version, record, limits);
            address::peer(&response.extensions, record, limits);
        });
    }

    fn can_end_alone(&self, _: &End) -> bool {
        self.span.can_end_alone()
    }

    fn end(self, end: &End) {
        self.span.change(|record, limits| record_outcome(record, end, limits));
        self.span.end();
    }
}

fn record_request(request: &request::Parts, record: &mut Record, limits: &Limits) {
    let known = method(&request.method);
    record.kind = SpanKind::Client;
    record.name = Some(record.push_text(method_name(known), limits));
    record.set("http.request.method", known.into(), limits);
    if known == OTHER_METHOD {
        record.set("http.request.method_original", request.method.as_str().into(), limits);
    }
    let uri = &request.uri;
    if let Some(authority) = uri.authority() {
        record.set("server.address", server_address(authority).into(), limits);
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        record.set("server.port", uri.port_u16().unwrap_or(usual).into(), limits);
    }
    record.set("url.full", without_secrets(uri).as_str().into(), limits);
}

fn without_secrets(uri: &Uri) -> String {
    let path = uri.path();
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        _ => path.to_owned(),
    }
}

fn record_outcome(record: &mut Record, end: &End, limits: &Limits) {
    let Some(error) = end.client_error_type() else { return };
    record.set("error.type", error.into(), limits);
    if record.status == Status::Unset {
        record.set_status(Status::Error, "", limits);
    }
}
