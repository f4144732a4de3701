//! Which route a request belongs to: asked once, at its head.

use std::fmt;
use std::sync::Arc;

use http::request;
use obs_context::Route;

/// Answers the route template of a request, or `None` where none matches.
///
/// Given once, when the layer is made, so that no service falls back to raw paths by omission: `routes_of` or
/// `matched_path` under axum, [`unrouted`] where the handler tells the route itself, or a function or closure of
/// your own. A closure names its argument's type: `|head: &http::request::Parts| ...`.
#[derive(Clone)]
pub struct RouteOf(Kind);

#[derive(Clone)]
enum Kind {
    Function(fn(&request::Parts) -> Option<Route>),
    Closure(Arc<dyn Fn(&request::Parts) -> Option<Route> + Send + Sync>),
}

impl RouteOf {
    /// Of a function: a clone of the layer costs nothing for it.
    pub const fn new(function: fn(&request::Parts) -> Option<Route>) -> Self {
        Self(Kind::Function(function))
    }

    /// The route of this request.
    #[inline]
    pub fn route(&self, request: &request::Parts) -> Option<Route> {
        match &self.0 {
            Kind::Function(function) => function(request),
            Kind::Closure(closure) => closure(request),
        }
    }
}

impl<F> From<F> for RouteOf
where
    F: Fn(&request::Parts) -> Option<Route> + Send + Sync + 'static,
{
    fn from(closure: F) -> Self {
        Self(Kind::Closure(Arc::new(closure)))
    }
}

impl fmt::Debug for RouteOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouteOf").finish_non_exhaustive()
    }
}

/// For services without a router: every request is [`Route::UNMATCHED`], unless its handler puts a
/// [`Route`] into the response's extensions.
pub fn unrouted(_: &request::Parts) -> Option<Route> {
    None
}
