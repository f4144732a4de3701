//! Whatever the collector does, every span is accounted for, to the last one.

#![cfg(feature = "otlp")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::collector::{Answer, Collector};
use obs_tracing::{Builder, Delivery, Protocol, TraceLayer, Traces};
use tracing::{Dispatch, info_span};
use tracing_subscriber::prelude::*;

/// Less than retries would go on for.
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Nothing is exported by the clock, so that flushes tell of all that they delivered.
fn to(endpoint: String) -> Builder {
    Builder::new("test").endpoint(endpoint).delay(Duration::from_secs(60))
}

fn spans(layer: TraceLayer, count: u64) {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for _ in 0..count {
            info_span!("work").in_scope(|| {});
        }
    });
}

/// What must hold when everything has ended.
#[track_caller]
fn settled(traces: &Traces, exported: u64, dropped: u64) {
    let counts = traces.counts();
    assert_eq!((counts.exported, counts.dropped), (exported, dropped), "{counts:?}");
    assert_eq!(counts.started, counts.exported + counts.dropped + counts.sampled_out);
    assert_eq!(counts.in_flight(), 0);
}

/// Shuts down in this time, or soon after it where the machine is too busy to let the export thread have the
/// last word.
fn shut_down(traces: &Traces, at_most: Duration) -> Delivery {
    let (before, began) = (traces.counts(), Instant::now());
    let first = traces.shutdown(at_most);
    assert!(began.elapsed() < at_most + WAIT_TIMEOUT, "{:?}", began.elapsed());
    let complete = first.complete || traces.shutdown(WAIT_TIMEOUT).complete;
    let after = traces.counts();
    let (delivered, lost) = (after.exported - before.exported, after.dropped - before.dropped);
    Delivery { delivered, lost, unknown: after.unknown - before.unknown, complete }
}

fn refused_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn spans_are_delivered_over_grpc_and_http() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let collector = Collector::default();
        let server = match protocol {
            Protocol::Grpc => collector.grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => collector.http(),
        };
        let builder = to(server.endpoint()).protocol(protocol).header("x-tenant", "seven");
        let (layer, traces) = builder.build().unwrap();
        spans(layer, 1000);
        let delivery = traces.flush(WAIT_TIMEOUT);
        assert_eq!(delivery, Delivery { delivered: 1000, lost: 0, unknown: 0, complete: true });
        assert_eq!(collector.accepted(), 1000);
        let seen = collector.seen();
        assert!(seen[0].headers.contains(&("x-tenant".to_owned(), "seven".to_owned())));
        if protocol == Protocol::HttpProtobuf {
            assert_eq!(seen[0].path, "/v1/traces");
        }
        let resource = collector.requests()[0].resource_spans[0].resource.clone().unwrap();
        assert!(resource.attributes.iter().any(|known| known.key == "service.name"));
        assert!(traces.counts().exported_bytes > 1000 * 60);
        settled(&traces, 1000, 0);
    }
}

#[cfg(feature = "gzip")]
#[test]
fn requests_are_compressed() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let collector = Collector::default();
        let server = match protocol {
            Protocol::Grpc => collector.grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => collector.http(),
        };
        let builder = to(server.endpoint()).protocol(protocol);
        let (layer, traces) = builder.compression(obs_tracing::Compression::Gzip).build().unwrap();
        spans(layer, 500);
        assert_eq!(traces.flush(WAIT_TIMEOUT).delivered, 500);
        assert!(traces.counts().exported_bytes < 500 * 60);
        assert_eq!(collector.accepted(), 500);
    }
}

#[test]
fn refused_port_loses_spans_and_warns() {
    let (layer, traces) = to(refused_port()).build().unwrap();
    spans(layer, 10_000);
    let flushed = traces.flush(Duration::from_millis(300));
    assert_eq!(flushed, Delivery { delivered: 0, lost: 0, unknown: 0, complete: false });
    let delivery = shut_down(&traces, Duration::from_secs(3));
    assert_eq!(delivery, Delivery { delivered: 0, lost: 10_000, unknown: 0, complete: true });
    assert!(traces.counts().export_failures > 0);
    settled(&traces, 0, 10_000);
}

