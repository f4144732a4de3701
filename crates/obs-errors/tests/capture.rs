//! What is captured of an error, and how often.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod common;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use common::{Kept, builder, reported};
use obs_errors::{Kind, Loss, Outcome, Report};
use tracing::{debug, error, info, info_span, warn};

#[derive(Debug)]
struct NoStock {
    cause: std::io::Error,
}

impl fmt::Display for NoStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stock cannot be read")
    }
}

impl Error for NoStock {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

fn no_stock() -> NoStock {
    NoStock { cause: std::io::Error::other("disk on fire") }
}

#[test]
fn error_event_has_chain_stack_fields_and_spans() {
    let reports = reported(builder(), |_| {
        info_span!("request").in_scope(|| {
            info_span!("checkout").in_scope(|| {
                let failed = no_stock();
                error!(
                    error = &failed as &dyn Error,
                    order = 17,
                    user.password = "hunter2",
                    "no order"
                );
            });
        });
    });
    let [report] = &reports[..] else { panic!("{reports:#?}") };
    assert_eq!((report.kind, report.message.as_str()), (Kind::Event, "no order"));
    let chain: Vec<_> =
        report.chain.iter().map(|c| (c.kind.as_str(), c.message.as_str())).collect();
    let wanted = [("NoStock", "the stock cannot be read"), ("std::io::Error", "disk on fire")];
    assert_eq!(chain, wanted);
    assert!(report.place.starts_with("crates/obs-errors/tests/capture.rs:"), "{}", report.place);
    let fields = format!("{:?}", report.fields);
    assert!(fields.contains("17") && !fields.contains("hunter2"), "{fields}");
    let spans: Vec<_> = report.spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(spans, ["request", "checkout"]);
    let first = report.stack.first().unwrap();
    let file = first.file.as_deref().unwrap_or_default();
    assert!(first.in_app && file.ends_with("tests/capture.rs"), "{:#?}", report.stack);
    assert!(report.stack.iter().any(|frame| frame.source.is_some()), "{:#?}", report.stack);
}

#[test]
fn captured_error_has_callers_place() {
    let reports = reported(builder(), |errors| {
        let id = errors.capture(&no_stock()).unwrap();
        assert_eq!(id.to_string().len(), 32);
    });
    assert_eq!(reports[0].kind, Kind::Captured);
    assert_eq!(reports[0].chain.len(), 2);
    assert!(reports[0].place.contains("capture.rs"), "{}", reports[0].place);
}

#[test]
fn errors_past_limit_are_counted_in_next_report() {
    let kept = Kept::default();
    let (layer, errors) =
        builder().limit(3, Duration::from_millis(200)).sink(kept.sink()).build().unwrap();
    let fail = || error!("it failed");
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        (0..100).for_each(|_| fail());
        std::thread::sleep(Duration::from_millis(500));
        fail();
    });
    assert!(errors.flush(Duration::from_secs(60)).complete());
    let reports = kept.reports();
    let told = reports.len() as u64;
    assert!((4..100).contains(&told), "{told}");
    let unreported: u64 = reports.iter().map(|report| report.unreported).sum();
    assert_eq!(told + unreported, 101);
    let places = errors.places();
    assert_eq!(places[0]["count"], 101);
    assert_eq!(places[0]["reported"], told);
    assert_eq!(places.as_array().unwrap().len(), 1);
}

#[test]
fn errors_without_sink_are_only_counted_by_place() {
    let (layer, errors) = builder().build().unwrap();
    assert_eq!(layer.max_level(), tracing::level_filters::LevelFilter::ERROR);
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        for number in 0..3 {
            error!("order {number} failed");
        }
    });
    assert_eq!(errors.capture(&no_stock()), None);
    let places = errors.places();
    assert_eq!(places.as_array().unwrap().len(), 2);
    assert_eq!(places[1]["count"], 3);
    assert_eq!(places[1]["message"], "order 2 failed");
    let mut samples = Vec::new();
    errors.source().collect(&mut |sample| {
        samples.push((sample.name, format!("{:?}", sample.labels), sample.value));
    });
    assert_eq!(
        samples,
        [
            ("errors_total", r#"[("type", "NoStock")]"#.to_owned(), 1.0),
            ("errors_total", r#"[("type", "error")]"#.to_owned(), 3.0)
        ]
    );
}

#[test]
fn similar_errors_share_fingerprint() {
    let reports = reported(builder(), |_| {
        for (user, order) in [("ada", 17), ("bob", 4711)] {
            error!("order {order} of '{user}' failed");
        }
        error!("payment failed");
    });
    assert_eq!(reports[0].fingerprint, reports[1].fingerprint);
    assert_ne!(reports[0].fingerprint, reports[2].fingerprint);
    assert!(!format!("{:?}", reports[0].fingerprint).contains("capture.rs:"), "no line in it");
}

#[test]
fn before_send_may_change_discard_and_panic() {
    let before = |report: &mut Report| {
        assert!(report.message != "panic", "before_send panics");
        report.message.push_str(", changed");
        report.message != "unwanted, changed"
    };
    let kept = Kept::default();
    let (layer, errors) = builder().before_send(before).sink(kept.sink()).build().unwrap();
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        error!("wanted");
        error!("unwanted");
        error!("panic");
        error!("wanted as well");
    });
    let flushed = errors.flush(Duration::from_secs(60));
    assert_eq!((flushed.delivered, flushed.lost, flushed.unknown), (2, 2, 0));
    let messages: Vec<_> = kept.reports().into_iter().map(|report| report.message).collect();
    assert_eq!(messages, ["wanted, changed", "wanted as well, changed"]);
    assert!(obs_guard::panics().any(|(place, _)| place == "errors.before_send"));
}

