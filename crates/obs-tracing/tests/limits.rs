//! Memory is bounded, and what goes past a bound is counted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use common::{Exported, attribute, event_attribute, flush};
use obs_context::{Sample, SampleKind};
use obs_tracing::{Limits, SpanExt, propagate};
use tracing::{field, info_span};
use tracing_subscriber::prelude::*;

fn small() -> Limits {
    Limits { attributes: 2, events: 3, links: 1, event_attributes: 1, value_length: 8 }
}

#[test]
fn span_limits_are_kept() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().limits(small()).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = info_span!("full", a = "123456789", b = ?"öööööööö", c = 3, d = field::Empty);
        span.record("d", 4);
        span.set_attribute("a", "short");
        for number in 0..5 {
            span.add_event("event", &[("number", number.into()), ("more", true.into())]);
        }
        let remote = propagate::extract(&std::collections::HashMap::from([(
            "traceparent".to_owned(),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        )]));
        span.add_link(&remote);
        span.add_link(&remote);
    });
    flush(&traces);
    let span = exported.span("full");
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (2, 2));
    assert_eq!(attribute(&span, "a").as_deref(), Some("short"));
    assert_eq!(attribute(&span, "b").as_deref(), Some("\"ööö"), "cut between characters");
    assert_eq!((span.events.len(), span.dropped_events_count), (3, 2));
    assert_eq!(span.events[0].dropped_attributes_count, 1);
    assert_eq!(event_attribute(&span.events[2], "number").as_deref(), Some("2"));
    assert_eq!((span.links.len(), span.dropped_links_count), (1, 1));
}

#[test]
fn repeated_errors_do_not_grow_span() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("loop").in_scope(|| {
            (0..1000).for_each(|number| tracing::error!("failure number {number} of many"));
        });
    });
    flush(&traces);
    let span = exported.span("loop");
    assert_eq!((span.events.len(), span.dropped_events_count), (128, 872));
    assert!(span.status.is_some());
}

#[test]
fn open_spans_of_many_threads_stay_within_limit() {
    for limit in [0, 1, 2, 3, 10, 100, 3000] {
        for threads in [1, 8] {
            let exported = Exported::default();
            let (layer, traces) = exported.builder().open_spans(limit).build().unwrap();
            let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
            let open = |_| (0..=limit).map(|_| info_span!("open")).collect::<Vec<_>>();
            let open = |round| tracing::dispatcher::with_default(&dispatch, || open(round));
            for round in 0..3 {
                let mut kept = Vec::new();
                std::thread::scope(|scope| {
                    let threads = (0..threads).map(|_| scope.spawn(|| open(round)));
                    let threads: Vec<_> = threads.collect();
                    kept.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
                });
                let live = traces.live(usize::MAX).len();
                let least = if (threads, round) == (1, 0) { limit } else { limit / 2 };
                assert!((least..=limit).contains(&live), "{live} of {limit}, round {round}");
                let dropped = traces.counts().dropped as usize;
                tracing::dispatcher::with_default(&dispatch, || drop(kept));
                assert!(dropped >= threads, "{dropped} of {threads}");
            }
            let _ = traces.flush(std::time::Duration::from_secs(60));
            assert_eq!(traces.counts().in_flight(), 0);
        }
    }
}

#[test]
fn leaked_spans_are_bounded() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().open_spans(128).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let leaked: Vec<_> = (0..1000).map(|_| info_span!("leaked")).collect();
        let counts = traces.counts();
        assert_eq!(counts.dropped, 1000 - 128);
        assert_eq!(counts.in_flight(), 1000 - counts.dropped);
        drop(leaked);
    });
    flush(&traces);
    let counts = traces.counts();
    assert_eq!(counts.started, counts.exported + counts.dropped);
    assert_eq!(counts.exported as usize, exported.spans().len());
}

#[test]
fn debug_value_may_open_spans() {
    struct Chatty;
    impl std::fmt::Debug for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            tracing::error!("formatting");
            obs_tracing::set_attribute("from_inside", 1);
            info_span!("formatting").in_scope(|| f.write_str("chatty"))
        }
    }
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let outer = info_span!("outer", late = field::Empty);
        outer.in_scope(|| {
            info_span!("inner", value = ?Chatty).in_scope(|| {});
            outer.record("late", field::debug(Chatty));
            tracing::error!(error = ?Chatty, "failed");
        });
    });
    flush(&traces);
    assert_eq!(attribute(&exported.span("inner"), "value").as_deref(), Some("chatty"));
    assert_eq!(attribute(&exported.span("outer"), "late").as_deref(), Some("chatty"));
}

