//! Spans of HTTP exchanges.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes_of::Bytes;
use common::{Exported, attribute, flush, keys, pipeline};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use obs_context::{EnteredRequest, RequestId, Route, active_span, current_request_id};
use obs_http::{End, Exchange, Observe, ObserveLayer, PeerAddr, unrouted};
use obs_tracing::http::{ServerSpan, client_layer, server_layer};
use obs_tracing::{EndedSpan, Sampler, SpanExt, Tail};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as Code;
use tower::{Service, ServiceBuilder, ServiceExt};
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

mod bytes_of {
    pub(crate) use hyper::body::Bytes;
}

const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

fn request(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).header("traceparent", PARENT).body(Empty::new()).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn orders(_: &http::request::Parts) -> Option<Route> {
    Some(Route::intern("/orders/{id}"))
}

async fn ok(_: Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(active_span().unwrap().route.unwrap().as_str(), "/orders/{id}");
    tokio::task::yield_now().await;
    assert_eq!(active_span(), tracing::Span::current().context());
    tracing::info_span!("inner").in_scope(|| {});
    Ok(Response::new(Full::from("body")))
}

#[test]
fn served_request_is_server_span() {
    let (layer, traces, exported) = pipeline();
    with_default(tracing_subscriber::registry().with(layer), || {
        block_on(async {
            let service = ServiceBuilder::new().layer(server_layer(orders)).service_fn(ok);
            let response = service.oneshot(request("/orders/7?token=secret")).await.unwrap();
            assert_eq!(active_span(), None);
            flush(&traces);
            assert_eq!(exported.spans().len(), 1, "the span ends with the body");
            response.into_body().collect().await.unwrap();
        });
    });
    flush(&traces);
    let span = exported.span("GET /orders/{id}");
    assert_eq!(span.kind(), SpanKind::Server);
    assert_eq!(span.parent_span_id, 0x1234567890123456_u64.to_be_bytes());
    assert_eq!(span.flags, 0x301, "sampled, and its parent is remote");
    assert_eq!(span.status, None);
    assert_eq!(
        keys(&span),
        [
            "http.request.method",
            "url.path",
            "url.scheme",
            "network.protocol.version",
            "http.route",
            "http.response.status_code"
        ]
    );
    assert_eq!(attribute(&span, "url.path").as_deref(), Some("/orders/7"));
    assert_eq!(attribute(&span, "http.route").as_deref(), Some("/orders/{id}"));
    assert_eq!(attribute(&span, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(exported.span("inner").parent_span_id, span.span_id);
    assert!(!format!("{:?}", exported.requests()).contains("secret"));
}

#[test]
fn configured_attributes_are_added() {
    let (layer, traces, exported) = pipeline();
    with_default(tracing_subscriber::registry().with(layer), || {
        block_on(async {
            let observer = ServerSpan::new().with_user_agent().trusted_proxies(1);
            let layer = obs_http::ObserveLayer::new(observer, unrouted);
            let service = ServiceBuilder::new().layer(layer).service_fn(|_| async {
                let mut response = Response::new(Full::<Bytes>::from("x"));
                response.extensions_mut().insert(Route::intern("/told/{late}"));
                Ok::<_, Infallible>(response)
            });
            let request = Request::builder()
                .method("BREW")
                .uri("/pot")
                .header("host", "tea.example:8080")
                .header("user-agent", "kettle/1")
                .header("x-forwarded-for", "6.6.6.6, 192.0.2.7")
                .extension(PeerAddr("[::1]:4711".parse().unwrap()))
                .body(Empty::<Bytes>::new())
                .unwrap();
            let response = service.oneshot(request).await.unwrap();
            response.into_body().collect().await.unwrap();
        });
    });
    flush(&traces);
    let span = exported.span("HTTP /told/{late}");
    for (key, value) in [
        ("http.request.method", "_OTHER"),
        ("http.request.method_original", "BREW"),
        ("server.address", "tea.example"),
        ("server.port", "8080"),
        ("user_agent.original", "kettle/1"),
        ("network.protocol.version", "1.1"),
        ("client.address", "192.0.2.7"),
        ("network.peer.address", "::1"),
        ("network.peer.port", "4711"),
    ] {
        assert_eq!(attribute(&span, key).as_deref(), Some(value));
    }
    assert!(span.parent_span_id.is_empty());
}

#[test]
fn ipv4_peer_of_dual_stack_listener_is_ipv4() {
    let (layer, traces, exported) = pipeline();
    with_default(tracing_subscriber::registry().with(layer), || {
        block_on(async {
            let service =
                ServiceBuilder::new().layer(server_layer(unrouted)).service_fn(|_| async {
                    Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                });
            let mut request = request("/x");
            let peer = "[::ffff:192.0.2.7]:4711".parse().unwrap();
            request.extensions_mut().insert(PeerAddr(peer));
            service.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        });
    });
    flush(&traces);
    let span = exported.span("GET");
    for key in ["network.peer.address", "client.address"] {
        assert_eq!(attribute(&span, key).as_deref(), Some("192.0.2.7"));
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Status(u16),
    Panics,
    Fails,
    Cancelled,
    Aborted,
}

/// The server's span of a request that came to this end: status and `error.type`.
fn server(outcome: Outcome) -> (Option<Code>, Option<String>, Option<String>) {
    let (layer, traces, exported) = pipeline();
    with_default(tracing_subscriber::registry().with(layer), || {
        block_on(async {
            let handler = move |_: Request<Empty<Bytes>>| async move {
                match outcome {
                    Outcome::Status(status) => {
                        let mut response = Response::new(Full::<Bytes>::from("x"));
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                        Ok(response)
                    }
                    Outcome::Panics => panic!("as the test wants it"),
                    Outcome::Fails => Err(std::io::Error::other("no database")),
                    Outcome::Cancelled => std::future::pending().await,
                    Outcome::Aborted => Ok(Response::new(Full::from("never read"))),
                }
            };
            let layer = server_layer(unrouted).catch_panics();
            let service = ServiceBuilder::new().layer(layer).service_fn(handler);
            let answer = service.oneshot(request("/x"));
            match tokio::time::timeout(Duration::from_millis(50), answer).await {
                Ok(Ok(response)) if !matches!(outcome, Outcome::Aborted) => {
                    response.into_body().collect().await.unwrap();
                }
                _ => {}
            }
        });
    });
    flush(&traces);
    let span = exported.span("GET");
    let code = attribute(&span, "http.response.status_code");
    (
        span.status.as_ref().map(opentelemetry_proto::tonic::trace::v1::Status::code),
        attribute(&span, "error.type"),
        code,
    )
}

#[test]
fn served_request_ends_by_outcome() {
    let error = |kind: &str, code: Option<&str>| {
        (Some(Code::Error), Some(kind.to_owned()), code.map(str::to_owned))
    };
    assert_eq!(server(Outcome::Status(404)), (None, None, Some("404".to_owned())));
    assert_eq!(server(Outcome::Status(503)), error("503", Some("503")));
    assert_eq!(server(Outcome::Panics), error("panic", Some("500")));
    assert_eq!(server(Outcome::Fails), error("error", Some("500")));
    assert_eq!(server(Outcome::Cancelled), error("cancelled", None));
    assert_eq!(server(Outcome::Aborted), (None, None, Some("200".to_owned())));
}

#[test]
fn open_child_does_not_delay_span() {
    let (layer, traces, exported) = pipeline();
    let mut leaked = None;
    with_default(tracing_subscriber::registry().with(layer), || {
        block_on(async {
            let service = ServiceBuilder::new().layer(server_layer(unrouted)).service_fn(
                |_: Request<Empty<Bytes>>| async {
                    let background = tracing::info_span!("background");
                    let mut response = Response::new(Full::<Bytes>::from("x"));
                    response.extensions_mut().insert(background);
                    Ok::<_, Infallible>(response)
                },
            );
            let (head, body) = service.oneshot(request("/x")).await.unwrap().into_parts();
            leaked = head.extensions.get::<tracing::Span>().cloned();
            body.collect().await.unwrap();
        });
        flush(&traces);
        exported.span("GET");
        drop(leaked.take());
    });
    flush(&traces);
    assert_eq!(exported.span("background").parent_span_id, exported.span("GET").span_id);
}

/// What a client's request carried, and the span of it.
fn client(sampler: Sampler, status: u16) -> (HeaderMap, Exported) {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().sampler(sampler).build().unwrap();
    let mut carried = HeaderMap::new();
    with_default(tracing_subscriber::registry().with(layer), || {
        block_on(async {
            let sent = std::sync::Arc::new(std::sync::Mutex::new(HeaderMap::new()));
            let seen = sent.clone();
            let mut service = ServiceBuilder::new().layer(client_layer()).service_fn(
                move |request: Request<Empty<Bytes>>| {
                    *seen.lock().unwrap() = request.headers().clone();
                    async move {
                        let mut response = Response::new(Full::<Bytes>::from("x"));
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                        Ok::<_, Infallible>(response)
                    }
                },
            );
            let outer = tracing::info_span!("outer");
            let request = request("http://user:pass@payments.example:8081/pay?card=4711");
            let future = outer.in_scope(|| service.call(request));
            future.await.unwrap().into_body().collect().await.unwrap();
            carried = sent.lock().unwrap().clone();
        });
    });
    flush(&traces);
    (carried, exported)
}

#[test]
fn sent_request_is_client_span() {
    let (carried, exported) = client(Sampler::always(), 200);
    let span = exported.span("GET");
    assert_eq!(span.kind(), SpanKind::Client);
    assert_eq!(span.parent_span_id, exported.span("outer").span_id);
    let parents: Vec<_> = carried.get_all("traceparent").iter().collect();
    assert_eq!(parents.len(), 1);
    let span_id: String = span.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(&parents[0].to_str().unwrap()[36..52], span_id);
    assert_eq!(attribute(&span, "url.full").as_deref(), Some("http://payments.example:8081/pay"));
    assert_eq!(attribute(&span, "server.address").as_deref(), Some("payments.example"));
    assert_eq!(attribute(&span, "server.port").as_deref(), Some("8081"));
    assert_eq!(span.status, None);
}

#[test]
fn unsampled_request_carries_context() {
    let (carried, exported) = client(Sampler::never(), 200);
    assert!(exported.spans().is_empty());
    let parent = carried["traceparent"].to_str().unwrap();
    assert!(parent.ends_with("-02"), "{parent}");
    assert_ne!(parent, PARENT);
}

#[test]
fn client_errors_are_errors_of_client_spans_only() {
    let (_, exported) = client(Sampler::always(), 404);
    let span = exported.span("GET");
    assert_eq!(span.status.as_ref().unwrap().code(), Code::Error);
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("404"));
}

#[test]
fn without_layer_requests_pass_unchanged() {
    block_on(async {
        let service = ServiceBuilder::new()
            .layer(server_layer(unrouted))
            .layer(client_layer())
            .service_fn(|request: Request<Empty<Bytes>>| async move {
                assert_eq!(request.headers()["traceparent"], PARENT);
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("x")))
            });
        let response = service.oneshot(request("/x")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "x");
    });
}

