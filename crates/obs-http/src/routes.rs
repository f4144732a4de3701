//! The routes of axum's router.
//!
//! axum clones a route for every request, and a layer's inner route once more, each into a box of its own. Here
//! all clones share one inner route, which is called in place.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, TryLockError};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::routing::Route;
use axum::routing::future::RouteFuture;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Observe, ObserveLayer, ObservedBody, ObservedFuture};

/// An [`ObserveLayer`] for `Router::layer`: made by [`ObserveLayer::routes`].
#[derive(Clone, Debug)]
pub struct ObserveRoutes<O>(ObserveLayer<O>);

impl<O: Observe> ObserveLayer<O> {
    /// The same for the routes of axum's router, `Router::layer(layer.routes())`: it saves one of four
    /// allocations a request.
    pub fn routes(self) -> ObserveRoutes<O> {
        ObserveRoutes(self)
    }
}

impl<O: Observe> Layer<Route> for ObserveRoutes<O> {
    type Service = ObservedRoute<O>;

    fn layer(&self, route: Route) -> ObservedRoute<O> {
        let other = route.clone();
        ObservedRoute(Arc::new(Shared { layer: self.0.clone(), route: Mutex::new(route), other }))
    }
}

/// A route whose exchanges are watched: made by [`ObserveRoutes`].
pub struct ObservedRoute<O>(Arc<Shared<O>>);

struct Shared<O> {
    layer: ObserveLayer<O>,
    /// Held while the handler is cloned, never while it runs.
    route: Mutex<Route>,
    /// For a request that comes at that moment.
    other: Route,
}

impl<O: Observe> Service<Request<Body>> for ObservedRoute<O> {
    type Response = Response<ObservedBody<Body, O::Exchange>>;
    type Error = Infallible;
    type Future = ObservedFuture<RouteFuture<Infallible>, O::Exchange>;

    /// A route is always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.layer.observe(request, |request| match self.0.route.try_lock() {
            Ok(mut route) => route.call(request),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().call(request),
            Err(TryLockError::WouldBlock) => self.0.other.clone().call(request),
        })
    }
}

impl<O> Clone for ObservedRoute<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O> fmt::Debug for ObservedRoute<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedRoute").finish_non_exhaustive()
    }
}
