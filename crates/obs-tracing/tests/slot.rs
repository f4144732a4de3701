//! The active-span slot follows what is entered and exited.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use common::{flush, pipeline};
use obs_context::{SpanResolver, active_span};
use obs_tracing::{Builder, Sampler, SpanExt};
use tracing::{Dispatch, info_span};
use tracing_subscriber::prelude::*;

#[test]
fn spans_exit_in_any_order() {
    let (layer, _traces, _) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        assert_eq!(active_span(), None);
        let (a, b) = (info_span!("a"), info_span!("b"));
        let entered_a = a.enter();
        assert_eq!(active_span(), a.context());
        let entered_b = b.enter();
        assert_eq!(active_span().unwrap().name, "b");
        drop(entered_a);
        assert_eq!(active_span(), b.context());
        drop(entered_b);
        assert_eq!(active_span(), None);
        let again = a.enter();
        assert_eq!(active_span(), a.context());
        drop(again);
    });
    assert_eq!(active_span(), None);
}

#[test]
fn unsampled_spans_set_context() {
    let (layer, traces) =
        common::Exported::default().builder().sampler(Sampler::never()).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("quiet").in_scope(|| {
            let active = active_span().unwrap();
            assert!(!active.sampled && active.trace_id.is_valid() && active.span_id.is_valid());
            info_span!("child").in_scope(|| {
                let child = active_span().unwrap();
                assert_eq!((child.trace_id, child.name), (active.trace_id, "child"));
                // It has no record, and so no id that anybody could find: its root's stands for it.
                assert_eq!(child.span_id, active.span_id);
            });
        });
    });
    assert_eq!(traces.counts().sampled_out, 2);
    assert_eq!(traces.counts().started, 2);
}

#[test]
fn without_endpoint_spans_have_ids_and_are_dropped() {
    let (layer, traces) = Builder::new("test").build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("span").in_scope(|| assert!(active_span().unwrap().sampled));
    });
    assert_eq!(traces.counts().sampled_out, 1);
    assert!(traces.shutdown(std::time::Duration::from_secs(1)).complete);
}

#[test]
fn scoped_subscribers_stay_separate() {
    let (one, traces_one, exported_one) = pipeline();
    let (two, traces_two, exported_two) = pipeline();
    let one = Dispatch::new(tracing_subscriber::registry().with(one));
    let two = Dispatch::new(tracing_subscriber::registry().with(two));
    tracing::dispatcher::with_default(&one, || {
        info_span!("of one").in_scope(|| {
            let of_one = active_span();
            tracing::dispatcher::with_default(&two, || {
                // Both registries give the same numbers to their spans.
                let span = info_span!("of two");
                span.in_scope(|| assert_eq!(active_span().unwrap().name, "of two"));
            });
            assert_eq!(active_span(), of_one);
            info_span!("child of one").in_scope(|| {});
        });
    });
    flush(&traces_one);
    flush(&traces_two);
    assert_eq!(exported_one.spans().len(), 2);
    assert!(exported_two.span("of two").parent_span_id.is_empty());
    assert_eq!(
        exported_one.span("child of one").parent_span_id,
        exported_one.span("of one").span_id
    );
}

