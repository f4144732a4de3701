//! One trace id whatever the filters: logs and traces as two layers, each with a filter of its own, under
//! subscribers that are current in a scope alone.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod common;

use std::time::Duration;

use obs_all::logging::{self, LogLayer, Logging, Output};
use obs_all::tracing::{self as traces, TraceFilter, TraceLayer, Traces};
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

fn trace_layer() -> (TraceLayer, Traces) {
    traces::Builder::new("orders").export_with(|_, _| Ok(())).build().unwrap()
}

fn log_layer<S>(path: &std::path::Path) -> (LogLayer<S>, Logging)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let builder = logging::Builder::new().filter(common::LOG_FILTER).output(Output::file(path));
    builder.build().unwrap()
}

fn try_cases(dispatch: &Dispatch, traces: &Traces, logging: &Logging, path: &std::path::Path) {
    tracing::dispatcher::with_default(dispatch, || {
        let (trace, labels) = common::every_case_on_every_thread(dispatch, traces);
        assert!(logging.flush(Duration::from_secs(60)).complete);
        common::assert_lines(&std::fs::read_to_string(path).unwrap(), &trace, &labels);
    });
}

#[test]
fn traces_below_logs_have_one_trace_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let ((layer, traces), (log, logging)) = (trace_layer(), log_layer(&path));
    let traced = layer.with_filter(TraceFilter::default());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(traced).with(log));
    try_cases(&dispatch, &traces, &logging, &path);
}

#[test]
fn logs_below_traces_have_one_trace_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let ((layer, traces), (log, logging)) = (trace_layer(), log_layer(&path));
    let traced = layer.with_filter(TraceFilter::default());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(log).with(traced));
    try_cases(&dispatch, &traces, &logging, &path);
}
