//! The routes of axum's router.

use ::axum::Router;
use ::axum::extract::MatchedPath;
use http::request;
use obs_context::Route;

/// How axum's templates end that stand for a service of `Router::nest_service`.
const NEST_TAIL: &str = "/{*__private__axum_nest_tail_param}\"";

/// The template that axum's router matched. The layer must be added with `Router::layer` or
/// `Router::route_layer`, so that it runs after routing.
///
/// axum tells no template of what a service of `Router::nest_service` answers: [`routes_of`] does.
pub fn matched_path(request: &request::Parts) -> Option<Route> {
    let path = request.extensions.get::<MatchedPath>()?;
    Some(Route::intern(path.as_str()))
}

/// As [`matched_path`], for a router whose nested services have templates, too: `/static/{*rest}` is that of
/// all that `nest_service("/static", service)` answers.
///
/// ```
/// # #[derive(Clone)] struct Observer;
/// # impl obs_http::Observe for Observer {
/// #     type Exchange = Option<Exchange>;
/// #     fn begin(&self, _: &mut http::request::Parts, _: Option<obs_context::Route>) -> Option<Exchange> { None }
/// # }
/// # struct Exchange;
/// # impl obs_http::Exchange for Exchange { type Entered<'a> = (); fn enter(&self) {} fn end(self, _: &obs_http::End) {} }
/// use obs_http::{ObserveLayer, routes_of};
///
/// let app: axum::Router = axum::Router::new();
/// let layer = ObserveLayer::new(Observer, routes_of(&app));
/// let app = app.layer(layer);
/// # drop(app);
/// ```
pub fn routes_of<S>(
    router: &Router<S>,
) -> impl Fn(&request::Parts) -> Option<Route> + Send + Sync + use<S> {
    let nested = nested_services(&format!("{router:?}"));
    move |request: &request::Parts| {
        matched_path(request).or_else(|| {
            let path = request.uri.path();
            let service = nested.iter().find(|service| service.answers(path))?;
            Some(Route::intern(&service.template))
        })
    }
}

/// A service, as deep as it is nested.
struct NestedService {
    segments: Vec<String>,
    template: String,
}

impl NestedService {
    fn answers(&self, path: &str) -> bool {
        let mut rest = path.split('/').skip(1);
        let is_below = self.segments.iter().all(|segment| {
            let given = rest.next();
            given.is_some_and(|given| segment == given || segment.starts_with('{'))
        });
        is_below && rest.next().is_some()
    }
}

/// The router tells its templates by its `Debug` alone. The most specific come first, as they match first.
fn nested_services(router: &str) -> Vec<NestedService> {
    let mut services: Vec<_> = router
        .match_indices(NEST_TAIL)
        .filter_map(|(end, _)| {
            let prefix = router.get(..end)?.rsplit('"').next()?;
            let segments = prefix.split('/').skip(1).map(str::to_owned).collect();
            Some(NestedService { segments, template: format!("{prefix}/{{*rest}}") })
        })
        .collect();
    services.sort_by_cached_key(|service| {
        let fixed: Vec<_> = service.segments.iter().map(|it| it.starts_with('{')).collect();
        (std::cmp::Reverse(service.segments.len()), fixed)
    });
    services
}