#[test]
fn refused_port_is_given_up_after_retries() {
    let builder = to(refused_port()).retry_for(Duration::from_millis(500));
    let (layer, traces) = builder.build().unwrap();
    spans(layer, 100);
    let delivery = traces.flush(WAIT_TIMEOUT);
    assert_eq!(delivery, Delivery { delivered: 0, lost: 100, unknown: 0, complete: true });
    settled(&traces, 0, 100);
}

#[test]
fn shutdown_with_hanging_collector_keeps_deadline() {
    for answers in [vec![Answer::Hang; 100], vec![]] {
        let collector = Collector::answering(answers.clone());
        let server = collector.grpc();
        // Once it accepts connections and requests; once nobody accepts connections at all.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = match answers.len() {
            0 => format!("http://{}", silent.local_addr().unwrap()),
            _ => server.endpoint(),
        };
        let (layer, traces) = to(endpoint).build().unwrap();
        spans(layer, 5000);
        let delivery = shut_down(&traces, Duration::from_secs(2));
        let Delivery { delivered, lost, unknown, complete } = delivery;
        assert_eq!((delivered, lost, complete), (0, 5000, true));
        // The first request was under way, and no other was begun.
        assert!((1..=2048).contains(&unknown), "{unknown}");
        settled(&traces, 0, 5000);
    }
}

#[test]
fn unresolvable_host_loses_spans() {
    let (layer, traces) = to("http://collector.invalid:4317".to_owned()).build().unwrap();
    spans(layer, 50);
    let delivery = shut_down(&traces, Duration::from_secs(3));
    assert_eq!(delivery, Delivery { delivered: 0, lost: 50, unknown: 0, complete: true });
    settled(&traces, 0, 50);
}

#[test]
fn hanging_attempt_is_retried() {
    let collector = Collector::answering([Answer::Hang]);
    let server = collector.http();
    let builder = to(server.endpoint()).protocol(Protocol::HttpProtobuf);
    let (layer, traces) = builder.timeout(Duration::from_millis(300)).build().unwrap();
    spans(layer, 10);
    let delivery = traces.flush(WAIT_TIMEOUT);
    assert_eq!(delivery, Delivery { delivered: 10, lost: 0, unknown: 0, complete: true });
    assert!(traces.counts().export_failures >= 1);
    settled(&traces, 10, 0);
}

#[test]
fn slow_collector_loses_nothing() {
    let collector = Collector::answering(vec![Answer::Late(Duration::from_millis(100)); 5]);
    let server = collector.grpc();
    let (layer, traces) = to(server.endpoint()).batch_size(256).build().unwrap();
    spans(layer, 2000);
    let delivery = traces.shutdown(WAIT_TIMEOUT);
    assert!(delivery.complete && delivery.lost == 0, "{delivery:?}");
    assert_eq!(collector.accepted(), 2000);
    settled(&traces, 2000, 0);
}

#[test]
fn full_queue_drops_and_counts() {
    let collector = Collector::answering([Answer::Late(Duration::from_secs(2))]);
    let server = collector.grpc();
    let builder = to(server.endpoint()).queue_size(1000).batch_size(100);
    let (layer, traces) = builder.build().unwrap();
    spans(layer, 20_000);
    let delivery = traces.shutdown(WAIT_TIMEOUT);
    let counts = traces.counts();
    assert!(delivery.complete);
    assert!(counts.dropped > 0, "{counts:?}");
    assert_eq!(counts.exported, collector.accepted());
    settled(&traces, counts.exported, 20_000 - counts.exported);
}

