//! A real Prometheus scrapes us, in its own choice of format, and answers queries.
#![cfg(feature = "http")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may say that something cannot fail"
)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use obs_context::{ActiveSpan, SpanId, TraceId, set_active_span};
use obs_metrics::{Buckets, Endpoint, Registry};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Prometheus, stopped when dropped.
struct Prometheus {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Prometheus {
    /// Starts one that scrapes this port every second, or `None` where it is not installed.
    fn start(target: u16, features: &str) -> Option<Self> {
        let port = obs_testing::free_port();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n\
             - job_name: test\n  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let process = Command::new("prometheus")
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--enable-feature={features}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match process {
            Ok(process) => Some(Self { process, port, _folder: folder }),
            Err(_) => {
                obs_testing::skipped("prometheus is not installed");
                None
            }
        }
    }

    /// Asks until the answer has a result, for at most a minute.
    async fn ask(&self, query: &str) -> Value {
        let mut last = Value::Null;
        for _ in 0..300 {
            if let Ok(answer) = self.get(query).await {
                let data = answer.get("data").unwrap_or(&Value::Null);
                let result = data.get("result").unwrap_or(data);
                if result.as_array().is_some_and(|results| !results.is_empty()) {
                    return result.clone();
                }
                last = answer;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{query} gave nothing: {last}");
    }

    async fn get(&self, path: &str) -> Result<Value, Box<dyn std::error::Error>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let request = format!("GET /api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
        Ok(serde_json::from_str(body)?)
    }
}

/// Serves this registry, and tells where.
async fn serve(registry: &Registry) -> u16 {
    serve_as(registry, None).await
}

/// Serves this registry as if the scraper accepted this alone.
async fn serve_as(registry: &Registry, accept: Option<&'static str>) -> u16 {
    let endpoint = Endpoint::new(registry.clone());
    let answer = any(move |mut request: axum::extract::Request| async move {
        if let Some(accept) = accept {
            let accept = axum::http::HeaderValue::from_static(accept);
            request.headers_mut().insert("accept", accept);
        }
        endpoint.respond(&request.into_parts().0).map(axum::body::Body::from)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(
        async move { axum::serve(listener, Router::new().route("/metrics", answer)).await },
    );
    port
}

fn registry() -> Registry {
    let registry = Registry::new();
    set_active_span(Some(ActiveSpan {
        trace_id: TraceId::new(0xabc),
        span_id: SpanId::new(0xdef),
        sampled: true,
        name: "span",
        route: None,
    }));
    registry.counter_vec("orders_total", "Orders.", ["by"]).unwrap().with(["a\"\\\n"]).inc_by(7);
    let buckets = Buckets::new([0.1, 1.0]).with_native();
    let wait = registry.histogram("wait_seconds", "Wait.", buckets).unwrap();
    for hundredth in 1..=100 {
        wait.observe(f64::from(hundredth) / 100.0);
    }
    wait.observe(0.0);
    set_active_span(None);
    registry.info("build_info", "Build.", [("version", "1")]).unwrap();
    registry.summary("rows", "Rows.", &[0.5]).unwrap().observe(10.0);
    registry
}

fn number(results: &Value) -> f64 {
    results[0]["value"][1].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_ingests_openmetrics_with_exemplars() {
    let registry = registry();
    let target = serve(&registry).await;
    let Some(prometheus) = Prometheus::start(target, "exemplar-storage") else {
        return;
    };
    let orders = prometheus.ask("query?query=orders_total").await;
    assert_eq!(orders[0]["metric"]["by"], "a\"\\\n");
    assert!((number(&orders) - 7.0).abs() < 1e-9);
    let exemplars =
        "query_exemplars?query=orders_total&start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z";
    let found = prometheus.ask(exemplars).await;
    let labels = &found[0]["exemplars"][0]["labels"];
    assert_eq!(labels["trace_id"], "00000000000000000000000000000abc", "{found}");
    let formats = prometheus.ask("query?query=obs_metrics_scrapes_total").await;
    assert_eq!(formats[0]["metric"]["format"], "openmetrics");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_ingests_classic_text() {
    let registry = registry();
    let target = serve_as(&registry, Some("text/plain")).await;
    let Some(prometheus) = Prometheus::start(target, "exemplar-storage") else {
        return;
    };
    let orders = prometheus.ask("query?query=orders_total").await;
    assert_eq!(orders[0]["metric"]["by"], "a\"\\\n");
    let formats = prometheus.ask("query?query=obs_metrics_scrapes_total").await;
    assert_eq!(formats[0]["metric"]["format"], "text");
    // Of the same data as the native histogram: 0.5 lies in the bucket from 0.1 to 1, which the classic
    // buckets cannot tell from its middle.
    let median = prometheus.ask("query?query=histogram_quantile(0.5,wait_seconds_bucket)").await;
    assert!((number(&median) - 0.5).abs() < 0.1, "{median}");
    let count = prometheus.ask("query?query=wait_seconds_count").await;
    assert!((number(&count) - 101.0).abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_ingests_protobuf_with_native_histograms() {
    let registry = registry();
    let target = serve(&registry).await;
    let features = "exemplar-storage,native-histograms";
    let Some(prometheus) = Prometheus::start(target, features) else { return };
    let median = prometheus.ask("query?query=histogram_quantile(0.5,wait_seconds)").await;
    assert!((number(&median) - 0.5).abs() < 0.03, "{median}");
    let count = prometheus.ask("query?query=histogram_count(wait_seconds)").await;
    assert!((number(&count) - 101.0).abs() < 1e-9);
    let orders = prometheus.ask("query?query=orders_total").await;
    assert_eq!(orders[0]["metric"]["by"], "a\"\\\n");
    let rows = prometheus.ask("query?query=rows%7Bquantile=%220.5%22%7D").await;
    assert!((number(&rows) - 10.0).abs() < 0.2, "{rows}");
    let build = prometheus.ask("query?query=build_info").await;
    assert_eq!(build[0]["metric"]["version"], "1");
    let formats = prometheus.ask("query?query=obs_metrics_scrapes_total").await;
    assert_eq!(formats[0]["metric"]["format"], "protobuf");
}
