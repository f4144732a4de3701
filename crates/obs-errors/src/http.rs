//! Requests: which one an error belongs to, and 5xx whose request reported no error.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::{request, response};
use obs_context::Route;
use obs_http::{End, Exchange, Observe, Outcome};

use crate::Errors;
use crate::core::{Core, ErrorOccurrence, StackSource};
use crate::details::{ErrorDetails, chain};
use crate::place::PlaceKey;
use crate::report::{Cause, Kind, Request};
use crate::requests::enter;

/// The error behind a response, as an extension of it: `response.extensions_mut().insert(HandlerError::new(error))`
/// in a handler's `IntoResponse`. It becomes the cause of the 5xx that is captured.
#[derive(Clone)]
pub struct HandlerError(Arc<dyn StdError + Send + Sync>);

impl HandlerError {
    /// Keeps an error with its causes.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(error.into().into())
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Watches requests for `obs-http`: errors know which request they belong to, and a response of 500 or above
/// is captured, unless its request has reported an error. Goes inside the observer of spans.
#[derive(Clone, Debug)]
pub struct WatchErrors {
    core: Arc<Core>,
}

impl WatchErrors {
    /// Watches for this handle.
    pub fn new(errors: &Errors) -> Self {
        Self { core: errors.core.clone() }
    }
}

/// One watched request.
#[derive(Debug)]
pub struct WatchedRequest {
    core: Arc<Core>,
    /// Unique in the process.
    number: u64,
    trace: Option<u128>,
    path: String,
    route: Option<Route>,
    error: Option<HandlerError>,
}

/// Held while a request is polled.
#[derive(Debug)]
pub struct EnteredWatch {
    former: u64,
}

impl Drop for EnteredWatch {
    fn drop(&mut self) {
        enter(self.former);
    }
}

impl Observe for WatchErrors {
    type Exchange = WatchedRequest;

    fn begin(&self, request: &mut request::Parts, route: Option<Route>) -> WatchedRequest {
        static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
        let core = self.core.clone();
        let number = NEXT_NUMBER.fetch_add(1, Relaxed);
        // Without a sink, only the fact of an error is kept.
        if !core.has_sink() {
            let path = String::new();
            return WatchedRequest { core, number, trace: None, path, route, error: None };
        }
        let path = request.uri.path().to_owned();
        let described = Request {
            method: request.method.as_str().to_owned(),
            path: path.clone(),
            route: route_template(route),
            status: None,
        };
        let trace = core.requests.begin(number, described);
        WatchedRequest { core, number, trace, path, route, error: None }
    }
}

impl Exchange for WatchedRequest {
    type Entered<'a> = EnteredWatch;

    const IS_TIMED: bool = false;

    fn enter(&self) -> EnteredWatch {
        EnteredWatch { former: enter(self.number) }
    }

    fn response(&mut self, response: &mut response::Parts) {
        self.error = response.extensions.get().cloned();
        self.route = response.extensions.get().copied().or(self.route);
        if self.core.has_sink() {
            let (status, route) = (response.status.as_u16(), route_template(self.route));
            self.core.requests.change(self.number, |request| {
                request.status = Some(status);
                request.route = route.or(request.route);
            });
        }
    }

    fn can_end_alone(&self, end: &End) -> bool {
        !has_failed(end)
    }

    fn end(self, end: &End) {
        let code = end.status_code();
        let failed = has_failed(end);
        let has_reported = failed && self.core.requests.has_error(self.number);
        if failed && !has_reported {
            let entered = self.enter();
            self.capture(end, code);
            drop(entered);
        }
        if failed || self.core.has_sink() {
            self.core.requests.end(self.number, self.trace);
        }
    }
}

impl WatchedRequest {
    fn capture(&self, end: &End, code: u16) {
        let (method, route) = (end.method.as_str(), route_template(self.route));
        let route = route.unwrap_or(Route::UNMATCHED.as_str());
        let message = format!("{method} {route} answered {code}");
        let details = match &self.error {
            Some(error) => {
                ErrorDetails { message, chain: chain(&*error.0), ..ErrorDetails::default() }
            }
            None => {
                let cause = Cause { kind: code.to_string(), message: message.clone() };
                ErrorDetails { chain: vec![cause], ..ErrorDetails::default() }
            }
        };
        let request = Request {
            method: method.to_owned(),
            path: self.path.clone(),
            route: route_template(self.route),
            status: Some(code),
        };
        self.core.record(ErrorOccurrence {
            kind: Kind::Response,
            place: PlaceKey { kind: Kind::Response, file: route, line: u32::from(code) },
            target: "http",
            details,
            stack: StackSource::None,
            spans: None,
            request: Some(request),
        });
    }
}

/// A panic is none: the panic hook has captured it.
fn has_failed(end: &End) -> bool {
    end.status_code() >= 500 && end.outcome != Outcome::Panicked
}

fn route_template(route: Option<Route>) -> Option<&'static str> {
    route.filter(|route| *route != Route::UNMATCHED).map(Route::as_str)
}