#[test]
fn only_retryable_answers_are_retried() {
    let retried = |protocol, answer: Answer| {
        let collector = Collector::answering([answer]);
        let server = match protocol {
            Protocol::Grpc => collector.grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => collector.http(),
        };
        let (layer, traces) = to(server.endpoint()).protocol(protocol).build().unwrap();
        spans(layer, 3);
        let delivery = traces.flush(WAIT_TIMEOUT);
        assert!(delivery.complete);
        assert_eq!(delivery.delivered + delivery.lost, 3);
        assert_eq!(traces.counts().export_failures, 1);
        settled(&traces, delivery.delivered, delivery.lost);
        delivery.delivered == 3
    };
    let soon = Some(Duration::from_millis(10));
    for code in 1..17 {
        let expected = matches!(code, 1 | 4 | 10 | 11 | 14 | 15);
        assert_eq!(retried(Protocol::Grpc, Answer::Grpc(code, None)), expected, "gRPC {code}");
    }
    assert!(retried(Protocol::Grpc, Answer::Grpc(8, soon)));
    for status in [400, 401, 403, 404, 413, 429, 500, 501, 502, 503, 504] {
        let expected = matches!(status, 429 | 502 | 503 | 504);
        let protocol = Protocol::HttpProtobuf;
        assert_eq!(retried(protocol, Answer::Http(status, None)), expected, "HTTP {status}");
    }
}

#[test]
fn retry_after_of_collector_is_kept() {
    for (protocol, answer) in [
        (Protocol::HttpProtobuf, Answer::Http(429, Some(1))),
        (Protocol::Grpc, Answer::Grpc(14, Some(Duration::from_millis(1000)))),
    ] {
        let collector = Collector::answering([answer]);
        let server = match protocol {
            Protocol::Grpc => collector.grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => collector.http(),
        };
        let (layer, traces) = to(server.endpoint()).protocol(protocol).build().unwrap();
        spans(layer, 3);
        assert_eq!(traces.flush(WAIT_TIMEOUT).delivered, 3);
        let seen = collector.seen();
        assert_eq!(seen.len(), 2);
        assert!(seen[1].at - seen[0].at >= Duration::from_millis(990));
    }
}

#[test]
fn partial_rejections_are_counted() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let collector = Collector::answering([Answer::Partial(4)]);
        let server = match protocol {
            Protocol::Grpc => collector.grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => collector.http(),
        };
        let (layer, traces) = to(server.endpoint()).protocol(protocol).build().unwrap();
        spans(layer, 10);
        let delivery = traces.flush(WAIT_TIMEOUT);
        assert_eq!(delivery, Delivery { delivered: 6, lost: 4, unknown: 0, complete: true });
        assert_eq!(traces.counts().rejected, 4);
        settled(&traces, 6, 4);
    }
}

#[test]
fn restarted_collector_receives_spans_again() {
    let collector = Collector::default();
    let server = collector.grpc();
    let address = server.address;
    let (layer, traces) = to(server.endpoint()).build().unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let work = |count| {
        tracing::dispatcher::with_default(&dispatch, || {
            (0..count).for_each(|_| info_span!("work").in_scope(|| {}));
        });
    };
    work(300);
    assert_eq!(traces.flush(WAIT_TIMEOUT).delivered, 300);
    drop(server);
    while TcpStream::connect(address).is_ok() {
        std::thread::sleep(Duration::from_millis(10));
    }
    work(500);
    assert!(!traces.flush(Duration::from_millis(200)).complete);
    let again = Collector::default();
    let _server = again.grpc_on(address);
    let delivery = traces.flush(WAIT_TIMEOUT);
    assert_eq!(delivery, Delivery { delivered: 500, lost: 0, unknown: 0, complete: true });
    assert_eq!(again.accepted(), 500);
    settled(&traces, 800, 0);
}

#[test]
fn spans_ending_after_shutdown_are_counted() {
    let collector = Collector::default();
    let server = collector.grpc();
    let (layer, traces) = to(server.endpoint()).build().unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        let open = info_span!("open");
        info_span!("done").in_scope(|| {});
        let delivery = traces.shutdown(WAIT_TIMEOUT);
        assert_eq!(delivery, Delivery { delivered: 1, lost: 0, unknown: 0, complete: true });
        assert_eq!(traces.counts().in_flight(), 1);
        drop(open);
        (0..100).for_each(|_| info_span!("late").in_scope(|| {}));
    });
    // What this thread still kept for itself is handed over, and refused.
    let again = traces.shutdown(WAIT_TIMEOUT);
    assert!(again.complete && again.delivered == 0 && again.lost < 64, "{again:?}");
    settled(&traces, 1, 101);
}

