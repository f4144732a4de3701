//! Records at a collector: a receiver in this process that decodes them with opentelemetry-proto.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![cfg(feature = "otlp")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use obs_context::{ActiveSpan, SpanId, TraceId, set_active_span};
use obs_logging::{Builder, Delivery, Logging, Otlp, Output, Protocol};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use tracing_subscriber::layer::SubscriberExt;

const LONG: Duration = Duration::from_secs(60);

/// Nobody listens on a port so low.
const CLOSED_PORT: &str = "http://127.0.0.1:1";

/// A collector whose first answers are scripted: `503`, `200 rejected`, ...
struct Collector {
    endpoint: String,
    requests: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let collector = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
            heads: Arc::default(),
        };
        let (requests, heads) = (collector.requests.clone(), collector.heads.clone());
        let answers = Arc::new(Mutex::new(answers.iter()));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (requests, heads, answers) = (requests.clone(), heads.clone(), answers.clone());
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some((head, body)) = read_request(&mut reader) {
                        let answer = answers.lock().unwrap().next().copied().unwrap_or("200 OK");
                        let said: &[u8] = match answer {
                            "200 rejected" => &[0x0a, 0x02, 0x08, 0x01],
                            _ => b"",
                        };
                        if answer.starts_with("200") {
                            let body = match head.contains("content-encoding: gzip") {
                                true => unzipped(&body),
                                false => body,
                            };
                            let request = ExportLogsServiceRequest::decode(&*body).unwrap();
                            requests.lock().unwrap().push(request);
                        }
                        heads.lock().unwrap().push(head);
                        respond(reader.get_mut(), answer, said);
                    }
                });
            }
        });
        collector
    }

    fn records(&self) -> Vec<LogRecord> {
        let requests = self.requests.lock().unwrap();
        let scopes = requests.iter().flat_map(|request| &request.resource_logs);
        let scopes = scopes.flat_map(|logs| &logs.scope_logs);
        scopes.flat_map(|scope| scope.log_records.clone()).collect()
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
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
    Some((head, body))
}

fn unzipped(body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut all).unwrap();
    all
}

fn respond(stream: &mut TcpStream, answer: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {answer}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
}

/// Plain HTTP, whatever the port.
fn to(endpoint: &str) -> Otlp {
    Otlp::new(endpoint).protocol(Protocol::HttpProtobuf)
}

fn logged(otlp: Otlp, work: impl FnOnce()) -> Logging {
    let builder = Builder::new().filter("trace").output(Output::otlp(otlp));
    let (layer, logging) = builder.build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
    logging
}

fn attribute(record: &LogRecord, key: &str) -> Option<Value> {
    let attribute = record.attributes.iter().find(|attribute| attribute.key == key)?;
    attribute.value.clone()?.value
}