/// What a route with a query and a call to another service costs on the wire, with the attributes that the
/// conventions recommend.
#[test]
fn common_spans_stay_small() {
    let (layer, traces, exported) = pipeline();
    with_default(tracing_subscriber::registry().with(layer), || {
        block_on(async {
            for _ in 0..100 {
                let client = ServiceBuilder::new().layer(client_layer()).service_fn(
                    |_: Request<Empty<Bytes>>| async {
                        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("paid")))
                    },
                );
                let service = ServiceBuilder::new().layer(server_layer(orders)).service_fn(
                    move |_: Request<Empty<Bytes>>| {
                        let client = client.clone();
                        async move {
                            tracing::debug!(
                                target: "sqlx::query",
                                summary = "SELECT id, total, …",
                                db.statement = "SELECT id, total, status FROM orders WHERE id = $1",
                                rows_returned = 1_u64,
                                elapsed_secs = 0.000_4,
                            );
                            let payment = request("http://payments:8080/payments/17");
                            client.oneshot(payment).await
                        }
                    },
                );
                let response = service.oneshot(request("/orders/17")).await.unwrap();
                response.into_body().collect().await.unwrap();
            }
        });
    });
    flush(&traces);
    let (spans, bytes) = (exported.spans().len() as u64, traces.counts().exported_bytes);
    assert_eq!(spans, 300);
    println!("{} bytes a span", bytes / spans);
    assert!(bytes / spans <= 280, "{} bytes a span", bytes / spans);
}

