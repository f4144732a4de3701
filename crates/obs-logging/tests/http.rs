//! Request context over a tower service.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![cfg(feature = "http")]

mod common;

use std::convert::Infallible;

use common::kept;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use obs_context::{
    ActiveSpan, RequestId, Route, SpanId, TraceId, current_request_id, set_active_span,
};
use obs_http::{ObserveLayer, unrouted};
use obs_logging::Builder;
use obs_logging::http::{AccessLog, ForwardRequestId, RequestContext, layer};
use tower::{Layer, ServiceExt, service_fn};
use tracing::instrument::WithSubscriber;

type Body = Empty<&'static [u8]>;

fn request(uri: &str, id: Option<&str>) -> Request<Body> {
    let builder = Request::get(uri);
    let builder = match id {
        Some(id) => builder.header("x-request-id", id),
        None => builder,
    };
    builder.body(Body::new()).unwrap()
}

async fn handler(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    obs_logging::bind!(user_id = 42);
    tracing::info!(current = %current_request_id().unwrap(), "handled");
    let mut response = Response::new(Body::new());
    response.headers_mut().insert("x-request-id", "from-the-handler".parse().unwrap());
    Ok(response)
}

#[tokio::test]
async fn request_lines_have_request_context() {
    let (dispatch, kept, _logging) = kept(Builder::new());
    let observers = (RequestContext::new(), AccessLog::new());
    let route_of = |_: &http::request::Parts| Some(Route::intern("/orders/{id}"));
    let service = ObserveLayer::new(observers, route_of).layer(service_fn(handler));
    let response = async {
        let response = service.oneshot(request("/orders/7?token=secret", Some("abc-123"))).await;
        response.unwrap().map(|body| async { body.collect().await.unwrap() })
    };
    let response = response.with_subscriber(dispatch.clone()).await;
    assert_eq!(response.headers().get_all("x-request-id").iter().collect::<Vec<_>>(), ["abc-123"]);
    response.into_body().with_subscriber(dispatch).await;
    let lines = kept.lines();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!(line["request_id"], "abc-123");
        assert_eq!(line["method"], "GET");
        assert_eq!(line["path"], "/orders/7");
        assert_eq!(line["user_id"], 42);
    }
    assert_eq!(lines[0].0.get("route"), None);
    assert_eq!(lines[1]["route"], "/orders/{id}");
    assert_eq!(lines[0]["current"], "abc-123");
    assert_eq!(lines[1]["event"], "request");
    assert_eq!(lines[1]["status"], 200);
    assert_eq!(lines[1]["outcome"], "completed");
    assert_eq!(lines[1]["response_bytes"], 0);
    assert!(lines[1]["duration_ms"].is_number());
    assert!(!kept.text().contains("secret"));
}

#[tokio::test]
async fn harmful_request_id_is_replaced() {
    for bad in ["two words", "", "x\u{7f}y", &"a".repeat(129), "<script>"] {
        let (dispatch, kept, _logging) = kept(Builder::new());
        let service = layer(unrouted).layer(service_fn(handler));
        let mut request = request("/", None);
        if let Ok(value) = http::HeaderValue::from_bytes(bad.as_bytes()) {
            request.headers_mut().insert("x-request-id", value);
        }
        let response = service.oneshot(request).with_subscriber(dispatch).await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap();
        assert_eq!(id.len(), 36, "{bad:?}");
        assert_eq!(kept.line()["request_id"], id);
    }
}

#[tokio::test]
async fn concurrent_requests_do_not_mix_fields() {
    let (dispatch, kept, _logging) = kept(Builder::new());
    let handler = |request: Request<Body>| async move {
        let path = request.uri().path().to_owned();
        obs_logging::bind!(own = %path);
        for step in 0..5 {
            tokio::task::yield_now().await;
            tracing::info!(step, expected = %path, "step");
        }
        Ok::<_, Infallible>(Response::new(Body::new()))
    };
    let service = layer(unrouted).layer(service_fn(handler));
    let requests =
        (0..50).map(|number| service.clone().oneshot(request(&format!("/{number}"), None)));
    let all = async {
        let mut set = tokio::task::JoinSet::new();
        for request in requests {
            set.spawn(request.with_subscriber(dispatch.clone()));
        }
        set.join_all().await
    };
    assert_eq!(all.await.len(), 50);
    let lines = kept.lines();
    assert_eq!(lines.len(), 250);
    for line in lines {
        assert_eq!(line["own"], line["expected"]);
        assert_eq!(line["path"], line["expected"]);
    }
}

