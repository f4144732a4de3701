//! Sentry's protocol on the wire: what leaves, what never does, and receivers that misbehave.
#![cfg(feature = "sentry")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::builder;
use obs_context::{ActiveSpan, RequestId, SpanId, TraceId, set_active_span};
use obs_errors::{Builder, Flushed};
use serde_json::Value;
use tracing::{error, info};

/// What was posted: head and body.
type Posted = (String, String);

/// A receiver that gives each connection its next answer; the last one again and again. An empty one is a
/// connection that is closed.
fn receiver(answers: Vec<&'static str>) -> (String, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://public@{}/42", listener.local_addr().unwrap());
    let (send, posted) = channel();
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        let mut answer = answers.next().unwrap();
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(received) = read(&stream) else { continue };
            let _dropped_by_a_test_that_is_over = send.send(received);
            let _closed_by_the_other_side = (&stream).write_all(answer.as_bytes());
            answer = answers.next().unwrap_or(answer);
        }
    });
    (dsn, posted)
}

fn read(stream: &TcpStream) -> Option<Posted> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1)?.lines().next()?.trim().parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// The event of an envelope: its third line.
fn event(body: &str) -> Value {
    serde_json::from_str(body.lines().nth(2).unwrap()).unwrap()
}

fn flush_after(builder: Builder, work: impl FnOnce()) -> Flushed {
    let (layer, errors) = builder.build().unwrap();
    tracing::dispatcher::with_default(&common::dispatch(layer), work);
    errors.flush(Duration::from_secs(60))
}

#[test]
fn envelope_has_all_ids_linking_error() {
    let (dsn, posted) = receiver(vec![FINE]);
    let builder = Builder::new("orders").environment(move |name| match name {
        "SENTRY_DSN" => Some(dsn.clone()),
        "SENTRY_ENVIRONMENT" => Some("staging".into()),
        "SENTRY_RELEASE" => Some("orders@1.2.3".into()),
        _ => None,
    });
    let request_id = RequestId::mint();
    let flushed = flush_after(builder, || {
        let _request = request_id.enter();
        let (trace_id, span_id) = (TraceId::new(0xabc), SpanId::new(0xdef));
        set_active_span(Some(ActiveSpan {
            trace_id,
            span_id,
            sampled: true,
            name: "work",
            route: None,
        }));
        info!(step = 1, "first");
        let failed = std::io::Error::other("disk on fire");
        error!(error = &failed as &dyn std::error::Error, order = 17, "no order");
        set_active_span(None);
    });
    assert_eq!((flushed.delivered, flushed.lost, flushed.unknown), (1, 0, 0));
    let (head, body) = posted.recv().unwrap();
    assert!(head.starts_with("post /api/42/envelope/ http/1.1"), "{head}");
    assert!(head.contains("x-sentry-auth: sentry sentry_key=public"), "{head}");
    assert!(head.contains("content-type: application/x-sentry-envelope"), "{head}");
    assert!(head.contains("user-agent: obs-errors/"), "{head}");
    let header: Value = serde_json::from_str(body.lines().next().unwrap()).unwrap();
    let event = event(&body);
    assert_eq!(header["event_id"].as_str().unwrap().replace('-', ""), event["event_id"]);
    for (path, wanted) in [
        ("/environment", "staging"),
        ("/release", "orders@1.2.3"),
        ("/logentry/message", "no order"),
        ("/contexts/trace/trace_id", "00000000000000000000000000000abc"),
        ("/contexts/trace/span_id", "0000000000000def"),
        ("/tags/service", "orders"),
        ("/tags/trace_id", "00000000000000000000000000000abc"),
        ("/exception/values/0/type", "std::io::Error"),
        ("/exception/values/0/value", "disk on fire"),
        ("/breadcrumbs/values/0/message", "first"),
    ] {
        assert_eq!(event.pointer(path).unwrap_or(&Value::Null), wanted, "{path} of {event:#}");
    }
    assert_eq!(event["extra"]["order"], 17);
    assert_eq!(event["tags"]["request_id"], request_id.to_string());
    let frames =
        event.pointer("/exception/values/0/stacktrace/frames").unwrap().as_array().unwrap();
    let innermost = frames.last().unwrap();
    assert_eq!(innermost["in_app"], true, "{frames:#?}");
    assert!(innermost["context_line"].is_string(), "{innermost:#}");
}

