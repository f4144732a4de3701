//! The server span of a request.

use http::{request, response};
use obs_context::Route;
use obs_http::{End, Exchange, Observe, Outcome, is_grpc};
use tracing::info_span;

use super::span::{EnteredSpan, HttpSpan, OTHER_METHOD, extract, method, method_name};
use super::{address, grpc};
use crate::propagate::{Origin, Propagators, with_origin};
use crate::record::{Limits, Record, SpanKind, Status};

/// Makes a SERVER span of every request (OpenTelemetry's HTTP conventions, stable since 1.23).
///
/// The span is a child of the caller's where the headers name one; it is entered on every poll, and
/// ends with the response's body. Its name is `GET /orders/{id}`; the path is an attribute, the query
/// string is nowhere. A 5xx, a panic, an error or a request cancelled before its response sets the
/// status ERROR, with `error.type`. A gRPC call gets the attributes of [`GrpcServerSpan`](super::GrpcServerSpan).
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerSpan {
    propagators: Option<Propagators>,
    user_agent: bool,
    trusted_proxies: u8,
}

/// A request that is being served.
#[derive(Debug)]
pub struct ServerExchange {
    span: HttpSpan,
    method: &'static str,
    route: Option<Route>,
    is_grpc: bool,
}

impl ServerSpan {
    /// With the attributes that the conventions require and recommend; those of the connection where the
    /// server provides it ([`PeerAddr`](obs_http::PeerAddr)).
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads these formats instead of the pipeline's: see [`Traces::propagators`](crate::Traces::propagators).
    pub fn propagators(mut self, propagators: Propagators) -> Self {
        self.propagators = Some(propagators);
        self
    }

    /// Adds `user_agent.original`.
    pub fn with_user_agent(mut self) -> Self {
        self.user_agent = true;
        self
    }

    /// How many proxies in front of the service are trusted to add whom they served to `Forwarded` or
    /// `X-Forwarded-For`: `client.address` is taken from there, that many from the right, since a client may
    /// send what it likes on the left. 0: neither header is read, and the client is the connection's peer.
    pub fn trusted_proxies(mut self, proxies: u8) -> Self {
        self.trusted_proxies = proxies;
        self
    }

    fn record_request(self, request: &request::Parts, record: &mut Record, limits: &Limits) {
        let known = method(&request.method);
        record.kind = SpanKind::Server;
        record.set("http.request.method", known.into(), limits);
        if known == OTHER_METHOD {
            record.set("http.request.method_original", request.method.as_str().into(), limits);
        }
        record.set("url.path", request.uri.path().into(), limits);
        record.set("url.scheme", request.uri.scheme_str().unwrap_or("http").into(), limits);
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(agent) = header(http::header::USER_AGENT).filter(|_| self.user_agent) {
            record.set("user_agent.original", agent.into(), limits);
        }
        address::protocol_version(request.version, record, limits);
        address::server(request, record, limits);
        address::client(request, self.trusted_proxies, record, limits);
        address::peer(&request.extensions, record, limits);
    }
}

impl Observe for ServerSpan {
    type Exchange = ServerExchange;

    fn begin(&self, request: &mut request::Parts, route: Option<Route>) -> ServerExchange {
        let remote = extract(self.propagators, &request.headers);
        // The target is no module of this crate's: its own spans are left out.
        let create = || info_span!(target: "obs_http", parent: None, "request");
        let span = HttpSpan::new(|| with_origin(Origin { remote, route }, create));
        let known = method(&request.method);
        let is_grpc = is_grpc(&request.method, &request.headers);
        span.change(|record, limits| {
            if is_grpc {
                grpc::record_request(request, record, SpanKind::Server, limits);
                address::server(request, record, limits);
                address::client(request, self.trusted_proxies, record, limits);
                address::peer(&request.extensions, record, limits);
            } else {
                self.record_request(request, record, limits);
                name(record, known, route, limits);
            }
        });
        ServerExchange { span, method: known, route, is_grpc }
    }
}

impl Exchange for ServerExchange {
    type Entered<'a> = EnteredSpan<'a>;

    const IS_TIMED: bool = false;

    fn enter(&self) -> EnteredSpan<'_> {
        self.span.enter()
    }

    fn response(&mut self, response: &mut response::Parts) {
        if self.is_grpc {
            return;
        }
        let code = response.status.as_u16();
        let route = response.extensions.get::<Route>().copied().filter(|_| self.route.is_none());
        self.span.change(|record, limits| {
            record.set("http.response.status_code", code.into(), limits);
            if route.is_some() {
                name(record, self.method, route, limits);
            }
        });
    }

    fn can_end_alone(&self, _: &End) -> bool {
        self.span.can_end_alone()
    }

    fn end(self, end: &End) {
        self.span.change(|record, limits| match self.is_grpc {
            true => grpc::record_outcome(record, SpanKind::Server, end, limits),
            false => record_outcome(record, end, limits),
        });
        self.span.end();
    }
}

fn name(record: &mut Record, method: &'static str, route: Option<Route>, limits: &Limits) {
    let route = route.filter(|route| *route != Route::UNMATCHED);
    let name = method_name(method);
    record.name = Some(match route {
        Some(route) => {
            record.set("http.route", route.as_str().into(), limits);
            record.push_words(name, route.as_str(), limits)
        }
        None => record.push_text(name, limits),
    });
}

fn record_outcome(record: &mut Record, end: &End, limits: &Limits) {
    let code = end.status_code();
    let error = match end.outcome {
        Outcome::Panicked => "panic",
        Outcome::Failed => "error",
        Outcome::BodyFailed => "body_failed",
        Outcome::Cancelled => "cancelled",
        // The peer went away in the middle of the body: the handler's work is not to blame.
        Outcome::BodyAborted => {
            record.set("obs.http.response.aborted", true.into(), limits);
            return server_error(record, code, limits);
        }
        Outcome::Completed => return server_error(record, code, limits),
    };
    if matches!(end.outcome, Outcome::Panicked | Outcome::Failed) {
        record.set("http.response.status_code", code.into(), limits);
    }
    record.set("error.type", error.into(), limits);
    if record.status == Status::Unset {
        record.set_status(Status::Error, error, limits);
    }
}

/// A 4xx is the caller's error, not this span's.
fn server_error(record: &mut Record, code: u16, limits: &Limits) {
    if code < 500 {
        return;
    }
    record.set("error.type", code.to_string().as_str().into(), limits);
    if record.status == Status::Unset {
        record.set_status(Status::Error, "", limits);
    }
}
