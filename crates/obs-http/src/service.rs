//! The tower layer and service.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use http::{Request, Response, request};
use http_body::Body;
use obs_context::Route;
use tower_layer::Layer;
use tower_service::Service;

use crate::route::RouteOf;
use crate::running::Running;
use crate::{Observe, ObservedBody, ObservedFuture};

/// Watches every exchange of the service that it wraps, with an observer.
#[derive(Clone, Debug)]
pub struct ObserveLayer<O> {
    observer: O,
    route_of: RouteOf,
    catch_panics: bool,
}

impl<O: Observe> ObserveLayer<O> {
    /// A layer for this observer; `route_of` answers the route template of a request, or `None` where none matches.
    ///
    /// It is asked once a request, at its head, and given here so that no service falls back to raw paths by
    /// omission: `routes_of` or `matched_path` under axum, [`unrouted`](crate::unrouted) where the handler tells the
    /// route itself, or a function or closure of your own.
    pub fn new(
        observer: O,
        route_of: impl Fn(&request::Parts) -> Option<Route> + Send + Sync + 'static,
    ) -> Self {
        Self { observer, route_of: RouteOf::new(route_of), catch_panics: false }
    }

    /// Answers 500 with an empty body, or INTERNAL to a gRPC call, when the service or the handler panics, instead of letting the panic end the
    /// connection. The observer gets [`crate::Outcome::Panicked`] either way.
    pub fn catch_panics(mut self) -> Self {
        self.catch_panics = true;
        self
    }

    /// Watches one exchange without a tower service: `send` begins it.
    pub fn observe<B, F>(
        &self,
        request: Request<B>,
        send: impl FnOnce(Request<B>) -> F,
    ) -> ObservedFuture<F, O::Exchange> {
        let (mut head, body) = request.into_parts();
        let running = Running::begin(&self.observer, &self.route_of, &mut head);
        let called = {
            let _entered = running.enter();
            catch_unwind(AssertUnwindSafe(|| send(Request::from_parts(head, body))))
        };
        match called {
            Ok(future) => ObservedFuture::new(future, running, self.catch_panics),
            Err(panic) => ObservedFuture::panicked(running, panic, self.catch_panics),
        }
    }
}

impl<S, O: Observe> Layer<S> for ObserveLayer<O> {
    type Service = ObserveService<S, O>;

    fn layer(&self, inner: S) -> Self::Service {
        ObserveService { inner, layer: self.clone() }
    }
}

/// A service whose exchanges are watched: made by [`ObserveLayer`].
#[derive(Clone, Debug)]
pub struct ObserveService<S, O> {
    inner: S,
    layer: ObserveLayer<O>,
}

impl<S, O, RequestBody, ResponseBody> Service<Request<RequestBody>> for ObserveService<S, O>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    O: Observe,
    ResponseBody: Body,
{
    type Response = Response<ObservedBody<ResponseBody, O::Exchange>>;
    type Error = S::Error;
    type Future = ObservedFuture<S::Future, O::Exchange>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        self.layer.observe(request, |request| self.inner.call(request))
    }
}