#[test]
fn misbehaving_receiver_loses_counted_reports_only() {
    let answer = |status: &str, more: &str| {
        let text =
            format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n{more}\r\n");
        &*text.leak()
    };
    for (answers, reason, delivered) in [
        (vec![answer("413 Too Large", ""), FINE], "too_large", 1),
        (vec![answer("401 Unauthorized", ""), FINE], "refused", 1),
        (vec![answer("302 Found", "location: http://127.0.0.1:1/\r\n"), FINE], "refused", 1),
        (vec![answer("500 Oh", ""), FINE], "unreachable", 1),
        (vec![answer("429 Slow", "retry-after: 3600\r\n"), FINE], "rate_limited", 0),
        (vec!["garbage\r\n\r\n", "garbage\r\n\r\n", FINE], "unreachable", 1),
        (vec!["HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n]}{{\u{7}"], "", 2),
    ] {
        let (dsn, posted) = receiver(answers);
        let (layer, errors) = builder().dsn(dsn).build().unwrap();
        tracing::dispatcher::with_default(&common::dispatch(layer), || {
            error!("first");
            assert!(errors.flush(Duration::from_secs(60)).complete());
            error!("second");
        });
        let flushed = errors.flush(Duration::from_secs(60));
        assert_eq!((flushed.delivered, flushed.unknown), (delivered, 0), "{reason}");
        let mut lost = Vec::new();
        errors.source().collect(&mut |sample| {
            if sample.name == "obs_errors_dropped_total" && sample.value > 0.0 {
                lost.push((sample.labels[0].1.to_owned(), sample.value as u64));
            }
        });
        let wanted =
            if reason.is_empty() { vec![] } else { vec![(reason.to_owned(), 2 - delivered)] };
        assert_eq!(lost, wanted);
        drop(posted);
    }
}

#[test]
fn hanging_receiver_blocks_neither_callers_nor_shutdown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://public@{}/42", listener.local_addr().unwrap());
    let (layer, errors) = builder().limit(5000, Duration::from_secs(1)).dsn(dsn).build().unwrap();
    let begun = Instant::now();
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        for _ in 0..2000 {
            error!("it failed");
        }
    });
    let closed = errors.shutdown(Duration::from_millis(100));
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(closed.delivered + closed.lost + closed.unknown, 2000, "{closed:?}");
    assert_eq!((closed.delivered, closed.unknown), (0, 1));
}

#[test]
fn invalid_setting_is_error_with_remedy_and_without_key() {
    for (name, value) in [
        ("SENTRY_DSN", "hunter2"),
        ("SENTRY_DSN", "https://sentry.example.com/hunter2"),
        ("SENTRY_DSN", "ftp://hunter2@sentry.example.com/42"),
        ("SENTRY_DSN", "https://hunter2@sentry.example.com"),
        ("SENTRY_SAMPLE_RATE", "hunter2"),
        ("SENTRY_SAMPLE_RATE", "1.5"),
        ("SENTRY_SAMPLE_RATE", "NaN"),
    ] {
        let built = Builder::new("orders")
            .environment(move |asked| (asked == name).then(|| value.to_owned()))
            .build();
        let error = built.map(drop).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("give "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let empty = Builder::new("orders").environment(|_| Some(String::new())).build();
    assert!(empty.is_ok(), "an empty DSN is none");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

    /// Whatever a secret is, and however deep its field lies.
    #[test]
    fn reports_contain_no_secrets(
        secret in "[a-zA-Z0-9\"\\\\\u{1d}\u{1f}]{8,20}x7",
        name in proptest::sample::select(vec!["Password", "api_key", "AUTHORIZATION", "set-cookie", "token"]),
    ) {
        let (dsn, posted) = receiver(vec![FINE]);
        let nested = serde_json::json!({"a": [{name: secret}], "list": [[{"deep": {name: [secret]}}]]});
        let nested = nested.to_string();
        let (layer, errors) = builder().redact(["card"]).dsn(dsn).build().unwrap();
        tracing::dispatcher::with_default(&common::dispatch(layer), || {
            let _request = RequestId::mint().enter();
            info!(password = %secret, user.token = secret, body = %nested, card = secret, "crumb");
            error!(password = ?secret, user.token = %secret, body = nested, card = %secret, "failed");
        });
        proptest::prop_assert_eq!(errors.flush(Duration::from_secs(60)).delivered, 1);
        let (head, body) = posted.recv().unwrap();
        let bare = secret.trim_matches(|sign: char| !sign.is_ascii_alphanumeric());
        let longest = bare.split(|sign: char| !sign.is_ascii_alphanumeric()).max_by_key(|part| part.len());
        let part = longest.unwrap();
        // Short parts may stand anywhere by chance.
        if part.len() >= 6 {
            proptest::prop_assert!(!body.contains(part), "{} in {}", part, body);
        }
        proptest::prop_assert!(!head.contains(bare));
    }
}
