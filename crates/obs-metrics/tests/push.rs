//! The push over OTLP, read by the official messages.
#![cfg(feature = "otlp-push")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use obs_metrics::{Buckets, Push, Registry};
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

#[test]
fn a_push_is_what_the_official_messages_say() {
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
    assert_eq!(pusher.counts(), (1, 0));

    let (head, body) = received.recv_timeout(LONG).unwrap();
    assert!(head.starts_with("post /v1/metrics ") && head.contains("authorization: bearer t"));
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let request = ExportMetricsServiceRequest::decode(&body[..]).unwrap();
    let resource = &request.resource_metrics[0];
    assert_eq!(resource.resource.as_ref().unwrap().attributes[0].key, "service.name");
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
fn pushes_come_by_themselves() {
    let (url, received) = collector("200 OK");
    let push = Push::new(url).interval(Duration::from_millis(5));
    let pusher = push.start(&Registry::new()).unwrap();
    assert!(received.recv_timeout(LONG).is_ok() && received.recv_timeout(LONG).is_ok());
    drop(pusher);
}

#[test]
fn a_push_that_fails_is_counted() {
    let registry = Registry::new();
    let (url, _received) = collector("503 Service Unavailable");
    let pusher = Push::new(url).start(&registry).unwrap();
    assert!(!pusher.flush(LONG));
    assert_eq!(pusher.counts(), (0, 1));
    let failed = [("result", "failed")];
    let shown = obs_metrics::testing::sample(&registry, "obs_metrics_pushes_total", &failed);
    assert_eq!(shown, Some(1.0));
}

#[test]
fn a_collector_that_never_answers_delays_a_flush_no_longer_than_its_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let pusher = Push::new(url).timeout(LONG).start(&Registry::new()).unwrap();
    assert!(!pusher.shutdown(Duration::from_millis(50)));
    assert_eq!(pusher.counts(), (0, 0));
}

#[test]
fn an_endpoint_that_cannot_be_pushed_to_is_refused() {
    for endpoint in ["", "127.0.0.1:4318", "ftp://collector/", "http:///x"] {
        let error = Push::new(endpoint).start(&Registry::new()).unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains("give a URL"), "{error}");
    }
}

#[test]
fn a_header_that_cannot_be_sent_is_refused_without_telling_it() {
    for (name, value) in [("a b", "secret"), ("authorization", "secret\r\nx: y"), ("", "secret")] {
        let push = Push::new("http://127.0.0.1:4318/v1/metrics").header(name, value);
        let error = push.start(&Registry::new()).unwrap_err();
        assert!(error.is_invalid() && !error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn https_needs_its_feature() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/v1/metrics", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let started = Push::new(url).start(&Registry::new());
    match cfg!(feature = "otlp-tls") {
        // Whoever does not speak TLS gets nothing.
        true => {
            let pusher = started.unwrap();
            assert!(!pusher.flush(LONG));
            assert_eq!(pusher.counts(), (0, 1));
        }
        false => assert!(started.unwrap_err().to_string().contains("`otlp-tls`")),
    }
}

#[cfg(feature = "gzip")]
#[test]
fn a_push_may_be_compressed() {
    let (url, received) = collector("200 OK");
    let registry = Registry::new();
    registry.counter("orders_total", "Orders.").unwrap().inc();
    let pusher = Push::new(url).gzip().start(&registry).unwrap();
    assert!(pusher.flush(LONG));
    let (head, body) = received.recv_timeout(LONG).unwrap();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
    let request = ExportMetricsServiceRequest::decode(&plain[..]).unwrap();
    assert_eq!(request.resource_metrics.len(), 1);
}

#[test]
fn only_success_counts_as_delivered() {
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
        let pusher = Push::new(url).start(&Registry::new()).unwrap();
        assert_eq!(pusher.flush(LONG), is_delivered, "{status}");
        assert_eq!(
            pusher.counts(),
            (u64::from(is_delivered), u64::from(!is_delivered)),
            "{status}"
        );
        assert!(
            received.recv_timeout(LONG).unwrap().0.starts_with("post /v1/metrics "),
            "{status}"
        );
        assert!(received.try_recv().is_err(), "{status}: no redirect is followed");
    }
}

#[test]
fn durations_without_an_end_are_taken() {
    let (url, received) = collector("200 OK");
    let push = Push::new(url).interval(Duration::MAX).timeout(Duration::MAX);
    let pusher = push.start(&Registry::new()).unwrap();
    assert!(pusher.flush(Duration::MAX));
    assert!(received.recv_timeout(LONG).is_ok());
    assert!(pusher.shutdown(Duration::MAX));
    let family = Registry::new().counter_vec("a_total", "A.", ["x"]).unwrap();
    family.expire_after(Duration::MAX).with(["a"]).inc();
}
