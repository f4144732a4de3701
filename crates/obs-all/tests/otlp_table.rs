//! Every signal, by every protocol, plain and compressed, before a collector that does all that collectors do: the same
//! cases and the same expectations.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

#[path = "otlp/cases.rs"]
mod cases;
#[path = "otlp/signals.rs"]
mod signals;
#[path = "otlp/warnings.rs"]
mod warnings;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cases::{CASES, Case, Expected};
use obs_all::tracing::{Compression, Protocol};
use obs_testing::otlp::{Answer, Collector, Proxy};
use signals::{Account, SIGNALS, Setup, Signal};
use warnings::Warnings;

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// Most of them wait for something.
const THREADS: usize = 24;

const COMPRESSIONS: [Compression; 2] = [Compression::None, Compression::Gzip];

/// One row of the table.
#[derive(Clone, Copy, Debug)]
struct Row {
    signal: Signal,
    protocol: Protocol,
    compression: Compression,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for signal in SIGNALS {
        for protocol in Protocol::ALL {
            for compression in COMPRESSIONS {
                rows.push(Row { signal, protocol, compression });
            }
        }
    }
    rows
}

impl Row {
    fn setup(self, endpoint: String) -> Setup {
        let Self { protocol, compression, .. } = self;
        Setup {
            endpoint,
            protocol,
            compression,
            timeout: Duration::from_millis(400),
            retry_for: WAIT_TIMEOUT,
            trusted_roots: None,
            variables: Vec::new(),
            shutdown: None,
        }
    }

    /// What the request must look like.
    fn check_request(self, collector: &Collector) {
        for seen in collector.seen() {
            let is_grpc = self.protocol == Protocol::Grpc;
            let path = match (self.signal, is_grpc) {
                (signal, false) => signal.http_path(),
                (Signal::Traces, true) => {
                    "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
                }
                (Signal::Metrics, true) => {
                    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
                }
                (Signal::Logs, true) => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            };
            assert_eq!(seen.path, path);
            let content_type = match self.protocol {
                Protocol::Grpc => "application/grpc",
                Protocol::HttpProtobuf => "application/x-protobuf",
                Protocol::HttpJson => "application/json",
            };
            assert_eq!(seen.header("content-type"), Some(content_type));
            let encoding = if is_grpc { "grpc-encoding" } else { "content-encoding" };
            let compressed = (self.compression == Compression::Gzip).then_some("gzip");
            assert_eq!(seen.header(encoding), compressed);
            assert_eq!(seen.header("x-tenant"), Some("seven"));
            assert!(seen.header("user-agent").is_some_and(|agent| agent.contains("obs-rust")));
            let text = String::from_utf8_lossy(&seen.body);
            let name = if self.signal == Signal::Metrics { "in_the_table" } else { "in-the-table" };
            assert!(text.contains("service.name") && text.contains(name), "{text}");
            assert_eq!(text.starts_with('{'), self.protocol == Protocol::HttpJson);
        }
    }
}

