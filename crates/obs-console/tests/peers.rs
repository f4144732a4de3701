//! Other people's encoders and parsers: PyPI's `opentelemetry-proto` and `prometheus-client`.
//!
//! Skipped where Python or the packages are missing, unless OBS_REQUIRE_PEERS=1.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic"
)]

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use obs_console::parse_openmetrics;
use serde_json::{Value, json};
use support::{builder, get};

/// What the script prints, or `None` where its packages are missing.
fn python(script: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new("python3").arg("-c").arg(script).args(arguments).output();
    let failure = match output {
        Ok(output) if output.status.success() => {
            return Some(String::from_utf8(output.stdout).unwrap());
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let missing = failure.contains("ModuleNotFoundError") || failure.contains("No such file");
    assert!(missing, "{failure}");
    obs_testing::skipped(failure);
    None
}

const EXPOSE: &str = r#"
import json, sys
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, Info, Enum
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
registry = CollectorRegistry()
trace = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}
c = Counter("requests", "All \\ of\n them", ["path", "status"], registry=registry)
c.labels('/a"b\\c\nd', "200").inc(3, trace)
c.labels("/ünï{}# ,=", "500").inc(0.1)
Gauge("temperature", "", registry=registry).set(float("-inf"))
Gauge("large", "", registry=registry).set(1.7976931348623157e308)
h = Histogram("latency_seconds", "", ["path"], registry=registry, buckets=[0.001, 0.1, 1])
h.labels("/a").observe(0.05, trace)
h.labels("/a").observe(7)
Summary("size_bytes", "", registry=registry).observe(4)
Info("build", "", registry=registry).info({"version": "1.2"})
Enum("state", "", states=["up", "down"], registry=registry).state("down")
text = generate_latest(registry).decode()
samples = []
for family in text_string_to_metric_families(text):
    for s in family.samples:
        if s.name.endswith("_created"):
            continue
        e = s.exemplar
        samples.append({
            "family": family.name, "name": s.name, "labels": s.labels, "value": repr(float(s.value)),
            "exemplar": e and [e.labels["trace_id"], e.labels["span_id"], e.value, e.timestamp and round(float(e.timestamp) * 1000)],
        })
json.dump({"text": text, "samples": samples}, sys.stdout)
"#;

#[test]
fn exposition_parses_like_python_prometheus_client() {
    let Some(output) = python(EXPOSE, &[]) else { return };
    let peer: Value = serde_json::from_str(&output).unwrap();
    let read = parse_openmetrics(peer["text"].as_str().unwrap());
    assert_eq!(read.bad_lines, 0);
    let theirs = peer["samples"].as_array().unwrap();
    assert_eq!(read.observations.len(), theirs.len());
    assert_eq!(theirs.len(), 15, "{theirs:#?}");
    for (our, their) in read.observations.iter().zip(theirs) {
        let labels: BTreeMap<_, _> = our.series.labels.iter().cloned().collect();
        let our_exemplar = our.exemplar.map(|one| {
            let span_id = one.span_id.map(|id| id.to_string());
            let milliseconds = one.timestamp.map(|seconds| (seconds * 1e3).round() as u64);
            json!([one.trace_id.to_string(), span_id, one.value, milliseconds])
        });
        let told = json!({
            "family": our.series.family, "name": our.series.name, "labels": labels,
            "value": their["value"], "exemplar": our_exemplar,
        });
        assert_eq!(&told, their);
        let value: f64 = their["value"].as_str().unwrap().parse().unwrap();
        assert_eq!(our.value.to_bits(), value.to_bits(), "{their}");
    }
}

const EXPORT: &str = r#"
import sys, urllib.request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest, ExportTraceServiceResponse)
request = ExportTraceServiceRequest()
of_resource = request.resource_spans.add()
name = of_resource.resource.attributes.add()
name.key, name.value.string_value = "service.name", "python"
span = of_resource.scope_spans.add().spans.add()
span.trace_id, span.span_id = bytes(range(1, 17)), bytes(range(1, 9))
span.name, span.kind = "GET /tasks/{id}", 2
span.start_time_unix_nano, span.end_time_unix_nano = 1_781_863_200_000_000_000, 1_781_863_200_002_500_000
for key, field, value in [("http.route", "string_value", "/tasks/{id}"), ("n", "int_value", -5), ("ok", "bool_value", True)]:
    pair = span.attributes.add()
    pair.key = key
    setattr(pair.value, field, value)
of_resource.scope_spans[0].spans.add().name = "without ids"
sent = urllib.request.Request(sys.argv[1] + "/v1/traces", request.SerializeToString(), {"content-type": "application/x-protobuf"})
with urllib.request.urlopen(sent) as answer:
    print(ExportTraceServiceResponse.FromString(answer.read()).partial_success.rejected_spans)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn python_protobuf_request_is_accepted_and_answered() {
    let running = builder().start().await.unwrap();
    let url = format!("http://{}", running.otlp_http());
    let Some(output) = python(EXPORT, &[&url]) else { return };
    assert_eq!(output.trim(), "1", "the span without ids, as Python reads the answer");
    let id = "0102030405060708090a0b0c0d0e0f10";
    let document = get(running.api(), &format!("/api/requests/{id}")).json();
    assert_eq!(document["services"], json!(["python"]));
    assert_eq!(document["route"], "/tasks/{id}");
    assert_eq!(document["started"], "2026-06-19T10:00:00.000000Z");
    assert_eq!(document["duration_ms"], 2.5);
    assert_eq!(document["spans"][0]["kind"], "server");
    let attributes = json!({"http.route": "/tasks/{id}", "n": -5, "ok": true});
    assert_eq!(document["spans"][0]["attributes"], attributes);
}
