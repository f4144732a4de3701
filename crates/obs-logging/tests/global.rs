//! What only shows with a global subscriber: re-entrant events, the bridge, the panic hook. One test,
//! because the process has one of each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Kept, kept};
use obs_context::{Sample, Source};
use obs_logging::{Builder, Context, Delivery, Output};
use tracing::{Dispatch, error, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

struct Talkative;

impl fmt::Debug for Talkative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _span = info_span!("inside", nested = true).entered();
        info!(inner = 1, "from inside a Debug");
        f.write_str("Talkative")
    }
}

static EARLIER_HOOK: AtomicUsize = AtomicUsize::new(0);

#[test]
fn global_subscriber_writes_log_records_and_panics() {
    std::panic::set_hook(Box::new(|_| {
        EARLIER_HOOK.fetch_add(1, Ordering::Relaxed);
    }));
    let (dispatch, kept, logging) = kept(Builder::new().filter("info,noisy=off,lib=debug"));
    tracing::dispatcher::set_global_default(dispatch).unwrap();
    obs_logging::bridge::install().unwrap();
    assert!(obs_logging::bridge::install().is_ok(), "our own bridge is no other logger");
    obs_logging::panic::install(&logging);

    let context = Context::new();
    context.bind("request_id", "r-1");
    let entered = context.enter();

    values_may_log_while_they_are_formatted(&kept);
    records_of_log_are_lines_like_any(&kept);
    panics_are_lines(&kept, &*logging.source());
    values_may_panic_while_they_are_formatted(&kept);

    panicking_writer_does_not_deadlock();
    drop(entered);
    let counts = logging.counts();
    assert_eq!(counts.emitted, counts.written + counts.dropped);
    assert_eq!(counts.written as usize, kept.lines().len());
}

fn values_may_log_while_they_are_formatted(kept: &Kept) {
    let before = kept.lines().len();
    let _span = info_span!("outer", outer = true).entered();
    info!(value = ?Talkative, after = 2, "outer event");
    let lines = kept.lines();
    let (inner, outer) = (&lines[before], &lines[before + 1]);
    assert_eq!(lines.len(), before + 2);
    assert_eq!(inner["event"], "from inside a Debug");
    assert_eq!((&inner["nested"], &inner["outer"]), (&true.into(), &true.into()));
    assert_eq!(outer["value"], "Talkative");
    assert_eq!(outer["after"], 2);
    assert!(outer["nested"].is_null());
}

fn records_of_log_are_lines_like_any(kept: &Kept) {
    let before = kept.lines().len();
    let _span = info_span!("span", in_span = 1).entered();
    log::info!(target: "sqlx::pool", "acquired {}", 3);
    log::debug!(target: "sqlx::pool", "unwanted");
    log::debug!(target: "lib", "wanted");
    log::error!(target: "noisy", "unwanted");
    assert!(log::log_enabled!(target: "lib", log::Level::Debug));
    let lines = kept.lines();
    assert_eq!(lines.len(), before + 2);
    let line = &lines[before];
    assert_eq!(line["event"], "acquired 3");
    assert_eq!(line["target"], "sqlx::pool");
    assert_eq!(line["level"], "info");
    assert_eq!(line["in_span"], 1);
    assert_eq!(line["request_id"], "r-1");
    assert_eq!(line.0.len(), 6, "{line:?}");
    assert_eq!(lines[before + 1]["target"], "lib");
}

fn panics_are_lines(kept: &Kept, source: &dyn Source) {
    let before = kept.lines().len();
    let earlier = EARLIER_HOOK.load(Ordering::Relaxed);
    std::panic::catch_unwind(|| panic!("out of {}", "cheese")).unwrap_err();
    let lines = kept.lines();
    assert_eq!(lines.len(), before + 1);
    let line = &lines[before];
    assert_eq!(line["event"], "out of cheese");
    assert_eq!(line["level"], "error");
    assert_eq!(line["request_id"], "r-1");
    assert!(line["location"].as_str().unwrap().contains("global.rs"), "{line:?}");
    assert_eq!(EARLIER_HOOK.load(Ordering::Relaxed), earlier + 1);
    let mut panics = None;
    source.collect(&mut |sample: Sample<'_>| {
        if sample.name == "panics_total" {
            panics = Some(sample.value);
        }
    });
    assert_eq!(panics, Some(1.0));
}

fn values_may_panic_while_they_are_formatted(kept: &Kept) {
    struct Panics;
    impl fmt::Debug for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half \"a va")?;
            panic!("in Debug")
        }
    }
    let before = kept.lines().len();
    error!(value = ?Panics, after = 1, "first");
    error!("second");
    let lines = kept.lines();
    assert_eq!(lines.len(), before + 3, "the panic is a line of its own");
    assert_eq!(lines[before]["event"], "in Debug");
    assert_eq!(lines[before + 1]["value"], "half \"a va<its Debug or Display panicked>");
    assert_eq!(lines[before + 1]["after"], 1);
    assert_eq!(lines[before + 2]["event"], "second");
}

/// The hook flushes, on the thread that holds the writer.
fn panicking_writer_does_not_deadlock() {
    struct Panics;
    impl std::io::Write for Panics {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            panic!("in the writer")
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (layer, logging) =
        Builder::new().delivery(Delivery::Blocking).output(Output::writer(Panics)).build().unwrap();
    obs_logging::panic::install(&logging);
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || info!("event"));
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.dropped), (1, 1));
}