#[test]
fn drop_in_current_thread_runtime_delivers() {
    let collector = Collector::default();
    let server = collector.grpc();
    let (layer, traces) = to(server.endpoint()).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        spans(layer, 10);
        drop(traces); // in the middle of a runtime without a clock or network
    });
    assert_eq!(collector.accepted(), 10);
}

#[test]
fn dropping_handle_delivers_within_drop_timeout() {
    let (layer, traces) = to(refused_port()).build().unwrap();
    spans(layer, 10);
    let began = Instant::now();
    drop(traces);
    assert!(began.elapsed() < WAIT_TIMEOUT);
}

#[test]
fn short_lived_threads_lose_nothing() {
    let collector = Collector::default();
    let server = collector.grpc();
    let (layer, traces) = to(server.endpoint()).build().unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    for _ in 0..50 {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let dispatch = dispatch.clone();
                std::thread::spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        let outer = info_span!("outer");
                        (0..4).for_each(|_| outer.in_scope(|| info_span!("inner").in_scope(|| {})));
                    });
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
    let delivery = traces.shutdown(WAIT_TIMEOUT);
    assert!(delivery.complete && delivery.lost == 0, "{delivery:?}");
    assert_eq!(collector.accepted(), 2000);
    settled(&traces, 2000, 0);
}

#[test]
fn default_settings_deliver_33_000_spans_per_second() {
    let collector = Collector::default();
    let server = collector.grpc();
    let (layer, traces) = Builder::new("test").endpoint(server.endpoint()).build().unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        for _ in 0..200 {
            let next = Instant::now() + Duration::from_millis(10);
            (0..110).for_each(|_| {
                info_span!("outer", order.id = 17).in_scope(|| {
                    info_span!("middle").in_scope(|| info_span!("inner").in_scope(|| {}));
                });
            });
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            // Where other work keeps the collector's threads from running, fewer a second have to do.
            while traces.counts().in_flight() > 16_000 {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    });
    let delivery = traces.shutdown(WAIT_TIMEOUT);
    assert!(delivery.complete, "{delivery:?}");
    assert_eq!(collector.accepted(), 66_000);
    settled(&traces, 66_000, 0);
}

#[test]
fn overflowing_retry_after_loses_one_request_only() {
    // The backoffs before it add up to more than a second: the sum of both overflows.
    let mut answers = vec![Answer::Http(503, None); 5];
    answers.push(Answer::Http(503, Some(u64::MAX)));
    let collector = Collector::answering(answers);
    let server = collector.http();
    let builder = to(server.endpoint()).protocol(Protocol::HttpProtobuf);
    let (layer, traces) = builder.build().unwrap();
    let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let span = || tracing::dispatcher::with_default(&subscriber, || drop(info_span!("work")));
    span();
    let first = traces.flush(WAIT_TIMEOUT);
    assert_eq!(first, Delivery { delivered: 0, lost: 1, unknown: 0, complete: true });
    span();
    let second = traces.flush(WAIT_TIMEOUT);
    assert_eq!(second, Delivery { delivered: 1, lost: 0, unknown: 0, complete: true });
}

#[test]
fn longest_durations_of_all_settings_export() {
    let collector = Collector::default();
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let server = match protocol {
            Protocol::Grpc => collector.grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => collector.http(),
        };
        let builder = Builder::new("test").endpoint(server.endpoint()).protocol(protocol);
        let builder = builder.timeout(Duration::MAX).retry_for(Duration::MAX).delay(Duration::MAX);
        let tail = obs_tracing::Tail::errors().slower_than(Duration::MAX);
        let (layer, traces) = builder.tail(tail).build().unwrap();
        spans(layer, 3);
        let delivery = traces.flush(Duration::MAX);
        assert_eq!(delivery, Delivery { delivered: 3, lost: 0, unknown: 0, complete: true });
        assert!(traces.shutdown(Duration::MAX).complete);
    }
}
