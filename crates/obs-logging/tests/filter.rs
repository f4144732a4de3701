//! The filter: others still see what it does not want, and it changes while the service runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::kept;
use obs_logging::{Builder, Delivery, Format, Output};
use tracing::{Dispatch, Subscriber, debug, debug_span, info, info_span, trace, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Another layer, which wants everything.
#[derive(Clone, Default)]
struct Other {
    events: Arc<AtomicUsize>,
    spans: Arc<Mutex<Vec<&'static str>>>,
}

impl<S: Subscriber> Layer<S> for Other {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: Context<'_, S>,
    ) {
        self.spans.lock().unwrap().push(attributes.metadata().name());
    }
}

#[test]
fn events_below_filter_reach_other_layers() {
    for log_first in [true, false] {
        let kept = common::Kept::default();
        let builder = || {
            Builder::new()
                .filter("warn")
                .format(Format::Json)
                .delivery(Delivery::Blocking)
                .output(Output::writer(kept.clone()))
        };
        let other = Other::default();
        let registry = tracing_subscriber::registry();
        let (dispatch, _logging) = if log_first {
            let (layer, logging) = builder().build().unwrap();
            (Dispatch::new(registry.with(layer).with(other.clone())), logging)
        } else {
            let (layer, logging) = builder().build().unwrap();
            (Dispatch::new(registry.with(other.clone()).with(layer)), logging)
        };
        tracing::dispatcher::with_default(&dispatch, || {
            let _span = debug_span!("unlogged", a = 1).entered();
            trace!("unlogged");
            info!("unlogged");
            warn!("logged");
        });
        assert_eq!(other.events.load(Ordering::Relaxed), 3);
        assert_eq!(*other.spans.lock().unwrap(), ["unlogged"]);
        let line = kept.line();
        assert_eq!(line["event"], "logged");
        assert!(line["a"].is_null(), "a span that the filter does not want adds nothing");
    }
}

#[test]
fn filter_sets_level_per_target() {
    let (dispatch, kept, _logging) = kept(Builder::new().filter("info,sqlx=warn,filter=debug"));
    tracing::dispatcher::with_default(&dispatch, || {
        info!(target: "sqlx::query", "unwanted");
        warn!(target: "sqlx::query", "slow");
        debug!("here");
        debug!(target: "elsewhere", "unwanted");
    });
    let events: Vec<_> = kept.lines().iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["slow", "here"]);
}

#[test]
fn span_field_directive_enables_events_inside() {
    let (dispatch, kept, _logging) = kept(Builder::new().filter("info,[request{user=7}]=trace"));
    tracing::dispatcher::with_default(&dispatch, || {
        for user in [6_u64, 7] {
            let _span = info_span!("request", user).entered();
            debug!(user, "details");
        }
        debug!("outside");
    });
    assert_eq!(kept.line()["user"], 7);
}

#[test]
fn filter_changes_at_run_time() {
    let (dispatch, kept, logging) = kept(Builder::new().filter("info"));
    tracing::dispatcher::with_default(&dispatch, || {
        let log = |number: u32| debug!(number, "debug");
        log(1);
        logging.set_filter("filter=debug").unwrap();
        assert_eq!(logging.filter(), "filter=debug");
        log(2);
        logging.set_filter("off").unwrap();
        log(3);
        logging.set_filter("[{number}]=trace").unwrap();
        logging.set_filter("debug").unwrap();
        log(4);
    });
    let numbers: Vec<_> = kept.lines().iter().map(|line| line["number"].clone()).collect();
    assert_eq!(numbers, [2, 4]);
}

#[test]
fn temporary_filter_reverts_after_duration() {
    let (_dispatch, _kept, logging) = kept(Builder::new().filter("info"));
    logging.set_filter_for("trace", Duration::from_secs(3600)).unwrap();
    logging.set_filter_for("debug", Duration::from_millis(50)).unwrap();
    assert_eq!(logging.filter(), "debug");
    let end = Instant::now() + Duration::from_secs(60);
    while logging.filter() != "info" && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(logging.filter(), "info", "not `trace`: that was for a while only, too");
    logging.set_filter_for("trace", Duration::from_secs(3600)).unwrap();
    logging.set_filter("warn").unwrap();
    assert_eq!(logging.filter(), "warn");
}

#[test]
fn invalid_filter_is_rejected_with_text_and_remedy() {
    for wrong in ["info,db=loud", "", "a[b=c", "info=debug=warn"] {
        let error = Builder::new()
            .filter(wrong)
            .build::<tracing_subscriber::Registry>()
            .expect_err(wrong)
            .to_string();
        assert!(error.contains(wrong) && error.contains("info,sqlx=warn"), "{error}");
    }
    let (_dispatch, _kept, logging) = kept(Builder::new().filter("info"));
    assert!(logging.set_filter("db=loud").is_err());
    assert_eq!(logging.filter(), "info");
}

#[test]
fn empty_directives_and_blanks_are_ignored() {
    for (odd, plain) in [
        ("info,", "info"),
        (",info,,", "info"),
        ("info, orders=warn", "info,orders=warn"),
        (" info ,\torders=warn ,", "info,orders=warn"),
        ("info, [request]=debug", "info,[request]=debug"),
    ] {
        let (_layer, logging) =
            Builder::new().filter(odd).build::<tracing_subscriber::Registry>().unwrap();
        assert_eq!(logging.filter(), plain);
    }
}

#[test]
fn directive_without_possible_match_is_rejected_with_remedy() {
    for text in
        ["]", "*=debug", "*", "info,=debug", "a b=info", "orders]=info", "{x}=info", ",", " "]
    {
        let built = Builder::new().filter(text).build::<tracing_subscriber::Registry>();
        let error = built.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("info,sqlx=warn"), "`{text}`: {error}");
    }
}
