//! All three signals by all three protocols, read by others: the official messages (opentelemetry-proto of PyPI), and
//! the development console.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use obs_all::context::{ActiveSpan, SpanId, TraceId, set_active_span};
use obs_all::logging::{Otlp, Output};
use obs_all::metrics::{Buckets, Push, Registry};
use obs_all::tracing::{Compression, Protocol, SpanExt};
use obs_console::{Console, Filter};
use obs_testing::otlp::Collector;
use tracing_subscriber::prelude::*;

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

const TRACE: TraceId = TraceId::new(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);

fn traces(endpoint: &str, protocol: Protocol, compression: Compression) {
    let builder = obs_all::tracing::Builder::new("decoded").endpoint(endpoint).protocol(protocol);
    let (layer, traces) = builder.compression(compression).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = tracing::info_span!(
            "outer",
            otel.kind = "server",
            text = "wörds \"quoted\"\n",
            least = i64::MIN,
            share = 1.0 / 3.0,
            inf = f64::INFINITY,
            yes = true
        );
        span.in_scope(|| {
            assert!(span.context().is_some());
            obs_all::tracing::add_event("retried", &[("attempt", 2.into())]);
            tracing::error!("declined");
        });
    });
    let delivery = traces.shutdown(WAIT_TIMEOUT);
    assert!(delivery.complete && delivery.delivered == 1, "{protocol}: {delivery:?}");
}

fn logs(endpoint: &str, protocol: Protocol, compression: Compression) {
    let otlp = Otlp::new(endpoint).protocol(protocol).compression(compression);
    let otlp = otlp.resource("service.name", "decoded");
    let builder = obs_all::logging::Builder::new().output(Output::otlp(otlp));
    let (layer, logging) = builder.build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        in_trace(|| {
            let _span = tracing::info_span!("request", request_id = "r-1").entered();
            let error = std::io::Error::other(std::fmt::Error);
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, rows = -4, big = u64::MAX, share = 0.25, yes = true, "said");
        });
    });
    assert!(logging.shutdown(WAIT_TIMEOUT).complete);
    assert_eq!(logging.counts().written, 1, "{protocol}");
}

fn metrics(endpoint: &str, protocol: Protocol, compression: Compression) {
    let registry = Registry::new();
    registry.counter_vec("orders_total", "Orders.", ["by"]).unwrap().with(["wörds"]).inc_by(4711);
    registry.gauge("queue_bytes", "Queue.").unwrap().set(-1.25);
    let waits = registry.histogram("wait_seconds", "Wait.", Buckets::new([0.125, 1.0])).unwrap();
    in_trace(|| [0.0625, 0.5, 7.0].iter().for_each(|value| waits.observe(*value)));
    let push = Push::new(endpoint).protocol(protocol).compression(compression);
    let pusher = push.resource([("service.name", "decoded")]).start(&registry).unwrap();
    assert!(pusher.shutdown(WAIT_TIMEOUT), "{protocol}");
}

fn in_trace(work: impl FnOnce()) {
    set_active_span(Some(ActiveSpan {
        trace_id: TRACE,
        span_id: SpanId::new(0xb7ad_6b71_6920_3331),
        sampled: true,
        name: "request",
        route: None,
    }));
    work();
    set_active_span(None);
}

/// Two threads that meet a callsite at once may leave one of them without it (tracing-core's cache): a subscriber of
/// the whole process that wants everything keeps every callsite open.
fn keep_callsites_open() {
    let _ = tracing_subscriber::registry().try_init();
}

type Send = fn(&str, Protocol, Compression);

const SIGNALS: [(&str, Send); 3] = [("trace", traces), ("logs", logs), ("metrics", metrics)];