#[test]
fn record_has_all_line_fields() {
    let collector = Collector::start(&[]);
    let otlp = to(&collector.endpoint)
        .resource("service.name", "orders")
        .header("authorization", "Bearer token");
    let logging = logged(otlp, || {
        set_active_span(Some(ActiveSpan {
            trace_id: TraceId::new(0xabc),
            span_id: SpanId::new(0xdef),
            sampled: true,
            name: "request",
            route: None,
        }));
        let span = tracing::info_span!("request", request_id = "r-1");
        span.in_scope(|| {
            tracing::warn!(target: "db", rows = 4, ratio = 0.5, ok = true, big = u64::MAX, "done");
        });
        set_active_span(None);
        let error = std::io::Error::other(std::fmt::Error);
        tracing::error!(error = &error as &dyn std::error::Error, "failed \"here\"\n");
    });
    assert!(logging.shutdown(LONG).complete);
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (2, 2, 0));

    let records = collector.records();
    let first = &records[0];
    assert_eq!(first.trace_id, TraceId::new(0xabc).get().to_be_bytes());
    assert_eq!(first.span_id, SpanId::new(0xdef).get().to_be_bytes());
    assert_eq!((first.severity_number, first.severity_text.as_str()), (13, "warn"));
    assert_eq!(first.body.clone().unwrap().value, Some(Value::StringValue("done".into())));
    assert!(first.time_unix_nano > 1_700_000_000_000_000_000);
    assert_eq!(first.observed_time_unix_nano, first.time_unix_nano);
    let expected = [
        ("obs.target", Value::StringValue("db".into())),
        ("obs.request.id", Value::StringValue("r-1".into())),
        ("rows", Value::IntValue(4)),
        ("ratio", Value::DoubleValue(0.5)),
        ("ok", Value::BoolValue(true)),
        ("big", Value::StringValue(u64::MAX.to_string())),
    ];
    for (key, value) in expected {
        assert_eq!(attribute(first, key), Some(value), "{key}");
    }
    let second = &records[1];
    assert!(second.trace_id.is_empty() && second.severity_number == 17);
    let body = second.body.clone().unwrap().value;
    assert_eq!(body, Some(Value::StringValue("failed \"here\"\n".into())));
    let message = attribute(second, "exception.message").unwrap();
    assert!(matches!(message, Value::StringValue(text) if text.contains("formatting")));

    let requests = collector.requests.lock().unwrap();
    let resource = requests[0].resource_logs[0].resource.clone().unwrap();
    let name = resource.attributes.iter().find(|known| known.key == "service.name").unwrap();
    assert!(format!("{name:?}").contains("\"orders\""), "{name:?}");
    let head = &collector.heads.lock().unwrap()[0];
    assert!(head.starts_with("post /v1/logs "), "{head}");
    assert!(head.contains("authorization: bearer token"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
}

#[test]
fn record_attributes_follow_semantic_conventions() {
    let collector = Collector::start(&[]);
    let logging = logged(to(&collector.endpoint), || {
        let request = obs_logging::Context::new();
        request.bind("request_id", "r-1");
        request.bind("method", "GET");
        request.bind("path", "/orders/7");
        let entered = request.enter();
        tracing::info!(target: "access", status = 200, response_bytes = 5, outcome = "x", "request");
        tracing::info!(status = "shipped", outcome = "x", "an application's own words");
        tracing::warn!(target: "obs_health::x", took_ms = 5, "of ours");
        let told = "no order\n\nStack backtrace:\n0: main";
        tracing::error!(error = %told, "with a backtrace");
        drop(entered);
        tracing::error!(
            target: "panic",
            location = "src/main.rs:17:5",
            thread = "worker",
            backtrace = "0: main",
            "it broke"
        );
        tracing::info!(path = "/etc/orders", method = "lpr", "outside of a request");
    });
    assert!(logging.shutdown(LONG).complete);
    let text = |text: &str| Value::StringValue(text.into());
    let context = [
        ("http.request.method", text("GET")),
        ("url.path", text("/orders/7")),
        ("obs.request.id", text("r-1")),
    ];
    let expected: [&[(&str, Value)]; 6] = [
        &[
            ("http.response.status_code", Value::IntValue(200)),
            ("http.response.body.size", Value::IntValue(5)),
            ("obs.http.outcome", text("x")),
        ],
        &[("status", text("shipped")), ("outcome", text("x"))],
        &[("obs.took_ms", Value::IntValue(5))],
        &[("exception.message", text("no order")), ("exception.stacktrace", text("0: main"))],
        &[
            ("code.file.path", text("src/main.rs")),
            ("code.line.number", Value::IntValue(17)),
            ("code.column.number", Value::IntValue(5)),
            ("thread.name", text("worker")),
            ("exception.stacktrace", text("0: main")),
        ],
        &[("path", text("/etc/orders")), ("method", text("lpr"))],
    ];
    let records = collector.records();
    assert_eq!(records.len(), expected.len());
    for (at, (record, own)) in records.iter().zip(expected).enumerate() {
        let context = if at < 4 { &context[..] } else { &[] };
        for (key, value) in own.iter().chain(context) {
            assert_eq!(attribute(record, key).as_ref(), Some(value), "{key} of {at}: {record:?}");
        }
        assert_eq!(record.attributes.len(), own.len() + context.len() + 1, "{record:?}");
    }
}

#[test]
fn busy_collector_is_retried_and_rejections_are_counted() {
    let collector = Collector::start(&["503 Busy", "429 Slow down", "200 rejected"]);
    let otlp = to(&collector.endpoint);
    let logging = logged(otlp.clone(), || tracing::info!("once"));
    assert!(logging.shutdown(LONG).complete);
    assert_eq!(collector.records().len(), 1);
    assert_eq!(collector.heads.lock().unwrap().len(), 3);
    assert_eq!(otlp.rejected(), 1);
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (1, 0, 1), "refused is lost");

    let refusing = Collector::start(&["400 No"]);
    let logging = logged(to(&refusing.endpoint), || tracing::info!("never"));
    assert!(logging.shutdown(LONG).complete);
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (1, 0, 1));
    assert_eq!(refusing.heads.lock().unwrap().len(), 1);
}

