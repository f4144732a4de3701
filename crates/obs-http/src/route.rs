//! The route of a request, found once, at its head.

use std::fmt;
use std::sync::Arc;

use http::request;
use obs_context::Route;

/// What answers the route template of a request.
#[derive(Clone)]
pub(crate) enum RouteOf {
    /// A function, or a closure that holds nothing: a clone costs nothing.
    Function(&'static Closure),
    Closure(Arc<Closure>),
}

type Closure = dyn Fn(&request::Parts) -> Option<Route> + Send + Sync;

impl RouteOf {
    pub(crate) fn new<F>(route_of: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<Route> + Send + Sync + 'static,
    {
        match size_of::<F>() {
            0 => Self::Function(Box::leak(Box::new(route_of))), // there is nothing to leak
            _ => Self::Closure(Arc::new(route_of)),
        }
    }

    #[inline]
    pub(crate) fn route(&self, request: &request::Parts) -> Option<Route> {
        match self {
            Self::Function(function) => function(request),
            Self::Closure(closure) => closure(request),
        }
    }
}

impl fmt::Debug for RouteOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteOf").finish_non_exhaustive()
    }
}

/// For services without a router: every request is [`Route::UNMATCHED`], unless its handler puts a
/// [`Route`] into the response's extensions.
pub fn unrouted(_: &request::Parts) -> Option<Route> {
    None
}
