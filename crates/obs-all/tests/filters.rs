//! Logs and traces want different things of the same spans and events, and change their minds.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::time::Duration;

use ::tracing::{Level, debug, debug_span, enabled, info, info_span};
use obs_all::{Config, context};

/// Whether sqlx, which asks before it formats anything, would write the event of a query.
fn is_query_wanted() -> bool {
    info_span!(parent: None, "request").in_scope(|| enabled!(target: "sqlx::query", Level::DEBUG))
}

fn active() -> &'static str {
    context::active_span().unwrap().name
}

#[test]
fn each_pillar_has_own_filter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let obs = Config::new("orders")
        .environment(|_| None)
        .log_output(path.to_str().unwrap())
        .log_filter("info,chatty=debug,mute=off")
        .admin_addr(None)
        .otlp_endpoint("http://127.0.0.1:9") // nobody is there, but spans are recorded
        .query_metrics(false) // they want every query
        .init()
        .unwrap();
    let lines = || {
        assert!(obs.logging().flush(Duration::from_secs(60)).complete);
        std::fs::read_to_string(&path).unwrap()
    };

    info_span!("request").in_scope(|| {
        // For the log alone.
        debug_span!(target: "chatty", "detail", step = "seventh").in_scope(|| {
            assert_eq!(active(), "request");
            info!("in detail");
        });
        // For the traces alone.
        info_span!(target: "mute", "charge", card = "4711").in_scope(|| {
            assert_eq!(active(), "charge");
            info!("in charge");
            info!(target: "mute", "unheard");
        });
        debug!("for nobody");
    });
    let written = lines();
    let line = |message: &str| written.lines().find(|line| line.contains(message)).unwrap();
    assert!(line("in detail").contains(r#""step":"seventh""#), "{written}");
    assert!(!line("in charge").contains("4711"), "{written}");
    assert!(!written.contains("unheard") && !written.contains("for nobody"), "{written}");

    // sqlx formats for whoever wants its events at this moment, and for nobody else.
    assert!(is_query_wanted(), "a sampled trace gets a span of it");
    obs.traces().set_sampler("never".parse().unwrap());
    assert!(!is_query_wanted(), "nobody wants it");
    obs.logging().set_filter("info,sqlx=debug").unwrap();
    assert!(is_query_wanted(), "the log wants it");

    // Rules that look at spans, set while it runs.
    obs.logging().set_filter("info,[special]=debug").unwrap();
    info_span!("special").in_scope(|| debug!("deep"));
    info_span!("usual").in_scope(|| debug!("shallow"));
    let written = lines();
    assert!(written.contains("deep") && !written.contains("shallow"), "{written}");
}
