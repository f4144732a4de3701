//! RED over every end that a request can come to, and the endpoint's answers.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may say that something cannot fail")]

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody};
use obs_context::{ActiveSpan, Route, SpanId, TraceId, active_span, set_active_span};
use obs_http::{End, Exchange, Observe, ObserveLayer};
use obs_metrics::http::{ClientMetrics, ServerMetrics, layer};
use obs_metrics::{Buckets, Endpoint, Registry};
use tower::{Layer, Service};
use tower::{ServiceExt, service_fn};

fn request(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

fn in_progress(registry: &Registry) -> f64 {
    value(registry, "http_requests_in_progress")
}

fn value(registry: &Registry, series: &str) -> f64 {
    let text = registry.encode_text();
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or("0").parse().unwrap()
}

#[tokio::test]
async fn routed_requests_are_counted_by_template() {
    let registry = Registry::new();
    let red = ServerMetrics::new(&registry).unwrap();
    let app = Router::new()
        .route("/orders/{id}", get(|| async { "order" }))
        .layer(layer(red, obs_http::matched_path));
    for path in ["/orders/1", "/orders/2"] {
        let response = app.clone().oneshot(request("GET", path)).await.unwrap();
        assert!(in_progress(&registry) > 0.0, "the body is still to come");
        response.into_body().collect().await.unwrap();
    }
    let head = app.clone().oneshot(request("HEAD", "/orders/2")).await.unwrap();
    drop(head);
    let ordered = "http_requests_total{method=\"GET\",path=\"/orders/{id}\",status=\"200\"}";
    assert!((value(&registry, ordered) - 2.0).abs() < 1e-9);
    let head = "http_requests_total{method=\"HEAD\",path=\"/orders/{id}\",status=\"200\"}";
    assert!((value(&registry, head) - 1.0).abs() < 1e-9);
    let timed = "http_request_duration_seconds_count{method=\"GET\",path=\"/orders/{id}\"}";
    assert!((value(&registry, timed) - 2.0).abs() < 1e-9);
    assert!(in_progress(&registry).abs() < 1e-9);
}

#[tokio::test]
async fn unmatched_paths_share_one_series() {
    let registry = Registry::new();
    let red = ServerMetrics::new(&registry).unwrap();
    let mut service = layer(red, obs_http::unrouted).layer(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::builder().status(404).body(Full::<Bytes>::default()).unwrap())
    }));
    for number in 0..100_000_u64 {
        let noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut request = request("GET", &format!("/{noise:x}/wp-admin/{number}.php?x={noise}"));
        if number % 3 == 0 {
            *request.method_mut() = Method::from_bytes(format!("X{noise:x}").as_bytes()).unwrap();
        }
        service.call(request).await.unwrap().into_body().collect().await.unwrap();
    }
    let text = registry.encode_text();
    let series: Vec<_> =
        text.lines().filter(|line| line.starts_with("http_requests_total{")).collect();
    assert_eq!(
        series,
        [
            "http_requests_total{method=\"_OTHER\",path=\"<unmatched>\",status=\"404\"} 33334",
            "http_requests_total{method=\"GET\",path=\"<unmatched>\",status=\"404\"} 66666",
        ]
    );
}

#[tokio::test]
async fn each_outcome_is_counted_once_and_leaves_nothing_in_progress() {
    let registry = Registry::new();
    let red = ServerMetrics::new(&registry).unwrap();
    let service = layer(red, |head| Some(Route::intern(head.uri.path()))).catch_panics().layer(
        service_fn(|request: Request<Body>| async move {
            match request.uri().path() {
                "/panic" => panic!("handler"),
                "/never" => std::future::pending().await,
                "/error" => Err(std::io::Error::other("service")),
                "/stream" => {
                    let frames = futures_util::stream::iter((0..3).map(|_| {
                        Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"x")))
                    }));
                    Ok(Response::new(Body::new(StreamBody::new(frames))))
                }
                _ => Ok(Response::new(Body::from("done"))),
            }
        }),
    );
    let counted = |path: &str, status: &str| {
        let labels = format!("{{method=\"GET\",path=\"{path}\",status=\"{status}\"}}");
        value(&registry, &format!("http_requests_total{labels}")) as u64
    };

    let response = service.clone().oneshot(request("GET", "/panic")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(counted("/panic", "500"), 1);

    assert!(service.clone().oneshot(request("GET", "/error")).await.is_err());
    assert_eq!(counted("/error", "500"), 1);

    let never = service.clone().oneshot(request("GET", "/never"));
    let late = tokio::time::timeout(std::time::Duration::from_millis(5), never).await;
    assert!(late.is_err());
    assert_eq!(counted("/never", "499"), 1);

    // The peer goes away in the middle of the body.
    let mut response = service.clone().oneshot(request("GET", "/stream")).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(counted("/stream", "200"), 0, "not over yet");
    drop(response);
    assert_eq!(counted("/stream", "200"), 1);

    let response = service.clone().oneshot(request("GET", "/stream")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "xxx");
    assert_eq!(counted("/stream", "200"), 2);

    // A request that is never polled counts for nothing, and stays in nobody's way.
    drop(service.clone().oneshot(request("GET", "/unpolled")));
    assert!(in_progress(&registry).abs() < 1e-9);
}

