//! The routes of axum's router behind the layer.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use futures_util::FutureExt;
use http::{Extensions, Request, Response, StatusCode, request};
use http_body_util::BodyExt;
use obs_context::Route;
use obs_http::{End, Exchange, Observe, ObserveLayer, Outcome, PeerAddr, matched_path};
use tower::ServiceExt;

#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<End>>>);

impl Observe for Ends {
    type Exchange = Self;

    fn begin(&self, _: &mut request::Parts, _: Option<Route>) -> Self {
        self.clone()
    }
}

impl Exchange for Ends {
    type Entered<'a> = ();

    fn enter(&self) {}

    fn end(self, end: &End) {
        self.0.lock().unwrap().push(end.clone());
    }
}

fn layer(ends: &Ends) -> ObserveLayer<Ends> {
    ObserveLayer::new(ends.clone(), matched_path)
}

async fn ask(router: &Router, path: &str) -> Response<Body> {
    let request = Request::get(path).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

/// Part of a handler.
#[derive(Default)]
struct Part {
    clones: Arc<AtomicUsize>,
    /// Asked once while the part is cloned, and its answer's status.
    inside: Arc<Mutex<Option<Router>>>,
    answered: Arc<Mutex<Option<StatusCode>>>,
}

impl Clone for Part {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        let inside = self.inside.lock().unwrap().take();
        if let Some(router) = inside {
            let answer = ask(&router, "/orders/8").now_or_never();
            *self.answered.lock().unwrap() = answer.map(|answer| answer.status());
        }
        let (clones, inside, answered) =
            (self.clones.clone(), self.inside.clone(), self.answered.clone());
        Self { clones, inside, answered }
    }
}

/// With its routes made, as by `Router::with_state`.
fn router(part: &Part) -> Router {
    let part = part.clone();
    let order = move || {
        let _part = &part;
        async { "an order" }
    };
    Router::new().route("/orders/{id}", get(order)).with_state(())
}

#[tokio::test]
async fn observed_routes_report_end_and_route_of_each_exchange() {
    let ends = Ends::default();
    let panics = async || -> &'static str { panic!("handler") };
    let router = router(&Part::default()).route("/panics", get(panics));
    let router = router.layer(layer(&ends).catch_panics().routes());
    let answer = ask(&router, "/orders/7").await;
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "an order");
    assert_eq!(ask(&router, "/panics").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(ask(&router, "/nowhere").await.status(), StatusCode::NOT_FOUND);
    let ends = ends.0.lock().unwrap();
    let ends: Vec<_> = ends.iter().map(|end| (end.route.as_str(), end.outcome)).collect();
    assert_eq!(
        ends,
        [
            ("/orders/{id}", Outcome::Completed),
            ("/panics", Outcome::Panicked),
            ("<unmatched>", Outcome::Completed)
        ]
    );
}

#[tokio::test]
async fn observed_route_is_cloned_as_often_as_without_layer() {
    let clones_of = async |with: &dyn Fn(Router) -> Router| {
        let part = Part::default();
        let router = with(router(&part));
        let before = part.clones.load(Ordering::Relaxed);
        ask(&router, "/orders/7").await;
        part.clones.load(Ordering::Relaxed) - before
    };
    let ends = Ends::default();
    let without = clones_of(&|router| router).await;
    assert_eq!(clones_of(&|router| router.layer(layer(&ends).routes())).await, without);
    assert_eq!(clones_of(&|router| router.layer(layer(&ends))).await, without + 1);
}

#[tokio::test]
async fn cloned_route_answers_second_request() {
    let (ends, part) = (Ends::default(), Part::default());
    let router = router(&part).layer(layer(&ends).routes());
    *part.inside.lock().unwrap() = Some(router.clone());
    assert_eq!(ask(&router, "/orders/7").await.status(), StatusCode::OK);
    assert_eq!(*part.answered.lock().unwrap(), Some(StatusCode::OK));
    assert_eq!(ends.0.lock().unwrap().len(), 2);
}

#[test]
fn peer_is_found_as_either_extension() {
    let peer: SocketAddr = "[::1]:4711".parse().unwrap();
    let mut extensions = Extensions::new();
    assert_eq!(PeerAddr::of(&extensions), None);
    extensions.insert(ConnectInfo(peer));
    assert_eq!(PeerAddr::of(&extensions), Some(PeerAddr(peer)));
    extensions.insert(PeerAddr("10.0.0.1:1".parse().unwrap()));
    assert_eq!(PeerAddr::of(&extensions), Some(PeerAddr("10.0.0.1:1".parse().unwrap())));
}