/// What is outside of the spans: the request's id is current where it is entered.
#[derive(Clone)]
struct WithId;

struct IdExchange(RequestId);

impl Observe for WithId {
    type Exchange = IdExchange;

    fn begin(&self, _: &mut http::request::Parts, _: Option<Route>) -> IdExchange {
        IdExchange(RequestId::mint())
    }
}

impl Exchange for IdExchange {
    type Entered<'a> = EnteredRequest;

    fn enter(&self) -> EnteredRequest {
        self.0.enter()
    }

    fn end(self, _: &End) {}
}

/// A rule may log, and its lines belong to the request.
#[test]
fn tail_rule_at_end_of_request_has_request_id() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let rule = {
        let seen = Arc::clone(&seen);
        move |span: &EndedSpan<'_>| {
            seen.lock().unwrap().push((span.name().to_owned(), current_request_id().is_some()));
            false
        }
    };
    let builder = Exported::default().builder().sampler(Sampler::never());
    let (layer, traces) = builder.tail(Tail::nothing().when(rule)).build().unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        block_on(async {
            let layer = ObserveLayer::new((WithId, ServerSpan::new()), orders);
            let service = ServiceBuilder::new().layer(layer).service_fn(ok);
            let response = service.oneshot(request("/orders/7")).await.unwrap();
            response.into_body().collect().await.unwrap();
        });
    });
    drop(traces);
    let seen = seen.lock().unwrap();
    assert!(seen.iter().any(|(name, _)| name == "GET /orders/{id}"), "{seen:?}");
    assert!(seen.iter().all(|(_, has_id)| *has_id), "{seen:?}");
}
