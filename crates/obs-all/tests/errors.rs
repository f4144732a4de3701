//! An error of a request joins everything: report, line, span, admin page.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::tracing::{error, info};
use axum::Router;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use obs_all::Config;
use obs_all::errors::{Kind, Outcome, Report};
use serde_json::Value;
use tower::ServiceExt;

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

async fn fails() -> &'static str {
    info!(step = 1, "looking");
    error!(error = &std::io::Error::other("disk on fire") as &dyn std::error::Error, "no order");
    "failed"
}

async fn panics() -> &'static str {
    panic!("no stock")
}

#[test]
fn error_joins_line_span_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let reports = Arc::new(Mutex::new(Vec::<Report>::new()));
    let kept = reports.clone();
    let obs = Config::new("orders")
        .environment(|name| (name == "OBS_ADMIN_ADDR").then(|| "127.0.0.1:0".to_owned()))
        .log_output(log.to_str().unwrap())
        .otlp_endpoint("http://127.0.0.1:9") // nobody is there, but spans are recorded
        .errors(move |errors| {
            let kept = kept.clone();
            errors.sink(move |report: &Report| {
                kept.lock().unwrap().push(report.clone());
                Outcome::Delivered
            })
        })
        .init()
        .unwrap();
    let app = obs.observe(Router::new().route("/fails", get(fails)).route("/panics", get(panics)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for path in ["/fails", "/panics"] {
            let request = Request::get(path)
                .header("traceparent", format!("00-{TRACE_ID}-b7ad6b7169203331-01"))
                .body(axum::body::Body::empty())
                .unwrap();
            let answer = app.clone().oneshot(request).await.unwrap();
            answer.into_body().collect().await.unwrap();
        }
    });
    assert!(obs.errors().flush(Duration::from_secs(60)).complete());
    assert!(obs.logging().flush(Duration::from_secs(60)).complete);
    let written = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> =
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reports = reports.lock().unwrap().clone();
    assert_eq!(reports.len(), 2, "each once: {reports:#?}");
    for (report, kind, route) in
        [(&reports[0], Kind::Event, "/fails"), (&reports[1], Kind::Panic, "/panics")]
    {
        let span = report.span.unwrap();
        assert_eq!((report.kind, span.trace_id.to_string()), (kind, TRACE_ID.to_owned()));
        assert_eq!(report.request.as_ref().unwrap().route, Some(route));
        let id = report.id.to_string();
        let of_error: Vec<_> = lines.iter().filter(|line| line["error.id"] == id).collect();
        let [line] = &of_error[..] else { panic!("{id}: {written}") };
        assert_eq!(line["trace_id"], TRACE_ID);
        assert_eq!(line["request_id"], report.request_id.as_ref().unwrap().as_str());
        let first = &report.spans[0];
        assert_eq!(first.name, format!("GET {route}"));
        assert!(first.duration.is_some());
    }
    assert_eq!(reports[0].breadcrumbs[0].message, "looking");
    let places = obs.errors().places();
    assert_eq!(places.as_array().unwrap().len(), 2, "{places:#}");
    for place in places.as_array().unwrap() {
        assert_eq!((&place["count"], &place["trace_ids"][0]), (&1.into(), &TRACE_ID.into()));
    }
    let metrics = obs.metrics().encode_text();
    assert!(metrics.contains(r#"errors_total{type="panic"} 1"#), "{metrics}");
}
