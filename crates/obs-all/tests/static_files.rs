//! Files beside the routes: what a nested service answers has a route of few values.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use obs_all::{Config, testing};
use tower::ServiceExt;
use tower_http::services::ServeDir;

#[tokio::test]
async fn files_are_counted_under_template_of_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.css"), "body {}").unwrap();
    let scope = testing::scope_of(Config::new("shop").access_log(true)).unwrap();
    let app = Router::new()
        .route("/orders", get(async || "orders"))
        .nest_service("/static", ServeDir::new(folder.path()));
    let app = scope.obs().observe(app);
    for (path, status) in [("/static/app.css", 200), ("/static/none.css", 404), ("/orders", 200)] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
        response.into_body().collect().await.unwrap();
    }
    let route = "/static/{*rest}";
    for status in ["200", "404"] {
        let labels = [("method", "GET"), ("path", route), ("status", status)];
        assert_eq!(scope.metric("http_requests_total", &labels), Some(1.0), "{labels:?}");
    }
    assert_eq!(scope.lines()[0]["route"], route);
    assert_eq!(scope.spans()[0].name(), "GET /static/{*rest}");
    assert_eq!(scope.spans()[0].attribute("http.route").as_deref(), Some(route));
}