#[test]
fn panicking_or_refusing_sink_loses_one_report() {
    let mut turn = 0;
    let sink = move |_: &Report| {
        turn += 1;
        match turn {
            1 => panic!("the sink panics"),
            2 => Outcome::Lost(Loss::Refused),
            _ => Outcome::Delivered,
        }
    };
    let (layer, errors) = builder().sink(sink).build().unwrap();
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        for _ in 0..4 {
            error!("it failed");
        }
    });
    let flushed = errors.flush(Duration::from_secs(60));
    assert_eq!((flushed.delivered, flushed.lost, flushed.unknown), (2, 2, 0));
}

#[test]
fn hanging_sink_blocks_no_caller_and_reports_are_counted() {
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let sink = move |_: &Report| {
        let _ended = hold.recv();
        Outcome::Delivered
    };
    let (layer, errors) =
        builder().limit(10_000, Duration::from_secs(1)).sink(sink).build().unwrap();
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        for _ in 0..1000 {
            error!("it failed");
        }
    });
    let flushed = errors.flush(Duration::from_millis(10));
    assert!(!flushed.complete());
    assert_eq!(flushed.delivered + flushed.lost + flushed.unknown, 1000, "{flushed:?}");
    let closed = errors.shutdown(Duration::from_millis(10));
    assert_eq!(closed.delivered + closed.lost + closed.unknown, 1000, "{closed:?}");
    assert_eq!(closed.unknown, 1, "the one that the sink has: {closed:?}");
    drop(release);
}

#[test]
fn event_below_level_is_no_breadcrumb() {
    let reports = reported(builder(), |_| {
        let _request = obs_context::RequestId::mint().enter();
        struct Never;
        impl fmt::Debug for Never {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("a DEBUG event was formatted")
            }
        }
        debug!(value = ?Never, "not read");
        info!(step = 1, token = "hunter2", "first");
        warn!("second");
        error!("failed");
    });
    let crumbs = &reports[0].breadcrumbs;
    let messages: Vec<_> = crumbs.iter().map(|crumb| crumb.message.as_str()).collect();
    assert_eq!(messages, ["first", "second"]);
    assert_eq!(crumbs[0].fields[0], ("step".to_owned(), 1.into()));
    assert!(!format!("{crumbs:?}").contains("hunter2"));
}

#[test]
fn hostile_values_are_bounded_and_do_not_unwind() {
    struct Hostile(u8);
    impl fmt::Debug for Hostile {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {
                0 => panic!("Debug panics"),
                1 => Err(fmt::Error),
                2 => {
                    info!("logs while it is formatted");
                    f.write_str("fine")
                }
                _ => (0..1_000_000).try_for_each(|_| f.write_str("a long text, ")),
            }
        }
    }
    impl fmt::Display for Hostile {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt::Debug::fmt(self, f)
        }
    }
    impl Error for Hostile {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            if self.0 == 0 { panic!("source panics") } else { Some(self) }
        }
    }
    let reports = reported(builder().limit(100, Duration::from_secs(1)), |errors| {
        let _request = obs_context::RequestId::mint().enter();
        for number in 0..4 {
            info!(value = ?Hostile(number), "{}", Hostile(number));
            error!(value = ?Hostile(number), error = &Hostile(number) as &dyn Error, "{}", Hostile(number));
            error!(error = ?Hostile(number));
            errors.capture(&Hostile(number));
        }
    });
    assert_eq!(reports.len(), 12);
    assert!(format!("{reports:?}").len() < 4_000_000);
}
