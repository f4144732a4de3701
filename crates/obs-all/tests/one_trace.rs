//! One trace id whatever the filters: the facade's layer, on the process's subscriber.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod common;

use std::time::Duration;

use obs_all::Config;

#[test]
fn filter_pairs_on_all_threads_share_trace_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let obs = Config::new("orders")
        .environment(|_| None)
        .log_output(path.to_str().unwrap())
        .log_filter(common::LOG_FILTER)
        .admin_addr(None)
        .otlp_endpoint("http://127.0.0.1:9") // nobody is there, but spans are recorded
        .init()
        .unwrap();
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let (trace, labels) = common::every_case_on_every_thread(&dispatch, obs.traces());
    assert!(obs.logging().flush(Duration::from_secs(60)).complete);
    common::assert_lines(&std::fs::read_to_string(&path).unwrap(), &trace, &labels);
}
