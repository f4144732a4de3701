//! What we send, decoded by others: opentelemetry-proto of PyPI.

#![cfg(feature = "otlp")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]
#![allow(clippy::print_stderr, reason = "it is a test, which says what it skips")]

#[path = "common/relay.rs"]
mod relay;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use obs_tracing::{Builder, Compression, Delivery, Protocol, Sampler, Status, propagate};
use tracing::{info_span, subscriber::with_default};
use tracing_subscriber::prelude::*;

/// Tells its port, then one line of text of every request. JSON's ids are hexadecimal in OTLP, against
/// protobuf's rule, which is what the parser follows.
const RECEIVER: &str = r#"
import base64, gzip, http.server, json
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
def ids(node):
    if isinstance(node, dict):
        return {key: base64.b64encode(bytes.fromhex(value)).decode()
                if key in ('traceId', 'spanId', 'parentSpanId') else ids(value)
                for key, value in node.items()}
    return [ids(item) for item in node] if isinstance(node, list) else node
def value(any):
    kind = any.WhichOneof('value')
    return kind.removesuffix('_value') + ':' + repr(getattr(any, kind))
def attributes(known):
    return ' '.join(a.key + '=' + value(a.value) for a in known)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        packed = self.headers.get('content-encoding', 'none')
        if packed == 'gzip': body = gzip.decompress(body)
        if self.headers['content-type'] == 'application/json':
            request = json_format.ParseDict(ids(json.loads(body)), ExportTraceServiceRequest())
        else:
            request = ExportTraceServiceRequest.FromString(body)
        print('request', self.path, self.headers['content-type'], packed)
        for resource in request.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            print('resource', names['service.name'], names['telemetry.sdk.language'])
            for scope in resource.scope_spans:
                print('scope', scope.scope.name)
                for s in sorted(scope.spans, key=lambda s: s.name):
                    print('span', s.name, s.trace_id.hex(), len(s.span_id), s.parent_span_id.hex(), s.kind, s.flags, s.trace_state, s.end_time_unix_nano >= s.start_time_unix_nano > 1700000000000000000)
                    print('attributes', attributes(s.attributes), s.dropped_attributes_count)
                    for e in s.events: print('event', e.name, attributes(e.attributes), s.start_time_unix_nano <= e.time_unix_nano <= s.end_time_unix_nano, e.dropped_attributes_count)
                    for l in s.links: print('link', l.trace_id.hex(), l.span_id.hex(), l.flags)
                    print('status', s.status.code, s.status.message)
        print('end', flush=True)
        self.send_response(200)
        self.send_header('content-length', '0')
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

struct Receiver(Child);

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const EXPECTED: &str = "\
resource decoded rust
scope obs-tracing
span inner 0af7651916cd43dd8448eb211c80319c 8 PARENT 1 257 congo=t61 True
attributes  0
status 0 
span outer 0af7651916cd43dd8448eb211c80319c 8 b7ad6b7169203331 4 769 congo=t61 True
attributes text=string:'wörds \"quoted\"\\n' empty=string:'' yes=bool:True no=bool:False zero=int:0 least=int:-9223372036854775808 most=int:9223372036854775807 past=double:1.8446744073709552e+19 third=double:0.3333333333333333 whole=double:-2.0 inf=double:inf debug=string:'[1, 2]' 0
event retried attempt=int:2 quick=bool:True why=string:'time\\tout' True 0
event exception exception.message=string:'card declined' True 0
link 12345678901234567890123456789012 1234567890123456 1
status 2 card declined
end
";

fn send(endpoint: &str, protocol: Protocol, compression: Compression) {
    let (layer, traces) = Builder::new("decoded")
        .endpoint(endpoint)
        .protocol(protocol)
        .compression(compression)
        .sampler(Sampler::always())
        .build()
        .unwrap();
    let headers = |parent: &str| HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
    let mut caller = headers("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    caller.insert("tracestate".to_owned(), "congo=t61".to_owned());
    let other = headers("00-12345678901234567890123456789012-1234567890123456-01");
    with_default(tracing_subscriber::registry().with(layer), || {
        let outer = propagate::extract(&caller).scope(|| {
            info_span!(
                "outer",
                otel.kind = "producer",
                text = "wörds \"quoted\"\n",
                empty = "",
                yes = true,
                no = false,
                zero = 0,
                least = i64::MIN,
                most = i64::MAX,
                past = u64::MAX,
                third = 1.0 / 3.0,
                whole = -2.0,
                inf = f64::INFINITY,
                debug = ?[1, 2],
            )
        });
        outer.in_scope(|| {
            let said = [("attempt", 2.into()), ("quick", true.into()), ("why", "time\tout".into())];
            obs_tracing::add_event("retried", &said);
            obs_tracing::add_link(&propagate::extract(&other));
            tracing::error!("card declined");
            obs_tracing::set_status(Status::Error, "card declined");
            info_span!("inner").in_scope(|| {});
        });
    });
    let delivery = traces.shutdown(Duration::from_secs(30));
    assert_eq!(delivery, Delivery { delivered: 2, lost: 0, unknown: 0, complete: true });
}

#[test]
fn foreign_decoder_reads_spans_unchanged() {
    let python =
        |code: &str| Command::new("python3").args(["-c", code]).stderr(Stdio::null()).status();
    if !python("import opentelemetry.proto").is_ok_and(|status| status.success()) {
        return obs_testing::skipped(
            "opentelemetry-proto is not installed (pip install opentelemetry-proto)",
        );
    }
    let spawned = Command::new("python3").args(["-c", RECEIVER]).stdout(Stdio::piped()).spawn();
    let mut receiver = Receiver(spawned.unwrap());
    let mut lines = BufReader::new(receiver.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = SocketAddr::from(([127, 0, 0, 1], lines.next().unwrap().parse().unwrap()));
    let (endpoint, relayed) = (format!("http://{address}"), relay::relay(address));
    let mut ways = vec![(Compression::None, "none")];
    #[cfg(feature = "gzip")]
    ways.push((Compression::Gzip, "gzip"));
    for (endpoint, protocol, content_type) in [
        (&relayed, Protocol::Grpc, "application/x-protobuf"),
        (&endpoint, Protocol::HttpProtobuf, "application/x-protobuf"),
        (&endpoint, Protocol::HttpJson, "application/json"),
    ] {
        for (compression, encoding) in &ways {
            send(endpoint, protocol, *compression);
            let mut seen = String::new();
            for line in lines.by_ref() {
                seen += &line;
                seen.push('\n');
                if line == "end" {
                    break;
                }
            }
            let parent = span_id_of_outer(&seen);
            let expected = EXPECTED.replace("PARENT", &parent);
            let request = format!("request /v1/traces {content_type} {encoding}\n");
            assert_eq!(seen, request + &expected, "{protocol:?} {compression:?}");
        }
    }
}

/// The inner span's parent, which is random: sixteen digits.
fn span_id_of_outer(seen: &str) -> String {
    let inner = seen.lines().find(|line| line.starts_with("span inner")).unwrap();
    let id = inner.split(' ').nth(4).unwrap().to_owned();
    assert!(id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{inner}");
    id
}
