//! Request context, access lines and request ids for tower services.
//!
//! Each type is an [`obs_http::Observe`]: wrap one, or a pair of them, in an [`ObserveLayer`].

mod header;

use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, request, response};
use obs_context::{EnteredRequest, RequestId, Route};
use obs_http::{End, Exchange, Observe, ObserveLayer, Outcome, forward_request_id};

use crate::context::current::Context;
use crate::context::current::Entered;
use crate::context::fields::Key;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

static REQUEST_ID_KEY: LazyLock<Key> = LazyLock::new(|| Key::new("request_id"));
static METHOD_KEY: LazyLock<Key> = LazyLock::new(|| Key::new("method"));
static PATH_KEY: LazyLock<Key> = LazyLock::new(|| Key::new("path"));

/// A tower layer of [`RequestContext`] alone; `route_of` returns the route of a request.
pub fn layer(
    route_of: impl Fn(&request::Parts) -> Option<Route> + Send + Sync + 'static,
) -> ObserveLayer<RequestContext> {
    ObserveLayer::new(RequestContext::new(), route_of)
}

/// Gives every request of a server its context: all lines of the request carry `request_id`, `method`
/// and `path` (never the query).
///
/// The route is on the line of [`AccessLog`] alone, which is where requests are counted by it: on every
/// line it would repeat most of the path. [`RequestContext::with_route`] puts it there all the same.
///
/// The id is the caller's `x-request-id` if that is harmless, else a new one; it is current as
/// [`obs_context::current_request_id`] and set on the response.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    has_route: bool,
}

impl RequestContext {
    /// The usual context.
    pub fn new() -> Self {
        Self::default()
    }

    /// With `route` on every line, where it is known.
    pub fn with_route(mut self) -> Self {
        self.has_route = true;
        self
    }
}

impl Observe for RequestContext {
    type Exchange = ContextExchange;

    const BEGINS_ALONE: bool = true;

    fn begin(&self, request: &mut request::Parts, route: Option<Route>) -> ContextExchange {
        let sent = request.headers.get(&REQUEST_ID).map(HeaderValue::as_bytes);
        let id = RequestId::accept(sent);
        let context = Context::of([
            (&REQUEST_ID_KEY, id.as_str()),
            (&METHOD_KEY, request.method.as_str()),
            (&PATH_KEY, request.uri.path()),
        ]);
        if self.has_route {
            bind_route(&context, route);
        }
        ContextExchange { context, id, has_route: self.has_route }
    }
}

/// One request with its context: made by [`RequestContext`].
#[derive(Debug)]
pub struct ContextExchange {
    context: Context,
    id: RequestId,
    has_route: bool,
}

fn bind_route(context: &Context, route: Option<Route>) {
    if let Some(route) = route {
        context.bind("route", route.as_str());
    }
}

impl Exchange for ContextExchange {
    type Entered<'a> = (Entered<'a>, EnteredRequest);

    const IS_TIMED: bool = false;

    fn enter(&self) -> Self::Entered<'_> {
        (self.context.enter(), self.id.enter())
    }

    fn response(&mut self, response: &mut response::Parts) {
        if let Some(id) = header::value(&self.id) {
            response.headers.insert(REQUEST_ID, id);
        }
        if self.has_route {
            bind_route(&self.context, response.extensions.get().copied());
        }
    }

    fn can_end_alone(&self, _: &End) -> bool {
        true
    }

    fn end(self, _: &End) {}
}

/// One line for every request when it is over: `route` (where it is known), `status`, `grpc_status` (of a
/// gRPC call, whose `status` is the HTTP status of that code), `duration_ms`,
/// `outcome`, `response_bytes`, with the context and the span of whatever is outside of it.
///
/// Failed requests (panics, errors, statuses from 500) are warnings. The target is `access`, so that a
/// filter can tell these lines apart.
#[derive(Clone, Debug, Default)]
pub struct AccessLog(());

impl AccessLog {
    /// The usual line.
    pub fn new() -> Self {
        Self(())
    }
}

impl Observe for AccessLog {
    type Exchange = AccessExchange;

    const BEGINS_ALONE: bool = true;

    fn begin(&self, _: &mut request::Parts, route: Option<Route>) -> AccessExchange {
        AccessExchange { route }
    }
}

/// One request whose end will be logged: made by [`AccessLog`].
#[derive(Debug)]
pub struct AccessExchange {
    route: Option<Route>,
}

impl Exchange for AccessExchange {
    type Entered<'a> = ();

    fn enter(&self) {}

    fn response(&mut self, response: &mut response::Parts) {
        self.route = response.extensions.get().copied().or(self.route);
    }

    fn end(self, end: &End) {
        let route = self.route.map(Route::as_str);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "access",
                    route,
                    status = end.status_code(),
                    grpc_status = end.grpc_status,
                    duration_ms = (end.duration.as_secs_f64() * 1e6).round() / 1e3,
                    outcome = end.outcome.as_str(),
                    response_bytes = end.response_bytes,
                    "request"
                )
            };
        }
        let failed =
            matches!(end.outcome, Outcome::Panicked | Outcome::Failed | Outcome::BodyFailed);
        if failed || end.status_code() >= 500 { line!(warn) } else { line!(info) }
    }
}

/// For clients: sets `x-request-id` of an outgoing request to the id of the request that is worked for.
/// A header that is there already is left alone. The client spans of obs-tracing do the same.
#[derive(Clone, Debug, Default)]
pub struct ForwardRequestId(());

impl ForwardRequestId {
    /// The usual header.
    pub fn new() -> Self {
        Self(())
    }
}

impl Observe for ForwardRequestId {
    type Exchange = ForwardExchange;

    fn begin(&self, request: &mut request::Parts, _: Option<Route>) -> ForwardExchange {
        forward_request_id(&mut request.headers);
        ForwardExchange(())
    }
}

/// One outgoing request: made by [`ForwardRequestId`].
#[derive(Debug)]
pub struct ForwardExchange(());

impl Exchange for ForwardExchange {
    type Entered<'a> = ();

    const IS_TIMED: bool = false;

    fn enter(&self) {}

    fn can_end_alone(&self, _: &End) -> bool {
        true
    }

    fn end(self, _: &End) {}
}
