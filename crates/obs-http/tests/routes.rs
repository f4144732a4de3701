//! The route of a request: axum's templates, and those of nested services.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response, request};
use http_body_util::BodyExt;
use obs_context::Route;
use obs_http::{End, Exchange, Observe, ObserveLayer, routes_of, unrouted};
use tower::{Layer, ServiceExt, service_fn};

/// Keeps the routes of the exchanges that are over.
#[derive(Clone, Default)]
struct Routes(Arc<Mutex<Vec<&'static str>>>);

impl Observe for Routes {
    type Exchange = Self;

    fn begin(&self, _: &mut request::Parts, _: Option<Route>) -> Self {
        self.clone()
    }
}

impl Exchange for Routes {
    type Entered<'a> = ();

    fn enter(&self) {}

    fn end(self, end: &End) {
        self.0.lock().unwrap().push(end.route.as_str());
    }
}

fn get_of(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn answer_of_nested_service_has_template() {
    let files = || {
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::from("file"))))
    };
    let inner = Router::new().route("/list", get(|| async {})).nest_service("/media", files());
    let app = Router::new()
        .route("/orders/{id}", get(|| async {}))
        .nest_service("/static", files())
        .nest_service("/static/deep", files())
        .nest_service("/{tenant}/files", files())
        .nest("/api", inner);
    let routes = Routes::default();
    let layer = ObserveLayer::new(routes.clone(), routes_of(&app));
    let app = app.layer(layer);
    for (path, route) in [
        ("/orders/7", "/orders/{id}"),
        ("/static/app.css", "/static/{*rest}"),
        ("/static/fonts/a.woff", "/static/{*rest}"),
        ("/static/deep/er", "/static/deep/{*rest}"),
        ("/static", "/static"),
        ("/acme/files/a", "/{tenant}/files/{*rest}"),
        ("/api/list", "/api/list"),
        ("/api/media/a/b", "/api/media/{*rest}"),
        ("/nowhere", "<unmatched>"),
        ("/staticky/app.css", "<unmatched>"),
    ] {
        let response = app.clone().oneshot(get_of(path)).await.unwrap();
        response.into_body().collect().await.unwrap();
        assert_eq!(routes.0.lock().unwrap().last(), Some(&route), "{path}");
    }
}

#[tokio::test]
async fn grpc_call_has_method_unless_unimplemented() {
    let service = service_fn(async |request: Request<Body>| {
        let code = if request.uri().path().ends_with("Get") { "5" } else { "12" };
        let answer = Response::builder().header("grpc-status", code);
        Ok::<_, Infallible>(answer.body(Body::empty()).unwrap())
    });
    let app = Router::new().route_service("/shop.Orders/{*rest}", service);
    let routes = Routes::default();
    let layer = ObserveLayer::new(routes.clone(), routes_of(&app));
    let app = app.layer(layer);
    for (path, kind, route) in [
        ("/shop.Orders/Get", "application/grpc", "/shop.Orders/Get"),
        ("/shop.Orders/NoSuch", "application/grpc", "/shop.Orders/{*rest}"),
        ("/shop.Orders/Get", "text/plain", "/shop.Orders/{*rest}"),
        ("/no.Such/Get", "application/grpc", "<unmatched>"),
    ] {
        let request = Request::post(path).header("content-type", kind).body(Body::empty()).unwrap();
        drop(app.clone().oneshot(request).await.unwrap());
        assert_eq!(routes.0.lock().unwrap().last(), Some(&route), "{path} {kind}");
    }
}

#[tokio::test]
async fn closure_finds_routes_like_function() {
    let prefix = String::from("/tenants");
    let by_closure = move |head: &request::Parts| {
        head.uri.path().starts_with(&prefix).then(|| Route::intern("/tenants/{id}"))
    };
    let routes = Routes::default();
    let answer =
        || service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    let closure = ObserveLayer::new(routes.clone(), by_closure).layer(answer());
    let function = ObserveLayer::new(routes.clone(), unrouted).layer(answer());
    drop(closure.oneshot(get_of("/tenants/7")).await.unwrap());
    drop(function.oneshot(get_of("/tenants/7")).await.unwrap());
    assert_eq!(*routes.0.lock().unwrap(), ["/tenants/{id}", "<unmatched>"]);
}