/// Runs jobs side by side, and tells of all that failed.
fn run_all(jobs: Vec<(String, Box<dyn Fn() + Send + Sync>)>) {
    Warnings::install();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((name, job)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                    if run.is_err() {
                        failures.lock().unwrap().push(name.clone());
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {}: {failures:#?}", failures.len(), jobs.len());
}

fn check(account: Account, expected: Expected, signal: Signal) {
    let Account { handed_over, delivered, lost, unknown, rejected } = account;
    assert_eq!(handed_over, delivered + lost, "the account does not close: {account:?}");
    assert_eq!(handed_over, 1, "{account:?}");
    // A push is delivered although a point of it was rejected; a span that was rejected is lost.
    let rejected_delivers = u64::from(signal == Signal::Metrics);
    let expected = match expected {
        Expected::Delivered => (1, 0, 0),
        Expected::Rejected => (rejected_delivers, 0, 1),
        Expected::Lost => (0, 0, 0),
        Expected::Unknown => (0, 1, 0),
    };
    assert_eq!((delivered, unknown, rejected), expected, "{expected:?}: {account:?}");
}

fn run(row: Row, case: &Case, attempts: usize, expected: Expected) {
    let collector = Collector::start((case.answers)());
    let mut setup = row.setup(collector.url());
    if case.shuts_down {
        (setup.timeout, setup.shutdown) = (WAIT_TIMEOUT, Some(Duration::from_millis(800)));
    }
    let begun = Instant::now();
    let account = row.signal.export(&setup);
    assert!(begun.elapsed() < WAIT_TIMEOUT, "it took {:?}", begun.elapsed());
    check(account, expected, row.signal);
    let seen = collector.seen();
    assert_eq!(seen.len(), attempts, "attempts");
    let gap = case.gap[usize::from(row.protocol == Protocol::Grpc)];
    if let [first, second, ..] = &seen[..] {
        assert!(second.at - first.at >= gap, "{:?} is too soon", second.at - first.at);
    }
    row.check_request(&collector);
    if !case.logged.is_empty() {
        Warnings::expect(&[case.logged], &format!("localhost:{}", collector.addr().port()));
    }
}

#[test]
fn each_signal_follows_answers_of_collector() {
    let mut jobs: Vec<(String, Box<dyn Fn() + Send + Sync>)> = Vec::new();
    for row in rows() {
        for case in CASES {
            let expected = if row.protocol == Protocol::Grpc { case.grpc } else { case.http };
            if let Some((attempts, expected)) = expected {
                let name = format!("{}: {row:?}", case.name);
                jobs.push((name, Box::new(move || run(row, case, attempts, expected))));
            }
        }
    }
    assert!(jobs.len() > 400, "{}", jobs.len());
    run_all(jobs);
}

#[test]
fn export_to_closed_port_is_lost() {
    let mut jobs: Vec<(String, Box<dyn Fn() + Send + Sync>)> = Vec::new();
    for row in rows() {
        jobs.push((
            format!("{row:?}"),
            Box::new(move || {
                let mut setup = row.setup("http://127.0.0.1:1".to_owned());
                setup.retry_for = Duration::from_millis(50);
                check(row.signal.export(&setup), Expected::Lost, row.signal);
            }),
        ));
    }
    run_all(jobs);
}

#[test]
fn endpoint_credentials_and_query_are_sent() {
    let mut jobs: Vec<(String, Box<dyn Fn() + Send + Sync>)> = Vec::new();
    for row in rows() {
        jobs.push((
            format!("{row:?}"),
            Box::new(move || {
                let collector = Collector::start([]);
                let port = collector.addr().port();
                let endpoint = format!("http://user:p%40ss@localhost:{port}/base?key=1");
                check(row.signal.export(&row.setup(endpoint)), Expected::Delivered, row.signal);
                let seen = &collector.seen()[0];
                assert_eq!(seen.header("authorization"), Some("Basic dXNlcjpwQHNz"));
                if row.protocol != Protocol::Grpc {
                    assert_eq!(seen.path, format!("/base{}?key=1", row.signal.http_path()));
                }
            }),
        ));
    }
    run_all(jobs);
}

#[test]
fn export_uses_proxy_except_for_loopback() {
    let mut jobs: Vec<(String, Box<dyn Fn() + Send + Sync>)> = Vec::new();
    for row in rows() {
        jobs.push((
            format!("by a proxy: {row:?}"),
            Box::new(move || {
                let collector = Collector::start([]);
                let proxy = Proxy::start(collector.addr());
                let mut setup = row.setup("http://collector.invalid:4320".to_owned());
                let url = proxy.url().replace("http://", "http://user:pass@");
                setup.variables = vec![("HTTP_PROXY", url)];
                check(row.signal.export(&setup), Expected::Delivered, row.signal);
                let head = proxy.heads()[0].to_lowercase();
                let begins = match row.protocol {
                    Protocol::Grpc => "connect collector.invalid:4320 ".to_owned(),
                    _ => format!("post http://collector.invalid:4320{} ", row.signal.http_path()),
                };
                assert!(head.starts_with(&begins), "{head}");
                assert!(head.contains("proxy-authorization: basic dxnlcjpwyxnz"), "{head}");
                assert_eq!(collector.seen().len(), 1);
            }),
        ));
        jobs.push((
            format!("the loopback without: {row:?}"),
            Box::new(move || {
                let collector = Collector::start([]);
                let mut setup = row.setup(collector.url());
                let nowhere = |name| (name, "http://127.0.0.1:1".to_owned());
                setup.variables = ["HTTP_PROXY", "HTTPS_PROXY"].map(nowhere).to_vec();
                check(row.signal.export(&setup), Expected::Delivered, row.signal);
                row.check_request(&collector);
            }),
        ));
    }
    run_all(jobs);
}

#[cfg(feature = "tls")]
#[test]
fn export_over_tls_needs_trusted_certificate() {
    use std::sync::Arc;

    use obs_testing::otlp::Certificate;

    let (Some(certificate), Some(other)) = (Certificate::new(), Certificate::new()) else {
        return obs_testing::skipped("openssl is not installed");
    };
    let (certificate, other) = (Arc::new(certificate), Arc::new(other));
    let mut jobs: Vec<(String, Box<dyn Fn() + Send + Sync>)> = Vec::new();
    for row in rows() {
        let ours = Arc::clone(&certificate);
        jobs.push((
            format!("trusted: {row:?}"),
            Box::new(move || {
                let busy = Answer::Http(503, Vec::new(), "");
                let collector = Collector::start_secured([busy], &ours);
                let mut setup = row.setup(collector.url());
                (setup.timeout, setup.trusted_roots) = (WAIT_TIMEOUT, Some(ours.path()));
                check(row.signal.export(&setup), Expected::Delivered, row.signal);
                assert_eq!(collector.seen().len(), 2);
                row.check_request(&collector);
            }),
        ));
        let (ours, theirs) = (Arc::clone(&certificate), Arc::clone(&other));
        jobs.push((
            format!("not trusted: {row:?}"),
            Box::new(move || {
                let collector = Collector::start_secured([], &ours);
                let mut setup = row.setup(collector.url());
                (setup.timeout, setup.trusted_roots) = (WAIT_TIMEOUT, Some(theirs.path()));
                setup.retry_for = Duration::from_millis(50);
                check(row.signal.export(&setup), Expected::Lost, row.signal);
                assert!(collector.seen().is_empty());
            }),
        ));
        let ours = Arc::clone(&certificate);
        jobs.push((
            format!("by a proxy: {row:?}"),
            Box::new(move || {
                let collector = Collector::start_secured([], &ours);
                let proxy = Proxy::start(collector.addr());
                let mut setup = row.setup("https://collector.test:4320".to_owned());
                (setup.timeout, setup.trusted_roots) = (WAIT_TIMEOUT, Some(ours.path()));
                setup.variables = vec![("HTTPS_PROXY", proxy.url())];
                check(row.signal.export(&setup), Expected::Delivered, row.signal);
                assert!(proxy.heads()[0].starts_with("CONNECT collector.test:4320 "));
                row.check_request(&collector);
            }),
        ));
    }
    run_all(jobs);
}
