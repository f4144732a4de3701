//! actix-web through the facade: a request of it is in the lines, spans and metrics as any other.

#![cfg(feature = "actix")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use actix_web::test::{
    TestRequest, call_and_read_body, call_service, init_service, try_call_service,
};
use actix_web::{App, HttpResponse, web};
use obs_all::logging::capture::Captured;
use obs_all::{Config, testing};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

async fn order(id: web::Path<u64>) -> String {
    obs_all::logging::bind!(order_id = *id);
    ::tracing::info!("found");
    format!("order {id}")
}

async fn fails() -> HttpResponse {
    ::tracing::error!(error = %std::io::Error::other("no network"), "no order");
    HttpResponse::BadGateway().finish()
}

/// Of a handler that returns it.
#[derive(Debug)]
struct OutOfStock;

impl std::fmt::Display for OutOfStock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("out of stock")
    }
}

impl actix_web::ResponseError for OutOfStock {}

async fn returns_error() -> Result<HttpResponse, OutOfStock> {
    Err(OutOfStock)
}

#[actix_web::test]
async fn error_returned_by_handler_is_logged_in_request() {
    let scope = testing::scope_of(Config::new("shop")).unwrap();
    let app = App::new().route("/stock", web::get().to(returns_error)).wrap(scope.obs().actix());
    let app = init_service(app).await;
    call_and_read_body(&app, TestRequest::get().uri("/stock").to_request()).await;
    call_and_read_body(&app, TestRequest::get().uri("/nowhere").to_request()).await;
    let lines = scope.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].event(), "request failed");
    assert_eq!(lines[0]["error.message"], "out of stock");
    assert_eq!(lines[0]["details"], "OutOfStock");
    assert!(lines[0]["trace_id"].as_str().is_some());
}

async fn panics() -> HttpResponse {
    panic!("out of cheese")
}

#[actix_web::test]
async fn actix_request_is_reported_by_every_pillar() {
    let scope = testing::scope_of(Config::new("shop").access_log(true)).unwrap();
    let app = init_service(
        App::new()
            .route("/orders/{id}", web::get().to(order))
            .route("/fails", web::get().to(fails))
            .route("/panics", web::get().to(panics))
            .wrap(scope.obs().actix()),
    )
    .await;
    let request = TestRequest::get()
        .uri("/orders/7?page=2")
        .insert_header(("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01")))
        .insert_header(("x-request-id", "abc-123"))
        .peer_addr("192.0.2.7:4711".parse().unwrap());
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(response.headers().get("x-request-id").unwrap(), "abc-123");
    drop(actix_web::body::to_bytes(response.into_body()).await.unwrap());
    call_and_read_body(&app, TestRequest::get().uri("/fails").to_request()).await;
    call_and_read_body(&app, TestRequest::get().uri("/nowhere").to_request()).await;
    let panicked = try_call_service(&app, TestRequest::get().uri("/panics").to_request()).await;
    assert_eq!(panicked.unwrap_err().error_response().status().as_u16(), 500);

    let lines = scope.lines();
    let events: Vec<_> = lines.iter().map(Captured::event).collect();
    assert_eq!(events, ["found", "request", "no order", "request", "request", "request"]);
    for line in &lines[..2] {
        assert_eq!(line["request_id"], "abc-123");
        assert_eq!(line["path"], "/orders/7");
        assert_eq!(line["trace_id"], TRACE);
    }
    assert_eq!(lines[0]["order_id"], 7);
    for (line, route, status) in [
        (1, Some("/orders/{id}"), 200),
        (3, Some("/fails"), 502),
        (4, None, 404),
        (5, Some("/panics"), 500),
    ] {
        assert_eq!(lines[line]["route"].as_str(), route);
        assert_eq!(lines[line]["status"], status);
        let path = route.unwrap_or("<unmatched>");
        let labels = [("method", "GET"), ("path", path), ("status", &status.to_string())];
        assert_eq!(scope.metric("http_requests_total", &labels), Some(1.0), "{labels:?}");
    }
    let spans = scope.spans();
    let span = spans.iter().find(|span| span.name() == "GET /orders/{id}").unwrap();
    assert_eq!((span.trace_id(), span.parent_id()), (TRACE, "b7ad6b7169203331"));
    assert_eq!(span.attribute("network.peer.address").as_deref(), Some("192.0.2.7"));
    let failed = spans.iter().find(|span| span.name() == "GET /fails").unwrap();
    assert!(failed.is_error() && failed.exceptions() == ["no order: no network"], "{failed:?}");
    let panicked = spans.iter().find(|span| span.name() == "GET /panics").unwrap();
    assert_eq!(panicked.attribute("error.type").as_deref(), Some("panic"));
}