#[cfg(feature = "gzip")]
#[test]
fn requests_are_compressed_when_configured() {
    let collector = Collector::start(&[]);
    let logging =
        logged(to(&collector.endpoint).compression(obs_logging::Compression::Gzip), || {
            (0..500).for_each(|number| tracing::info!(number, "many alike"));
        });
    assert!(logging.shutdown(LONG).complete);
    let records = collector.records();
    assert_eq!(records.len(), 500);
    assert_eq!(attribute(&records[499], "number"), Some(Value::IntValue(499)));
    let heads = collector.heads.lock().unwrap();
    assert!(heads.iter().all(|head| head.contains("content-encoding: gzip")), "{heads:?}");
}

#[test]
fn drop_after_shutdown_does_not_wait() {
    let otlp = Otlp::new(CLOSED_PORT).retry_for(Duration::from_secs(600));
    let logging = logged(otlp, || tracing::info!("never"));
    let begun = Instant::now();
    let _ = logging.shutdown(Duration::from_millis(50));
    let shutdown = begun.elapsed();
    drop(logging);
    assert!(begun.elapsed() - shutdown < Duration::from_secs(4), "it waited again");
}

#[test]
fn shutdown_without_collector_keeps_deadline_and_counts_lines() {
    let otlp = Otlp::new(CLOSED_PORT).retry_for(Duration::from_secs(600));
    let logging = logged(otlp, || (0..100).for_each(|number| tracing::info!(number)));
    let begun = Instant::now();
    let report = logging.shutdown(Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(60), "the retries are not waited for");
    // What was under way is in the account, too: at the latest when the writer's thread has had its word.
    while logging.counts().dropped < 100 && begun.elapsed() < LONG {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((logging.counts().emitted, logging.counts().dropped, report.written), (100, 100, 0));

    let quick = Otlp::new(CLOSED_PORT).retry_for(Duration::ZERO);
    let logging = logged(quick, || (0..100).for_each(|number| tracing::info!(number)));
    assert!(logging.shutdown(LONG).complete);
    assert_eq!((logging.counts().dropped, logging.counts().written), (100, 0));
}

#[test]
fn invalid_endpoint_or_delivery_is_rejected_at_build() {
    let refused = |builder: Builder| builder.build::<tracing_subscriber::Registry>().map(drop);
    for bad in ["localhost:4318", "ftp://host", "http://"] {
        let error = refused(Builder::new().output(Output::otlp(Otlp::new(bad)))).unwrap_err();
        let is_said = error.to_string().contains("give a URL such as http://127.0.0.1:4317");
        assert!(is_said, "{error}");
    }
    let blocking = Builder::new().delivery(Delivery::Blocking);
    let error = refused(blocking.output(Output::otlp(Otlp::new("http://h")))).unwrap_err();
    assert!(error.to_string().contains("NonBlocking"), "{error}");
}

#[test]
fn request_in_flight_at_deadline_is_counted_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (arrived, came) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut streams = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let _ = arrived.send(read_request(&mut reader).is_some());
            streams.push(reader); // never answered
        }
    });
    let logging = logged(to(&endpoint), || tracing::info!("under way"));
    assert!(came.recv_timeout(LONG).unwrap());
    let begun = Instant::now();
    let _ = logging.shutdown(Duration::from_secs(1));
    while logging.counts().dropped < 1 && begun.elapsed() < LONG {
        thread::sleep(Duration::from_millis(5));
    }
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped, counts.unknown), (1, 0, 1, 1));
}

#[test]
fn line_after_shutdown_is_dropped_and_counted() {
    let collector = Collector::start(&[]);
    let builder = Builder::new().output(Output::otlp(to(&collector.endpoint)));
    let (layer, logging) = builder.build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!("first");
        assert!(logging.shutdown(LONG).complete);
        tracing::info!("late");
    });
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (2, 1, 1));
    assert_eq!(collector.heads.lock().unwrap().len(), 1);
}

#[test]
fn environment_disables_otlp_output() {
    let collector = Collector::start(&[]);
    for (name, value) in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "console"),
    ] {
        let otlp = to(&collector.endpoint)
            .environment(move |known| (known == name).then(|| value.to_owned()));
        assert!(!otlp.is_on().unwrap());
        let logging = logged(otlp, || tracing::error!("nobody hears this"));
        assert!(logging.shutdown(LONG).complete);
        assert_eq!(logging.counts().emitted, 0);
    }
    assert!(collector.heads.lock().unwrap().is_empty());
    let on = Otlp::new("").environment(|name| {
        (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://127.0.0.1:4317".to_owned())
    });
    assert!(on.is_on().unwrap() && !Otlp::new("").is_on().unwrap());
}