#[test]
fn statistics_are_exposed_as_metrics() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("one").in_scope(|| {});
        let _open = info_span!("two");
        flush(&traces);
        let mut seen = Vec::new();
        traces.source().collect(&mut |sample: Sample<'_>| {
            assert!(sample.help.ends_with('.') && sample.labels.is_empty());
            assert_eq!(sample.kind == SampleKind::Counter, sample.name.ends_with("_total"));
            seen.push((sample.name, sample.value));
        });
        for (name, value) in [
            ("obs_spans_started_total", 2.0),
            ("obs_spans_exported_total", 1.0),
            ("obs_spans_dropped_total", 0.0),
            ("obs_spans_sampled_out_total", 0.0),
            ("obs_spans_in_flight", 1.0),
        ] {
            assert!(seen.contains(&(name, value)), "{name} in {seen:?}");
        }
    });
}

#[test]
fn live_lists_open_spans() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let old = info_span!("old", otel.name = "renamed");
        std::thread::sleep(std::time::Duration::from_millis(2));
        let young = info_span!(parent: &old, "young");
        info_span!("closed").in_scope(|| {});
        let live = traces.live(10);
        assert_eq!(
            live.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(),
            ["renamed", "young"]
        );
        assert_eq!(live[1].parent_id, live[0].span_id);
        assert!(live[0].age >= live[1].age + std::time::Duration::from_millis(1));
        assert_eq!(traces.live(1).len(), 1);
        drop(young);
    });
}

#[test]
fn telemetry_cost_is_counted() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..3).for_each(|_| info_span!("dear", text = "a".repeat(500)).in_scope(|| {}));
        (0..5).for_each(|_| info_span!("cheap").in_scope(|| {}));
    });
    flush(&traces);
    let costs = traces.costs();
    let named: Vec<_> = costs.iter().map(|cost| (cost.name, cost.spans)).collect();
    assert_eq!(named, [("dear", 3), ("cheap", 5)]);
    assert!(costs[0].bytes > 1500 && costs[1].bytes > 5 * 50);
    let all: u64 = costs.iter().map(|cost| cost.bytes).sum();
    assert!(all < traces.counts().exported_bytes, "the resource comes on top");
}

#[test]
fn large_spans_stay_within_memory_limit() {
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let mut held = false;
    let builder = obs_tracing::Builder::new("test").export_with(move |_, _| {
        if !std::mem::replace(&mut held, true) {
            let _ = hold.recv(); // a collector that takes its time
        }
        Ok(())
    });
    let (layer, traces) = builder.build().unwrap();
    let text = "x".repeat(4096);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for _ in 0..10_000 {
            let span = info_span!("large");
            for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
                span.set_attribute(key, &text);
            }
        }
    });
    // 10,000 of 32 KiB are 320 MiB; a fifth of them is let in.
    let dropped = traces.counts().dropped;
    assert!((7000..9000).contains(&dropped), "{dropped}");
    drop(release);
    let delivery = traces.shutdown(std::time::Duration::from_secs(30));
    assert!(delivery.complete);
    let counts = traces.counts();
    assert_eq!(counts.started, counts.exported + counts.dropped);
}

#[test]
fn million_leaked_spans_are_bounded() {
    const SPANS: u64 = 1_000_000;
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..SPANS).for_each(|number| std::mem::forget(info_span!("leaked", number)));
    });
    let counts = traces.counts();
    assert_eq!(counts.started, SPANS);
    assert!((60_000..110_000).contains(&counts.in_flight()), "{counts:?}");
    assert_eq!(counts.dropped + counts.in_flight(), SPANS);
    assert_eq!(traces.live(usize::MAX).len() as u64, counts.in_flight());
}

#[test]
fn events_and_texts_of_one_span_are_bounded() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    let text = "x".repeat(1024 * 1024);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = info_span!("full", text = text.as_str(), debug = ?text);
        (0..10_000).for_each(|_| span.add_event(&text, &[("text", text.as_str().into())]));
        (0..10_000).for_each(|_| span.set_attribute("again", text.as_str()));
        span.record_error(&std::io::Error::other(text.as_str()));
    });
    flush(&traces);
    let span = exported.span("full");
    assert_eq!((span.events.len(), span.dropped_events_count), (128, 9_873));
    assert_eq!(attribute(&span, "text").map(|text| text.len()), Some(4096));
    assert_eq!(attribute(&span, "debug").map(|text| text.len()), Some(4096));
    assert_eq!(attribute(&span, "again").map(|text| text.len()), Some(4096));
    let bytes = traces.counts().exported_bytes;
    assert!(bytes < 128 * 2 * 4200 + 8 * 4200, "{bytes}");
}
