//! An exchange from its beginning to its end, which is reported once.

use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request, response};
use obs_context::Route;
use obs_guard::Place;

use crate::grpc;
use crate::route::RouteOf;
use crate::{End, Exchange, Observe, Outcome};

/// The function that tells a request's route.
static ROUTE_OF: Place = Place::new("http.route_of");

/// Ends its exchange exactly once: by [`Running::end`], or when dropped.
pub(crate) struct Running<X: Exchange> {
    exchange: Option<X>,
    method: Method,
    route: Route,
    status: Option<StatusCode>,
    is_grpc: bool,
    /// Of a gRPC call whose route does not name its method.
    grpc_target: Option<Box<Uri>>,
    grpc_status: Option<u16>,
    /// `None` where nobody asks: a look at the clock costs more than many an end.
    started: Option<Instant>,
    bytes: u64,
    /// The length that the response promised; once it is reached, servers poll no further.
    expected: Option<u64>,
}

impl<X: Exchange> Running<X> {
    pub(crate) fn begin<O: Observe<Exchange = X>>(
        observer: &O,
        route_of: &RouteOf,
        request: &mut request::Parts,
    ) -> Self {
        let started = X::IS_TIMED.then(Instant::now);
        let known = request.extensions.get::<Route>().copied();
        let route = known.or_else(|| ROUTE_OF.call(|| route_of.route(request)).flatten());
        let is_grpc = grpc::is_grpc(&request.method, &request.headers);
        let is_of_service = |route: Route| route.as_str().ends_with("/{*rest}");
        let grpc_target =
            (is_grpc && route.is_some_and(is_of_service)).then(|| Box::new(request.uri.clone()));
        Self {
            exchange: Some(observer.begin(request, route)),
            method: request.method.clone(),
            route: route.unwrap_or(Route::UNMATCHED),
            status: None,
            is_grpc,
            grpc_target,
            grpc_status: None,
            started,
            bytes: 0,
            expected: None,
        }
    }

    pub(crate) fn enter(&self) -> Option<X::Entered<'_>> {
        self.exchange.as_ref().map(Exchange::enter)
    }

    pub(crate) fn response(&mut self, response: &mut response::Parts) {
        self.status = Some(response.status);
        if let Some(route) = response.extensions.get::<Route>() {
            self.route = *route;
            self.grpc_target = None;
        }
        if self.is_grpc {
            self.grpc_status = grpc::code_in(&response.headers);
        }
        self.expected = match self.grpc_status.is_some() {
            true => Some(0), // such an answer has no body
            false => self.expected_length(response),
        };
        if let Some(exchange) = &mut self.exchange {
            exchange.response(response);
        }
    }

    fn expected_length(&self, response: &response::Parts) -> Option<u64> {
        let bodyless = self.method == Method::HEAD
            || matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || response.status.is_informational();
        if bodyless {
            return Some(0);
        }
        let length = response.headers.get(header::CONTENT_LENGTH).map(HeaderValue::to_str)?;
        length.ok()?.parse().ok()
    }

    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        self.expected = Some(0); // nothing comes after them
        self.grpc_status = grpc::code_in(trailers).or(self.grpc_status);
        if let Some(exchange) = &mut self.exchange {
            exchange.trailers(trailers);
        }
    }

    pub(crate) fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    pub(crate) fn count_sent(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(crate) fn has_sent_all(&self) -> bool {
        self.expected.is_some_and(|expected| self.bytes >= expected)
    }

    pub(crate) fn end(&mut self, outcome: Outcome) {
        let Some(exchange) = self.exchange.take() else { return };
        let (trailer_code, status) = (self.grpc_status, self.status);
        let grpc_status = self.is_grpc.then(|| grpc_code(trailer_code, outcome, status));
        // Only methods that exist become routes: a peer may ask for any.
        let method = self.grpc_target.as_ref().filter(|_| grpc_status != Some(grpc::UNIMPLEMENTED));
        exchange.end(&End {
            outcome,
            method: self.method.clone(),
            route: method.map_or(self.route, |target| Route::intern(target.path())),
            status,
            grpc_status,
            duration: self.started.map(|started| started.elapsed()).unwrap_or_default(),
            response_bytes: self.bytes,
        });
    }
}

impl<X: Exchange> Drop for Running<X> {
    fn drop(&mut self) {
        let is_unwinding = std::thread::panicking();
        self.end(if is_unwinding { Outcome::Panicked } else { Outcome::Cancelled });
    }
}

/// The code of a call with this outcome; by gRPC's own table where there is only an HTTP status.
fn grpc_code(trailer_code: Option<u16>, outcome: Outcome, status: Option<StatusCode>) -> u16 {
    const CANCELLED: u16 = 1;
    const UNKNOWN: u16 = 2;
    match (outcome, trailer_code, status.map(|status| status.as_u16())) {
        (Outcome::Panicked, ..) => grpc::INTERNAL,
        (_, Some(code), _) => code,
        (Outcome::Cancelled | Outcome::BodyAborted, ..) => CANCELLED,
        (_, None, Some(400)) => grpc::INTERNAL,
        (_, None, Some(401)) => 16,
        (_, None, Some(403)) => 7,
        (_, None, Some(404)) => grpc::UNIMPLEMENTED,
        (_, None, Some(429 | 502..=504)) => 14,
        _ => UNKNOWN,
    }
}
