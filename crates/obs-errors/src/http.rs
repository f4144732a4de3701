//! Requests: what an error belongs to, and 5xx whose cause nobody has told.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::{request, response};
use obs_context::Route;
use obs_http::{End, Exchange, Observe, Outcome};

use crate::Errors;
use crate::core::{Core, Happened, StackOf};
use crate::place::Key;
use crate::report::{Cause, Kind, Request};
use crate::requests::enter;
use crate::told::{Told, chain};

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
/// is captured, unless its request has told an error already. Belongs inside of the observer of spans.
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

/// A request that is watched.
#[derive(Debug)]
pub struct WatchedRequest {
    core: Arc<Core>,
    /// Unlike any other.
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
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let core = self.core.clone();
        let number = NUMBER.fetch_add(1, Relaxed);
        // Where nobody is told, nothing is remembered but that there was an error.
        if !core.tells() {
            let path = String::new();
            return WatchedRequest { core, number, trace: None, path, route, error: None };
        }
        let path = request.uri.path().to_owned();
        let described = Request {
            method: request.method.as_str().to_owned(),
            path: path.clone(),
            route: named(route),
            status: None,
        };
        let trace = core.requests.begin(number, described);
        WatchedRequest { core, number, trace, path, route, error: None }
    }
}

impl Exchange for WatchedRequest {
    type Entered<'a> = EnteredWatch;

    fn enter(&self) -> EnteredWatch {
        EnteredWatch { former: enter(self.number) }
    }

    fn response(&mut self, response: &mut response::Parts) {
        self.error = response.extensions.get().cloned();
        self.route = response.extensions.get().copied().or(self.route);
        if self.core.tells() {
            let (status, route) = (response.status.as_u16(), named(self.route));
            self.core.requests.change(self.number, |request| {
                request.status = Some(status);
                request.route = route.or(request.route);
            });
        }
    }

    fn end(self, end: &End) {
        let code = end.status_code();
        // A panic is the hook's.
        let failed = code >= 500 && end.outcome != Outcome::Panicked;
        let told = failed && self.core.requests.has_error(self.number);
        if failed && !told {
            let entered = self.enter();
            self.capture(end, code);
            drop(entered);
        }
        if failed || self.core.tells() {
            self.core.requests.end(self.number, self.trace);
        }
    }
}

impl WatchedRequest {
    fn capture(&self, end: &End, code: u16) {
        let (method, route) = (end.method.as_str(), named(self.route));
        let route = route.unwrap_or(Route::UNMATCHED.as_str());
        let message = format!("{method} {route} answered {code}");
        let told = match &self.error {
            Some(error) => Told { message, chain: chain(&*error.0), ..Told::default() },
            None => {
                let cause = Cause { kind: code.to_string(), message: message.clone() };
                Told { chain: vec![cause], ..Told::default() }
            }
        };
        let request = Request {
            method: method.to_owned(),
            path: self.path.clone(),
            route: named(self.route),
            status: Some(code),
        };
        self.core.happened(Happened {
            kind: Kind::Response,
            place: Key { kind: Kind::Response, file: route, line: u32::from(code) },
            target: "http",
            told,
            stack: StackOf::None,
            spans: None,
            request: Some(request),
        });
    }
}

fn named(route: Option<Route>) -> Option<&'static str> {
    route.filter(|route| *route != Route::UNMATCHED).map(Route::as_str)
}
