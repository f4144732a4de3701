//! The route of a request, found once, at its head.

use http::request;
use obs_context::Route;

/// Returns the route template of a request, or `None` where none matches.
///
/// Given once, when the layer is made, so that no service falls back to raw paths by omission:
/// `matched_path` under axum, [`unrouted`] where the handler sets the route itself, or a
/// function of your own.
pub type RouteOf = fn(&request::Parts) -> Option<Route>;

/// For services without a router: every request is [`Route::UNMATCHED`], unless its handler puts a
/// [`Route`] into the response's extensions.
pub fn unrouted(_: &request::Parts) -> Option<Route> {
    None
}

/// The template that axum's router matched. The layer must be added with `Router::layer` or
/// `Router::route_layer`, so that it runs after routing.
#[cfg(feature = "axum")]
pub fn matched_path(request: &request::Parts) -> Option<Route> {
    let path = request.extensions.get::<axum::extract::MatchedPath>()?;
    Some(Route::intern(path.as_str()))
}