#[tokio::test]
async fn semantic_conventions_use_opentelemetry_names() {
    let registry = Registry::new();
    let red = ServerMetrics::semantic_conventions(&registry, Buckets::default()).unwrap();
    let app = Router::new().route("/a", get(|| async {})).layer(layer(red, obs_http::matched_path));
    let response = app.oneshot(request("GET", "/a")).await.unwrap();
    response.into_body().collect().await.unwrap();
    let text = registry.encode_text();
    let count = "http_server_request_duration_seconds_count{http_request_method=\"GET\",\
        url_scheme=\"http\",http_route=\"/a\",http_response_status_code=\"200\"} 1\n";
    assert!(text.contains(count), "{text}");
    assert!(text.contains("http_server_active_requests 0\n"), "{text}");
    assert!(!text.contains("http_requests_total"), "{text}");
}

/// Stands for a tracing layer: a sampled span is active while the exchange is polled.
#[derive(Clone)]
struct Traced;

struct Span;

struct Entered(Option<ActiveSpan>);

impl Drop for Entered {
    fn drop(&mut self) {
        set_active_span(self.0);
    }
}

impl Observe for Traced {
    type Exchange = Span;

    fn begin(&self, _: &mut http::request::Parts, _: Option<Route>) -> Span {
        Span
    }
}

impl Exchange for Span {
    type Entered<'a> = Entered;

    fn enter(&self) -> Entered {
        let former = active_span();
        set_active_span(Some(ActiveSpan {
            trace_id: TraceId::new(0xabc),
            span_id: SpanId::new(0xdef),
            sampled: true,
            name: "GET",
            route: None,
        }));
        Entered(former)
    }

    fn end(self, _: &End) {}
}

#[tokio::test]
async fn traced_request_has_exemplar() {
    let registry = Registry::new();
    let observers = (Traced, ServerMetrics::new(&registry).unwrap());
    let app = Router::new()
        .route("/a", get(|| async { "a" }))
        .layer(ObserveLayer::new(observers, obs_http::matched_path));
    let response = app.oneshot(request("GET", "/a")).await.unwrap();
    response.into_body().collect().await.unwrap();
    let text = registry.encode_openmetrics();
    let exemplar =
        "1 # {trace_id=\"00000000000000000000000000000abc\",span_id=\"0000000000000def\"}";
    let with_exemplar =
        |name: &str| text.lines().any(|line| line.starts_with(name) && line.contains(exemplar));
    assert!(with_exemplar("http_requests_total{"), "{text}");
    assert!(with_exemplar("http_request_duration_seconds_bucket{"), "{text}");
}

#[tokio::test]
async fn exemplar_is_of_requests_span_where_another_is_active_at_end() {
    let registry = Registry::new();
    let server = (Traced, ServerMetrics::new(&registry).unwrap());
    let client = (Traced, ClientMetrics::new(&registry, Buckets::default()).unwrap());
    let app = Router::new().route("/a", get(|| async { "a" }));
    let app = ObserveLayer::new(server, obs_http::unrouted).layer(app);
    let mut app = ObserveLayer::new(client, obs_http::unrouted).layer(app);
    let response = app.call(request("GET", "/a")).await.unwrap();
    let (trace_id, span_id) = (TraceId::new(0x999), SpanId::new(0x999));
    let other = Some(ActiveSpan { trace_id, span_id, sampled: true, name: "other", route: None });
    set_active_span(other);
    drop(response);
    assert_eq!(active_span(), other);
    set_active_span(None);
    let text = registry.encode_openmetrics();
    for name in ["http_requests_total{", "http_client_request_duration_seconds_bucket{"] {
        assert!(
            text.lines().any(|line| line.starts_with(name) && line.contains("0abc\"")),
            "{text}"
        );
    }
    assert!(!text.contains("999\""), "{text}");
}

