//! What is measured of the requests that a client sends.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use obs_http::{ObserveLayer, unrouted};
use obs_metrics::http::ClientMetrics;
use obs_metrics::{Buckets, Registry};
use tower::{Layer, ServiceExt, service_fn};

const NAME: &str = "http_client_request_duration_seconds_count";

fn layer(registry: &Registry) -> ObserveLayer<ClientMetrics> {
    ObserveLayer::new(ClientMetrics::new(registry, Buckets::default()).unwrap(), unrouted)
}

fn request(method: &str, uri: &str) -> Request<()> {
    Request::builder().method(method).uri(uri).body(()).unwrap()
}

fn answer(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"x")));
    *response.status_mut() = status;
    response
}

/// Whether the labels, in their order, have this count.
fn has(registry: &Registry, labels: [&str; 5], count: u64) -> bool {
    let [method, address, port, status, error] = labels;
    let line = format!(
        "{NAME}{{http_request_method=\"{method}\",server_address=\"{address}\",server_port=\"{port}\",\
         http_response_status_code=\"{status}\",error_type=\"{error}\"}} {count}"
    );
    registry.encode_text().lines().any(|found| found == line)
}

#[tokio::test]
async fn client_request_is_measured_when_body_ends() {
    let registry = Registry::new();
    let client = layer(&registry).layer(service_fn(async |request: Request<()>| {
        let status = if request.uri().path() == "/none" { 404 } else { 200 };
        Ok::<_, Infallible>(answer(StatusCode::from_u16(status).unwrap()))
    }));
    for (method, uri) in [
        ("GET", "http://orders:8002/7?secret=1"),
        ("POST", "https://user:word@pay.example/charge"),
        ("BREW", "http://orders:8002/none"),
        ("GET", "/no/authority"),
        ("GET", "http://[::1]/"),
    ] {
        let response = client.clone().oneshot(request(method, uri)).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    for labels in [
        ["GET", "orders", "8002", "200", ""],
        ["POST", "pay.example", "443", "200", ""],
        ["_OTHER", "orders", "8002", "404", "404"],
        ["GET", "", "", "200", ""],
        ["GET", "::1", "80", "200", ""],
    ] {
        assert!(has(&registry, labels, 1), "{labels:?}: {}", registry.encode_text());
    }

    let unread = client.oneshot(request("GET", "http://orders:8002/")).await.unwrap();
    assert!(has(&registry, ["GET", "orders", "8002", "200", ""], 1), "not over yet");
    drop(unread);
    assert!(has(&registry, ["GET", "orders", "8002", "200", ""], 2));
}

#[tokio::test]
async fn client_failures_are_measured_with_error_type() {
    let registry = Registry::new();
    let refused = layer(&registry).layer(service_fn(async |_: Request<()>| {
        Err::<Response<Full<Bytes>>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
    }));
    refused.oneshot(request("GET", "http://a/")).await.unwrap_err();
    assert!(has(&registry, ["GET", "a", "80", "", "error"], 1), "{}", registry.encode_text());

    let silent = layer(&registry).layer(service_fn(async |_: Request<()>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    }));
    let mut waits = Box::pin(silent.oneshot(request("GET", "http://b/")));
    assert!(futures_util::poll!(&mut waits).is_pending());
    drop(waits);
    assert!(has(&registry, ["GET", "b", "80", "", "cancelled"], 1), "{}", registry.encode_text());

    let broken = layer(&registry).layer(service_fn(async |_: Request<()>| {
        let parts = [Err::<http_body::Frame<Bytes>, _>(std::io::Error::other("reset"))];
        Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(parts))))
    }));
    let response = broken.oneshot(request("GET", "http://c/")).await.unwrap();
    response.into_body().collect().await.unwrap_err();
    assert!(
        has(&registry, ["GET", "c", "80", "200", "body_failed"], 1),
        "{}",
        registry.encode_text()
    );
}

#[tokio::test]
async fn client_of_many_hosts_stays_within_series_limit() {
    let registry = Registry::new();
    let client = layer(&registry)
        .layer(service_fn(async |_: Request<()>| Ok::<_, Infallible>(answer(StatusCode::OK))));
    for host in 0..2_100 {
        let uri = format!("http://host-{host}.example/");
        drop(client.clone().oneshot(request("GET", &uri)).await.unwrap());
    }
    let text = registry.encode_text();
    let series = text.lines().filter(|line| line.starts_with(NAME)).count();
    assert!(series <= 2_001, "{series}");
    let overflow = format!("{NAME}{{otel_metric_overflow=\"true\"}}");
    assert!(text.lines().any(|line| line.starts_with(&overflow)), "{overflow}");
}