/// Reads one request from its standard input and writes it as text, without what differs from one to the next. JSON's
/// ids are hexadecimal in OTLP, against protobuf's rule, which is what the parser follows.
const READER: &str = r#"
import base64, importlib, json, re, sys
from google.protobuf import json_format, text_format
signal, kind = sys.argv[1:]
module = importlib.import_module(f'opentelemetry.proto.collector.{signal}.v1.{signal}_service_pb2')
Request = getattr(module, f'Export{signal.capitalize()}ServiceRequest')
def ids(node):
    if isinstance(node, dict):
        return {key: base64.b64encode(bytes.fromhex(value)).decode()
                if key in ('traceId', 'spanId', 'parentSpanId') else ids(value)
                for key, value in node.items()}
    return [ids(item) for item in node] if isinstance(node, list) else node
body = sys.stdin.buffer.read()
if kind == 'json':
    request = json_format.ParseDict(ids(json.loads(body)), Request())
else:
    request = Request.FromString(body)
text = text_format.MessageToString(request, as_utf8=True)
assert re.search(r'key: "process.pid"\s+value {\s+int_value: \d+', text), text
text = re.sub(r'(time_unix_nano): \d{19}', r'\1: T', text)
if signal == 'trace':
    text = re.sub(r'((trace|span)_id): ".*"', r'\1: I', text)
print(text)
"#;

fn read(signal: &str, kind: &str, body: &[u8]) -> String {
    use std::io::Write;
    let mut reader = Command::new("python3")
        .args(["-c", READER, signal, kind])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(body).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "{signal} {kind}: {}", String::from_utf8_lossy(body));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn official_messages_are_equal_over_all_protocols() {
    keep_callsites_open();
    let import = "import google.protobuf, opentelemetry.proto";
    let found = Command::new("python3").args(["-c", import]).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return obs_testing::skipped(
            "opentelemetry-proto is not installed (pip install opentelemetry-proto)",
        );
    }
    for (signal, send) in SIGNALS {
        let mut texts = Vec::new();
        for protocol in Protocol::ALL {
            for compression in [Compression::None, Compression::Gzip] {
                let collector = Collector::start([]);
                send(&collector.url(), protocol, compression);
                let kind = if protocol == Protocol::HttpJson { "json" } else { "protobuf" };
                texts.push((protocol, read(signal, kind, &collector.seen()[0].body)));
            }
        }
        let (_, first) = &texts[0];
        for (protocol, text) in &texts {
            assert_eq!(text, first, "{signal} over {protocol}");
        }
        let expected: &[&str] = match signal {
            "trace" => &["outer", "-9223372036854775808", "inf", "retried", "declined", "wörds"],
            "logs" => &[
                "obs.request.id",
                "18446744073709551615",
                "exception.message",
                "WARN",
                "said",
                "-4",
            ],
            _ => &["as_int: 4711", "as_double: -1.25", "explicit_bounds: 0.125", "exemplars"],
        };
        for text in expected {
            assert!(first.to_lowercase().contains(&text.to_lowercase()), "{text} in {first}");
        }
    }
}

#[test]
fn console_receives_every_signal_by_every_protocol() {
    keep_callsites_open();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let start = || Console::builder().otlp_grpc(free).otlp_http(free).api(free).start();
    let console = runtime.block_on(start()).unwrap();
    let (mut spans, mut lines) = (0, 0);
    for protocol in Protocol::ALL {
        for compression in [Compression::None, Compression::Gzip] {
            let address = match protocol {
                Protocol::Grpc => console.otlp_grpc(),
                Protocol::HttpProtobuf | Protocol::HttpJson => console.otlp_http(),
            };
            let samples = console.store().stats().received.samples;
            for (_, send) in SIGNALS {
                send(&format!("http://{address}"), protocol, compression);
            }
            (spans, lines) = (spans + 1, lines + 1);
            let received = console.store().stats().received;
            assert_eq!((received.spans, received.logs), (spans, lines), "{protocol} {compression}");
            assert!(received.samples > samples, "{protocol} {compression}");
        }
    }
    let rejected = console.store().stats().rejected;
    assert_eq!((rejected.spans, rejected.logs, rejected.samples), (0, 0, 0));
    assert_eq!(console.store().requests(&Filter::default()).len() as u64, spans);
}