#[test]
fn flood_of_scrapes_is_rejected() {
    let endpoint = endpoint();
    let rejected = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let response = scrape(&endpoint, Method::GET, "/metrics", &[]);
                    if response.status() == StatusCode::OK {
                        assert!(text(&response).contains("a_total 1\n"));
                    } else {
                        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
                        rejected.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let after = scrape(&endpoint, Method::GET, "/metrics", &[]);
    assert_eq!(after.status(), StatusCode::OK, "{rejected:?} were rejected");
}

fn scrape(
    endpoint: &Endpoint,
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    endpoint.respond(&request.body(()).unwrap().into_parts().0)
}

fn endpoint() -> Endpoint {
    let registry = Registry::new();
    registry.counter("a_total", "A.").unwrap().inc();
    registry.gauge("b", "B.").unwrap();
    registry.histogram("c_seconds", "C.", Default::default()).unwrap();
    Endpoint::new(registry)
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

#[test]
fn format_follows_accept_header() {
    let endpoint = endpoint();
    let classic = scrape(&endpoint, Method::GET, "/metrics", &[]);
    assert_eq!(classic.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert!(text(&classic).contains("# TYPE a_total counter\na_total 1\n"));

    let accept = [("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")];
    let open = scrape(&endpoint, Method::GET, "/metrics", &accept);
    assert_eq!(
        open.headers()[header::CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(text(&open).contains("# TYPE a counter\n"));
    assert!(text(&open).ends_with("# EOF\n"));
}

#[test]
fn head_has_no_body_and_other_methods_are_rejected() {
    let endpoint = endpoint();
    let head = scrape(&endpoint, Method::HEAD, "/metrics", &[]);
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.body().is_empty());
    assert_ne!(head.headers()[header::CONTENT_LENGTH], "0");
    let post = scrape(&endpoint, Method::POST, "/metrics", &[]);
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(post.headers()[header::ALLOW], "GET, HEAD");
}

#[test]
fn name_parameter_filters_families() {
    let endpoint = endpoint();
    let some =
        scrape(&endpoint, Method::GET, "/metrics?name[]=a_total&name%5B%5D=c_seconds_sum", &[]);
    let text = text(&some);
    assert!(text.contains("a_total 1\n") && text.contains("c_seconds_count 0\n"), "{text}");
    assert!(!text.contains("# TYPE b ") && !text.contains("obs_metrics_"), "{text}");
}

#[test]
fn scrape_past_scrapers_timeout_answers_503() {
    let endpoint = endpoint();
    let header = "x-prometheus-scrape-timeout-seconds";
    let late = scrape(&endpoint, Method::GET, "/metrics", &[(header, "0")]);
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
    for generous in ["10", "nonsense", "-1", "NaN", "1e300"] {
        let fine = scrape(&endpoint, Method::GET, "/metrics", &[(header, generous)]);
        assert_eq!(fine.status(), StatusCode::OK, "{generous}");
    }
}

#[test]
fn scrapes_are_counted() {
    let endpoint = endpoint();
    scrape(&endpoint, Method::GET, "/metrics", &[]);
    let second = scrape(&endpoint, Method::GET, "/metrics", &[]);
    let text = text(&second);
    let scrapes = "obs_metrics_scrapes_total{format=\"text\",encoding=\"identity\"} 1\n";
    assert!(text.contains(scrapes), "{text}");
    assert!(text.contains("obs_metrics_scrape_duration_seconds_count 1\n"), "{text}");
}

#[test]
fn cardinality_page_is_table_or_json() {
    let endpoint = endpoint();
    let ask = |uri: &str, accept: &str| {
        let request = Request::get(uri).header("accept", accept).body(()).unwrap();
        endpoint.cardinality(&request.into_parts().0)
    };
    let table = ask("/debug/cardinality", "*/*");
    assert!(text(&table).starts_with("  series  share"), "{table:?}");
    for json in [ask("/x?format=json", "*/*"), ask("/x", "application/json")] {
        assert_eq!(json.headers()[header::CONTENT_TYPE], "application/json");
        assert!(text(&json).contains("{\"name\":\"c_seconds\",\"series\":1,\"limit\":2000,"));
    }
}

#[cfg(feature = "gzip")]
#[test]
fn answer_is_compressed_when_accepted() {
    use std::io::Read;

    let endpoint = endpoint();
    let packed = scrape(&endpoint, Method::GET, "/metrics", &[("accept-encoding", "gzip")]);
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.body()[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("a_total 1\n"));
}

#[cfg(feature = "zstd")]
#[test]
fn answer_is_zstd_when_preferred() {
    let endpoint = endpoint();
    let codings = [("accept-encoding", "gzip;q=0.8, zstd")];
    let packed = scrape(&endpoint, Method::GET, "/metrics", &codings);
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "zstd");
    let text = zstd::bulk::decompress(packed.body(), 1 << 20).unwrap();
    assert!(String::from_utf8(text).unwrap().contains("a_total 1\n"));
}

#[test]
fn debug_pages_are_text_or_json() {
    let registry = Registry::new();
    registry.gauge("wait_ms", "Wait \"quoted\".").unwrap();
    let endpoint = Endpoint::new(registry);
    let json = [("accept", "application/json")];
    let request = |headers: &[(&str, &str)]| {
        let request = headers
            .iter()
            .fold(http::Request::get("/"), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    };
    let table = endpoint.lint(&request(&[]));
    assert!(table.body().ends_with(b"`wait_ms` is in ms: use the base unit, seconds\n"));
    let list: Vec<String> = serde_json::from_slice(endpoint.lint(&request(&json)).body()).unwrap();
    assert!(list[0].contains("`wait_ms` is in ms"), "{list:?}");
    let series: serde_json::Value =
        serde_json::from_slice(endpoint.cardinality(&request(&json)).body()).unwrap();
    assert!(series["families"][0]["series"].is_number(), "{series}");
}
