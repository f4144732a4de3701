//! The push over OTLP, read by the official messages.
#![cfg(feature = "otlp-push")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use obs_metrics::{Buckets, Push, PushCounts, Registry};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value};
use prost::Message;

const LONG: Duration = Duration::from_secs(60);

/// A collector that answers with this status: its address, and the requests' heads and bodies.
fn collector(status: &'static str) -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/metrics", listener.local_addr().unwrap());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap();
            let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            let answer =
                format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if send.send((head, body)).is_err() {
                return;
            }
        }
    });
    (url, receive)
}

fn counted(delivered: u64, failed: u64, unknown: u64) -> PushCounts {
    PushCounts { delivered, failed, unknown, rejected: 0 }
}

/// As the push is tried once.
fn once(url: String) -> Push {
    Push::new(url).retry_for(Duration::ZERO)
}

#[test]
fn push_decodes_with_official_protobuf_types() {
    let (url, received) = collector("200 OK");
    let registry = Registry::new();
    let orders = registry.counter_vec("orders_total", "Orders.", ["status"]).unwrap();
    orders.with(["created \"now\""]).inc_by(3);
    registry.gauge("queue_bytes", "Queue.").unwrap().set(-1.5);
    let waits = registry.histogram("wait_seconds", "Wait.", Buckets::new([0.1, 1.0])).unwrap();
    [0.05, 0.5, 7.0, 8.0].iter().for_each(|value| waits.observe(*value));
    let pusher = Push::new(url)
        .header("authorization", "Bearer t")
        .resource([("service.name", "orders")])
        .start(&registry)
        .unwrap();
    assert!(pusher.flush(LONG));
    assert_eq!(pusher.counts(), counted(1, 0, 0));

    let (head, body) = received.recv_timeout(LONG).unwrap();
    assert!(head.starts_with("post /v1/metrics ") && head.contains("authorization: bearer t"));
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let request = ExportMetricsServiceRequest::decode(&body[..]).unwrap();
    let resource = &request.resource_metrics[0];
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    let name = attributes.iter().find(|known| known.key == "service.name").unwrap();
    assert!(format!("{name:?}").contains("\"orders\""), "{name:?}");
    let metrics = &resource.scope_metrics[0].metrics;
    let metric = |name: &str| -> &Metric { metrics.iter().find(|one| one.name == name).unwrap() };

    let Some(Data::Sum(sum)) = &metric("orders_total").data else { panic!("{metrics:?}") };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    let point = &sum.data_points[0];
    assert_eq!(point.value, Some(Value::AsInt(3)));
    assert_eq!(point.attributes[0].key, "status");
    let value = format!("{:?}", point.attributes[0].value);
    assert!(value.contains(r#"created \"now\""#), "{value}");
    assert!(0 < point.start_time_unix_nano && point.start_time_unix_nano <= point.time_unix_nano);

    let Some(Data::Gauge(gauge)) = &metric("queue_bytes").data else { panic!("{metrics:?}") };
    assert_eq!(gauge.data_points[0].value, Some(Value::AsDouble(-1.5)));
    assert_eq!(metric("queue_bytes").unit, "By");

    let Some(Data::Histogram(waits)) = &metric("wait_seconds").data else { panic!("{metrics:?}") };
    let point = &waits.data_points[0];
    assert_eq!((point.count, &point.bucket_counts[..]), (4, &[1, 1, 2][..]));
    assert_eq!((point.sum, &point.explicit_bounds[..]), (Some(15.55), &[0.1, 1.0][..]));
    assert!(pusher.shutdown(LONG) && !pusher.flush(LONG));
}

#[test]
fn pushes_follow_interval() {
    let (url, received) = collector("200 OK");
    let push = Push::new(url).interval(Duration::from_millis(5));
    let pusher = push.start(&Registry::new()).unwrap();
    assert!(received.recv_timeout(LONG).is_ok() && received.recv_timeout(LONG).is_ok());
    drop(pusher);
}

#[test]
fn failed_push_is_counted() {
    let registry = Registry::new();
    let (url, _received) = collector("503 Service Unavailable");
    let pusher = once(url).start(&registry).unwrap();
    assert!(!pusher.flush(LONG));
    assert_eq!(pusher.counts(), counted(0, 1, 0));
    let failed = [("result", "failed")];
    let shown = obs_metrics::testing::sample(&registry, "obs_metrics_pushes_total", &failed);
    assert_eq!(shown, Some(1.0));
}

#[test]
fn flush_to_silent_collector_ends_at_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let pusher = Push::new(url).timeout(LONG).start(&Registry::new()).unwrap();
    let begun = Instant::now();
    assert!(!pusher.shutdown(Duration::from_millis(200)));
    while pusher.counts() == PushCounts::default() && begun.elapsed() < LONG {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(pusher.counts(), counted(0, 0, 1), "it was under way");
}

#[test]
fn non_url_endpoint_is_rejected() {
    for endpoint in ["127.0.0.1:4318", "ftp://collector/", "http:///x"] {
        let error = Push::new(endpoint).start(&Registry::new()).unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains("give a URL"), "{error}");
    }
}

#[test]
fn invalid_header_is_rejected_without_showing_value() {
    for (name, value) in [("a b", "secret"), ("authorization", "secret\r\nx: y"), ("", "secret")] {
        let push = Push::new("http://127.0.0.1:4318/v1/metrics").header(name, value);
        let error = push.start(&Registry::new()).unwrap_err();
        assert!(error.is_invalid() && !error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn https_without_feature_is_rejected() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/v1/metrics", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let started = once(url).start(&Registry::new());
    match cfg!(feature = "otlp-tls") {
        // Whoever does not speak TLS gets nothing.
        true => {
            let pusher = started.unwrap();
            assert!(!pusher.flush(LONG));
            assert_eq!(pusher.counts(), counted(0, 1, 0));
        }
        false => assert!(started.unwrap_err().to_string().contains("`tls`")),
    }
}

#[cfg(feature = "otlp-gzip")]
#[test]
fn push_with_gzip_is_compressed() {
    let (url, received) = collector("200 OK");
    let registry = Registry::new();
    registry.counter("orders_total", "Orders.").unwrap().inc();
    let pusher =
        Push::new(url).compression(obs_metrics::Compression::Gzip).start(&registry).unwrap();
    assert!(pusher.flush(LONG));
    let (head, body) = received.recv_timeout(LONG).unwrap();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
    let request = ExportMetricsServiceRequest::decode(&plain[..]).unwrap();
    assert_eq!(request.resource_metrics.len(), 1);
}

#[test]
fn push_counts_as_delivered_only_on_success() {
    for (status, is_delivered) in [
        ("200 OK", true),
        ("202 Accepted", true),
        ("204 No Content", true),
        ("302 Found\r\nlocation: /elsewhere", false),
        ("307 Temporary Redirect\r\nlocation: /elsewhere", false),
        ("304 Not Modified", false),
        ("400 Bad Request", false),
        ("503 Service Unavailable", false),
    ] {
        let (url, received) = collector(status);
        let pusher = once(url).start(&Registry::new()).unwrap();
        assert_eq!(pusher.flush(LONG), is_delivered, "{status}");
        let expected = counted(u64::from(is_delivered), u64::from(!is_delivered), 0);
        assert_eq!(pusher.counts(), expected, "{status}");
        assert!(
            received.recv_timeout(LONG).unwrap().0.starts_with("post /v1/metrics "),
            "{status}"
        );
        assert!(received.try_recv().is_err(), "{status}: no redirect is followed");
    }
}

#[test]
fn longest_durations_are_accepted() {
    let (url, received) = collector("200 OK");
    let push = Push::new(url).interval(Duration::MAX).timeout(Duration::MAX);
    let pusher = push.start(&Registry::new()).unwrap();
    assert!(pusher.flush(Duration::MAX));
    assert!(received.recv_timeout(LONG).is_ok());
    assert!(pusher.shutdown(Duration::MAX));
    let family = Registry::new().counter_vec("a_total", "A.", ["x"]).unwrap();
    family.expire_after(Duration::MAX).with(["a"]).inc();
}

#[test]
fn environment_disables_push() {
    let (url, received) = collector("200 OK");
    for (name, value) in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
    ] {
        let push = Push::new(&url).interval(Duration::from_millis(1));
        let push = push.environment(move |known| (known == name).then(|| value.to_owned()));
        let pusher = push.start(&Registry::new()).unwrap();
        assert!(!pusher.is_on() && pusher.flush(LONG) && pusher.shutdown(LONG), "{name}");
    }
    assert!(received.try_recv().is_err());
    let asked = |name: &str| match name {
        "OTEL_METRICS_EXPORTER" => Some("otlp,prometheus".to_owned()),
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE" => Some("delta".to_owned()),
        _ => None,
    };
    let (settings, ignored) = Push::new("").environment(asked).settings().unwrap();
    let endpoint = settings.iter().find(|setting| setting.name == "endpoint").unwrap();
    assert_eq!(endpoint.value, "http://localhost:4318/");
    assert!(ignored.len() == 1 && ignored[0].contains("cumulativetodelta"), "{ignored:?}");
}

/// A request that was answered with 200 on a route, and one that matched none.
#[cfg(feature = "http")]
fn requests(red: &obs_metrics::http::ServerMetrics) {
    use obs_context::Route;
    use obs_http::{End, Exchange, Observe, Outcome};

    for (route, status) in [(Route::intern("/orders/{id}"), 200), (Route::UNMATCHED, 404)] {
        let mut parts = http::Request::new(()).into_parts().0;
        let exchange = red.begin(&mut parts, None);
        exchange.end(&End {
            outcome: Outcome::Completed,
            method: http::Method::GET,
            route,
            status: http::StatusCode::from_u16(status).ok(),
            grpc_status: None,
            duration: Duration::from_millis(20),
            response_bytes: 0,
        });
    }
}

#[cfg(feature = "http")]
#[test]
fn push_names_http_and_db_metrics_by_conventions() {
    use obs_context::Route;
    use obs_http::{End, Exchange, Observe, Outcome};
    use obs_metrics::db::{DbMetrics, Operation};
    use obs_metrics::http::{ClientMetrics, ServerMetrics};
    use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};

    let (url, received) = collector("200 OK");
    let push = |registry: &Registry| {
        let pusher = once(url.clone()).start(registry).unwrap();
        assert!(pusher.shutdown(LONG));
        let (_, body) = received.recv_timeout(LONG).unwrap();
        let request = ExportMetricsServiceRequest::decode(&body[..]).unwrap();
        request.resource_metrics[0].scope_metrics[0].metrics.clone()
    };
    let metric = |metrics: &[Metric], name: &str| {
        let found = metrics.iter().find(|one| one.name == name).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {metrics:?}"))
    };
    let told = |attributes: &[KeyValue]| {
        let one = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
            Any::StringValue(text) => Some(format!("{}={text}", pair.key)),
            Any::IntValue(number) => Some(format!("{}={number} (int)", pair.key)),
            _ => None,
        };
        attributes.iter().map(|pair| one(pair).unwrap()).collect::<Vec<_>>()
    };
    let points = |metric: &Metric| {
        let Some(Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
        let mut told: Vec<_> =
            histogram.data_points.iter().map(|point| told(&point.attributes)).collect();
        told.sort();
        told
    };

    let prometheus = Registry::new();
    requests(&ServerMetrics::new(&prometheus).unwrap());
    let shown = prometheus.encode_text();
    assert!(shown.contains("http_request_duration_seconds_count{method=\"GET\""), "{shown}");
    let duration = metric(&push(&prometheus), "http.server.request.duration");
    assert_eq!(duration.unit, "s");
    let expected =
        [&["http.request.method=GET"][..], &["http.request.method=GET", "http.route=/orders/{id}"]];
    assert_eq!(points(&duration), expected);

    let both = Registry::new();
    requests(&ServerMetrics::with_push(&both, Buckets::default()).unwrap());
    let shown = both.encode_text();
    assert!(shown.contains("http_request_duration_seconds_count{method=\"GET\""), "{shown}");
    assert!(!shown.contains("TYPE http_server_request_duration_seconds"), "{shown}");
    let metrics = push(&both);
    let told = |metric: &&Metric| metric.name == "http.server.request.duration";
    assert_eq!(metrics.iter().filter(told).count(), 1, "{metrics:?}");
    let with_status = [
        &["http.request.method=GET", "url.scheme=http", "http.response.status_code=404 (int)"][..],
        &[
            "http.request.method=GET",
            "url.scheme=http",
            "http.route=/orders/{id}",
            "http.response.status_code=200 (int)",
        ],
    ];
    assert_eq!(points(&metric(&metrics, "http.server.request.duration")), with_status);

    let conventions = Registry::new();
    requests(&ServerMetrics::semantic_conventions(&conventions, Buckets::default()).unwrap());
    let metrics = push(&conventions);
    let duration = metric(&metrics, "http.server.request.duration");
    assert_eq!(points(&duration), with_status);
    let prefixed = Registry::builder().prefix("shop").build().unwrap();
    requests(&ServerMetrics::semantic_conventions(&prefixed, Buckets::default()).unwrap());
    assert!(prefixed.encode_text().contains("shop_http_server_request_duration_seconds_count"));
    let told = metric(&push(&prefixed), "http.server.request.duration");
    assert_eq!(points(&told), with_status, "the prefix is Prometheus' alone");
    let active = metric(&metrics, "http.server.active_requests");
    assert_eq!(active.unit, "{request}");
    let Some(Data::Sum(sum)) = &active.data else { panic!("{active:?}") };
    assert!(!sum.is_monotonic && sum.aggregation_temporality == 2);

    let client = Registry::new();
    let sent = ClientMetrics::new(&client, Buckets::default()).unwrap();
    for (uri, status) in [("http://orders:8002/7", Some(404)), ("/no/address", None)] {
        let mut head = http::Request::get(uri).body(()).unwrap().into_parts().0;
        let exchange = sent.begin(&mut head, None);
        exchange.end(&End {
            outcome: if status.is_some() { Outcome::Completed } else { Outcome::Failed },
            method: http::Method::GET,
            route: Route::UNMATCHED,
            status: status.and_then(|status| http::StatusCode::from_u16(status).ok()),
            grpc_status: None,
            duration: Duration::from_millis(20),
            response_bytes: 0,
        });
    }
    let duration = metric(&push(&client), "http.client.request.duration");
    assert_eq!(duration.unit, "s");
    let expected = [
        &["http.request.method=GET", "error.type=error"][..],
        &[
            "http.request.method=GET",
            "server.address=orders",
            "server.port=8002 (int)",
            "http.response.status_code=404 (int)",
            "error.type=404",
        ],
    ];
    assert_eq!(points(&duration), expected);

    let database = Registry::new();
    let queries = DbMetrics::new(&database, DbMetrics::buckets()).unwrap();
    let select = Operation { system: "sqlite", name: "SELECT", ..Operation::default() };
    queries.observe(&select, Duration::from_millis(3));
    let duration = metric(&push(&database), "db.client.operation.duration");
    assert_eq!(duration.unit, "s");
    assert_eq!(points(&duration), [["db.system.name=sqlite", "db.operation.name=SELECT"]]);

    // Another metric of that name is the application's own.
    let own = Registry::new();
    let times =
        own.histogram_vec("http_request_duration_seconds", "x", ["path"], Buckets::default());
    times.unwrap().with(["<unmatched>"]).observe(0.1);
    let kept = metric(&push(&own), "http_request_duration_seconds");
    assert_eq!(points(&kept), [["path=<unmatched>"]]);
}
