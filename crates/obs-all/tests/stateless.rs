//! A router without state: axum would make its routes anew, with their layers, for every request.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use obs_all::Config;
use tower::ServiceExt;

/// Part of a handler.
#[derive(Default)]
struct Part(Arc<AtomicUsize>);

impl Clone for Part {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn handler_without_state_is_cloned_as_often_as_with_state() {
    let folder = tempfile::tempdir().unwrap();
    let obs = Config::new("orders")
        .environment(|name| (name == "OBS_ADMIN_ADDR").then(|| "off".into()))
        .log_output(folder.path().join("log").display().to_string())
        .init()
        .unwrap();
    let clones_of = async |make: fn(Router) -> Router| {
        let part = Part::default();
        let of_handler = part.clone();
        let order = move || {
            let _part = &of_handler;
            async { "an order" }
        };
        let app = obs.observe(make(Router::new().route("/orders/{id}", get(order))));
        let before = part.0.load(Ordering::Relaxed);
        let request = Request::get("/orders/7").body(Body::empty()).unwrap();
        assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
        part.0.load(Ordering::Relaxed) - before
    };
    let made = clones_of(|router| router.with_state(())).await;
    assert_eq!(clones_of(|router| router).await, made);
}