#[test]
fn instrumented_future_carries_span() {
    use tracing::Instrument;
    let (layer, traces, exported) = pipeline();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .on_thread_start({
            let dispatch = dispatch.clone();
            move || std::mem::forget(tracing::dispatcher::set_default(&dispatch))
        })
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for number in 0..50 {
            let task = async move {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                    assert_eq!(active_span(), tracing::Span::current().context());
                    info_span!("step").in_scope(|| {
                        assert_eq!(active_span().unwrap().name, "step");
                    });
                }
            };
            let dispatch = dispatch.clone();
            tasks.push(tokio::spawn(async move {
                let span =
                    tracing::dispatcher::with_default(&dispatch, || info_span!("task", number));
                task.instrument(span).await;
                assert_eq!(active_span(), None);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    drop(runtime);
    flush(&traces);
    let spans = exported.spans();
    assert_eq!(spans.len(), 50 * 21);
    for step in spans.iter().filter(|span| span.name == "step") {
        let parent = spans.iter().find(|span| span.span_id == step.parent_span_id).unwrap();
        assert_eq!((parent.name.as_str(), &parent.trace_id), ("task", &step.trace_id));
    }
}

#[test]
fn resolver_finds_noncurrent_spans() {
    let (layer, _traces, _) = pipeline();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let span = info_span!("elsewhere");
        let resolved = tracing::dispatcher::get_default(|dispatch| {
            let resolver = dispatch.downcast_ref::<SpanResolver>().unwrap();
            resolver.resolve(span.id().unwrap().into_u64())
        });
        assert_eq!(resolved, span.context());
        assert!(resolved.is_some());
    });
}

#[test]
fn layer_filter_skips_spans_and_keeps_tree() {
    let (layer, traces, exported) = pipeline();
    let filtered = layer.with_filter(tracing_subscriber::filter::LevelFilter::INFO);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(filtered), || {
        info_span!("outer").in_scope(|| {
            let skipped = tracing::debug_span!("skipped");
            skipped.in_scope(|| info_span!("inner").in_scope(|| {}));
        });
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 2);
    assert_eq!(exported.span("inner").parent_span_id, exported.span("outer").span_id);
}

#[test]
fn skipped_span_keeps_tree_on_another_thread() {
    let (layer, traces, exported) = pipeline();
    let filtered = layer.with_filter(tracing_subscriber::filter::LevelFilter::INFO);
    let everything = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
    let subscriber = tracing_subscriber::registry().with(filtered).with(everything);
    let dispatch = Dispatch::new(subscriber);
    tracing::dispatcher::with_default(&dispatch, || {
        let outer = info_span!("outer");
        let skipped = outer.in_scope(|| tracing::debug_span!("skipped"));
        let dispatch = dispatch.clone();
        let task = std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                skipped.in_scope(|| {
                    tracing::error!("of the outer one");
                    info_span!("inner").in_scope(|| {});
                });
                info_span!("alone").in_scope(|| {});
                drop(skipped);
            });
        });
        task.join().unwrap();
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 3);
    let outer = exported.span("outer");
    assert_eq!(exported.span("inner").parent_span_id, outer.span_id);
    assert_eq!(outer.events.len(), 1);
    assert!(exported.span("alone").parent_span_id.is_empty());
}

/// The Registry closes a parent, when its last child closes, through the subscriber that is the default at
/// that moment (tracing-subscriber 0.3.23, `DataInner::clear`). Where that is another one, the parent stays
/// open for ever, in the Registry as here.
#[test]
fn parent_of_child_closed_outside_subscriber_is_counted_open() {
    let (layer, traces, exported) = pipeline();
    let (parent, child) =
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let parent = info_span!("parent");
            let child = parent.in_scope(|| info_span!("child"));
            (parent, child)
        });
    drop(parent);
    drop(child);
    flush(&traces);
    assert_eq!(exported.spans().len(), 1, "the child is over");
    let counts = traces.counts();
    assert_eq!((counts.started, counts.exported, counts.in_flight()), (2, 1, 1));
    assert_eq!(traces.live(10).len(), 1, "and the parent is seen to be open");
    assert_eq!(active_span(), None);
}

#[test]
fn children_on_other_threads_stay_unsampled() {
    let exported = common::Exported::default();
    let (layer, traces) = exported.builder().sampler(Sampler::never()).build().unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        let root = info_span!("root");
        let active = root.context();
        assert!(active.is_some());
        let child = root.in_scope(|| info_span!("child"));
        let grandchild = child.in_scope(|| info_span!("grandchild"));
        let dispatch = dispatch.clone();
        let moved = std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                assert_eq!(grandchild.context(), active);
                grandchild.in_scope(|| {
                    let here = active_span().unwrap();
                    assert_eq!(
                        (here.name, here.trace_id),
                        ("grandchild", active.unwrap().trace_id)
                    );
                    info_span!(target: "hyper", "ignored").in_scope(|| {
                        assert_eq!(active_span().unwrap().name, "grandchild");
                    });
                });
                assert_eq!(active_span(), None);
                child.in_scope(|| assert_eq!(active_span().unwrap().name, "child"));
                drop((grandchild, child));
            });
        });
        moved.join().unwrap();
        drop(root);
    });
    assert_eq!((traces.counts().started, traces.counts().sampled_out), (3, 3));
    assert_eq!(traces.live(10), []);
}