#[tokio::test]
async fn client_forwards_id_of_current_request() {
    let client = ObserveLayer::new(ForwardRequestId::new(), unrouted).layer(service_fn(
        |request: Request<Body>| async move {
            let id = request.headers().get("x-request-id").cloned();
            let mut response = Response::new(Body::new());
            *response.status_mut() = StatusCode::ACCEPTED;
            response.extensions_mut().insert(id);
            Ok::<_, Infallible>(response)
        },
    ));
    let sent = |response: &Response<_>| {
        response.extensions().get::<Option<http::HeaderValue>>().unwrap().clone()
    };
    let outside = client.clone().oneshot(request("/", None)).await.unwrap().map(|_| ());
    assert_eq!(sent(&outside), None);
    let id = RequestId::parse(b"abc").unwrap();
    let future = {
        let _entered = id.enter();
        tower::Service::call(&mut client.clone(), request("/", None))
    };
    assert_eq!(sent(&future.await.unwrap().map(|_| ())).unwrap(), "abc");
}

/// What each line of a request costs to keep: the ids, and little else.
#[tokio::test]
async fn line_with_three_ids_takes_at_most_300_bytes() {
    let (dispatch, kept, _logging) = kept(Builder::new());
    let handler = async |_: Request<Body>| {
        set_active_span(Some(ActiveSpan {
            trace_id: TraceId::new(u128::MAX),
            span_id: SpanId::new(u64::MAX),
            sampled: true,
            name: "request",
            route: None,
        }));
        tracing::info!(target: "orders", rows = 4, "order stored");
        set_active_span(None);
        Ok::<_, Infallible>(Response::new(Body::new()))
    };
    let route_of = |_: &http::request::Parts| Some(Route::intern("/orders/{id}"));
    let service = layer(route_of).layer(service_fn(handler));
    service.oneshot(request("/orders/7", None)).with_subscriber(dispatch).await.unwrap();
    let text = kept.text();
    let line = &kept.lines()[0];
    for id in ["trace_id", "span_id", "request_id"] {
        assert!(line[id].is_string(), "{text}");
    }
    assert!(text.len() <= 300, "{} bytes: {text}", text.len());
}

#[tokio::test]
async fn route_is_on_each_line_when_enabled() {
    let (dispatch, kept, _logging) = kept(Builder::new());
    let route_of = |_: &http::request::Parts| Some(Route::intern("/orders/{id}"));
    let context = RequestContext::new().with_route();
    let service = ObserveLayer::new(context, route_of).layer(service_fn(handler));
    service.oneshot(request("/orders/7", None)).with_subscriber(dispatch).await.unwrap();
    assert_eq!(kept.lines()[0]["route"], "/orders/{id}");
}

/// Contexts are pooled: one that somebody still holds is not given to another request.
#[tokio::test]
async fn context_outliving_request_keeps_fields() {
    let (dispatch, kept, _logging) = kept(Builder::new());
    let held = std::sync::Mutex::new(Vec::new());
    let service = layer(unrouted).layer(service_fn(async |request: Request<Body>| {
        tracing::info!("handled");
        obs_logging::bind!(own = request.uri().path());
        held.lock().unwrap().extend(obs_logging::Context::current());
        Ok::<_, Infallible>(Response::new(Body::new()))
    }));
    let all = async {
        for number in 0..3 {
            let uri = format!("/{number}");
            drop(service.clone().oneshot(request(&uri, None)).await.unwrap());
        }
        for context in held.lock().unwrap().drain(..) {
            let _entered = context.enter();
            tracing::info!("later");
        }
        drop(service.clone().oneshot(request("/last", None)).await.unwrap());
    };
    all.with_subscriber(dispatch).await;
    let lines = kept.lines();
    assert_eq!(lines.len(), 7);
    for line in lines {
        match line["event"].as_str() {
            Some("later") => assert_eq!(line["own"], line["path"]),
            _ => assert!(!line.0.contains_key("own"), "{line:?}"),
        }
    }
}
