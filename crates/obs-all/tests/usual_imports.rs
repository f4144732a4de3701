//! The README's code compiles beside the traits that a service's files import. One of them that is
//! implemented for every type and takes `self` would hide a method of ours that takes `&self`.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use ::tracing::Instrument as _;
use ::tracing::instrument::WithSubscriber as _;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use obs_all::{Config, Preset};
use tower::{Layer as _, ServiceExt as _};

#[tokio::test]
async fn first_code_compiles_beside_common_imports() {
    let obs =
        Config::new("orders").preset(Preset::Development).environment(|_| None).init().unwrap();
    let app = obs.observe(Router::new().route("/orders/{id}", get(|| async { "an order" })));
    let request = Request::get("/orders/7").body(Body::empty()).unwrap();
    let answer = obs
        .client(app)
        .oneshot(request)
        .instrument(::tracing::info_span!("work"))
        .with_current_subscriber()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let _service = obs.server_layer(|_| None).layer(Router::<()>::new());
}
