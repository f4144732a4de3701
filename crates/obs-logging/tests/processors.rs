//! What happens to an event before it is rendered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::time::Instant;

use common::kept;
use obs_logging::{Builder, Context, Logger, Processor, Record};
use tracing::{Level, info, info_span, warn};

#[test]
fn redacted_values_are_in_no_line() {
    let builder = Builder::new().redact(["password", "card"]).static_field("card", "secret-0");
    let (dispatch, kept, _logging) = kept(builder);
    let context = Context::new();
    context.bind("Password", "secret-1").bind("user", "alice");
    let _entered = context.enter();
    tracing::dispatcher::with_default(&dispatch, || {
        let log = Logger::bind("db.password", "secret-2");
        let span = info_span!("login", password = "secret-3", late.card = tracing::field::Empty);
        let _span = span.enter();
        span.record("late.card", "secret-4");
        let failure = std::io::Error::other("secret-5");
        obs_logging::info!(log; card = ?"secret-6", "login");
        info!(password = &failure as &dyn std::error::Error, "failed");
    });
    assert!(!kept.text().contains("secret"), "{}", kept.text());
    let lines = kept.lines();
    assert_eq!(lines[0]["user"], "alice");
    for name in ["card", "Password", "db.password", "password", "late.card"] {
        assert_eq!(lines[0][name], "[redacted]", "{name}");
    }
}

#[test]
fn sampling_keeps_warnings_and_counts_suppressed_lines() {
    let (dispatch, kept, logging) = kept(Builder::new().sample_below(Level::WARN, 10));
    tracing::dispatcher::with_default(&dispatch, || {
        for number in 0..25 {
            info!(number, "often");
            warn!(number, "always");
        }
    });
    let lines = kept.lines();
    let often: Vec<_> = lines.iter().filter(|line| line["event"] == "often").collect();
    assert_eq!(often.len(), 3);
    assert_eq!((&often[1]["number"], &often[1]["suppressed"]), (&10.into(), &9.into()));
    assert_eq!(lines.len() - often.len(), 25);
    let mut suppressed = None;
    logging.source().collect(&mut |sample| {
        if sample.name == "obs_log_lines_suppressed_total" {
            suppressed = Some(sample.value);
        }
    });
    assert_eq!(suppressed, Some(22.0));
}

#[test]
fn rate_limit_holds_per_callsite() {
    let (dispatch, kept, _logging) = kept(Builder::new().rate_limit(5));
    let begun = Instant::now();
    tracing::dispatcher::with_default(&dispatch, || {
        (0..1000).for_each(|_| warn!("storm"));
        warn!("other");
    });
    // Five in each second that the loop touches.
    let most = 5 * (begun.elapsed().as_secs() + 2);
    let lines = kept.lines();
    let storm = lines.iter().filter(|line| line["event"] == "storm").count();
    assert!((5..=most).contains(&(storm as u64)), "{storm}, of {most} at most");
    assert_eq!(lines.len(), storm + 1);
}

#[test]
fn processors_run_in_order_and_before_redaction() {
    struct First;
    impl Processor for First {
        fn process(&self, record: &mut Record<'_>) -> bool {
            assert_eq!(record.target(), "processors");
            assert!(record.rename("customer", "tenant"));
            assert!(!record.rename("missing", "other"));
            record.set("password", "secret");
            record.set("level_number", 7);
            record.text("path").as_deref() != Some("/healthz")
        }
    }
    struct Second;
    impl Processor for Second {
        fn process(&self, record: &mut Record<'_>) -> bool {
            assert_eq!(record.value("level_number").unwrap(), 7);
            assert!(record.remove("level_number"));
            tracing::dispatcher::get_default(|_| ());
            true
        }
    }
    struct Panics;
    impl Processor for Panics {
        fn process(&self, _: &mut Record<'_>) -> bool {
            panic!("a processor panics")
        }
    }
    let builder =
        Builder::new().processor(First).processor(Panics).processor(Second).redact(["password"]);
    let (dispatch, kept, _logging) = kept(builder);
    tracing::dispatcher::with_default(&dispatch, || {
        let _span = info_span!("span", customer = "acme").entered();
        info!(path = "/healthz", "unwanted");
        info!(path = "/orders", "wanted");
    });
    let line = kept.line();
    assert_eq!(line["event"], "wanted");
    assert_eq!(line["tenant"], "acme");
    assert_eq!(line["password"], "[redacted]");
    assert!(line["customer"].is_null() && line["level_number"].is_null());
}
