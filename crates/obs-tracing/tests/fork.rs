//! A forked child: what the parent made is the parent's to export, whatever its threads were doing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]
#![allow(unsafe_code, reason = "forks")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::Exported;
use obs_context::active_span;
use obs_tracing::{Sampler, SpanExt, Tail, Traces, set_attribute};
use tracing::{error, info_span};
use tracing_subscriber::prelude::*;

/// Longer than any test: nobody waits for it to pass.
const LONG: Duration = Duration::from_secs(3600);

/// A child has the locks of `tracing` itself as they were: nobody is to hold them while another test forks.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether all of it holds in a forked child, which is killed where it hangs.
fn holds_in_child(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child uses what it is to be tried with, and leaves without running anything else.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: a signal without a handler ends the child after a minute.
            unsafe { libc::alarm(60) };
            let held = check();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!held)) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child from above, once.
            unsafe { libc::waitpid(child, &mut status, 0) };
            status == 0
        }
    }
}

/// Flushes and shuts down at once, with everything counted and this much dropped.
fn is_over(traces: &Traces, dropped: u64) -> bool {
    let complete = traces.flush(LONG).complete && traces.shutdown(LONG).complete;
    let counts = traces.counts();
    complete && counts.dropped == dropped && counts.in_flight() == 0 && counts.exported == 0
}

#[test]
fn spans_of_forked_child_are_counted_and_parents_exported_once() {
    let _alone = alone();
    let (layer, traces, exported) = common::pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let open = info_span!("open");
        open.in_scope(|| {
            info_span!("waiting").in_scope(|| {});
            let parent = active_span().unwrap();
            assert!(holds_in_child(|| {
                set_attribute("of", "the child");
                open.set_attribute("of", "the child");
                error!("in a span of the parent's");
                let child = info_span!("child").in_scope(|| active_span().unwrap());
                child.trace_id == parent.trace_id
                    && child.span_id != parent.span_id
                    && active_span() == Some(parent)
                    && traces.live(10).is_empty()
                    && is_over(&traces, 1)
            }));
        });
    });
    common::flush(&traces);
    assert_eq!(exported.spans().len(), 2);
    assert!(exported.span("open").attributes.is_empty());
    assert!(exported.span("open").events.is_empty());
    assert_eq!((traces.counts().started, traces.counts().dropped), (2, 0));
}

#[test]
fn fork_while_threads_hold_locks_does_not_hang_child() {
    let _alone = alone();
    let exported = Exported::default();
    let sampler = Sampler::budget(1e9);
    let (layer, traces) = exported.builder().sampler(sampler).build().unwrap();
    let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let done = AtomicBool::new(false);
    let work = || info_span!("work", of = "a thread").in_scope(|| info_span!("below").id());
    tracing::dispatcher::with_default(&subscriber, work); // its callsites are known before the fork
    let shared = tracing::dispatcher::with_default(&subscriber, || info_span!("shared"));
    std::thread::scope(|scope| {
        let start = || {
            scope.spawn(|| {
                let _default = tracing::dispatcher::set_default(&subscriber);
                while !done.load(Relaxed) {
                    shared.set_attribute("key", "value");
                    work();
                    let _ = traces.live(usize::MAX);
                    traces.set_sampler(traces.sampler());
                }
            })
        };
        let threads = [start(), start()];
        let held = (0..40).all(|_| {
            holds_in_child(|| {
                let _default = tracing::dispatcher::set_default(&subscriber);
                shared.set_attribute("key", "value");
                work();
                std::thread::scope(|scope| {
                    let started =
                        scope.spawn(|| tracing::dispatcher::with_default(&subscriber, work));
                    started.join().is_ok()
                }) && is_over(&traces, 4)
            })
        });
        done.store(true, Relaxed);
        // Joined, a thread has handed its spans over.
        assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
        assert!(held);
    });
    drop(shared);
    let _ = traces.shutdown(LONG);
    let counts = traces.counts();
    assert_eq!(counts.started, counts.exported + counts.dropped + counts.sampled_out);
}

#[test]
fn forked_child_in_tail_mode_does_not_wait_for_parent() {
    let _alone = alone();
    let exported = Exported::default();
    let builder = exported.builder().sampler(Sampler::never()).tail(Tail::errors());
    let (layer, traces) = builder.build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("root").in_scope(|| {
            assert!(holds_in_child(|| {
                info_span!("child").in_scope(|| error!("here"));
                traces.counts().sampled_out == 1 && is_over(&traces, 0)
            }));
            error!("there");
        });
    });
    common::flush(&traces);
    assert_eq!(exported.spans().len(), 1);
}

#[test]
fn pipeline_built_in_forked_child_exports() {
    let _alone = alone();
    let (layer, traces, _) = common::pipeline();
    assert!(holds_in_child(|| {
        let (layer, traces, exported) = common::pipeline();
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || info_span!("child").in_scope(|| {}));
        traces.flush(LONG).delivered == 1 && exported.spans().len() == 1
    }));
    drop((layer, traces));
}

#[test]
fn grandchild_of_fork_counts_on() {
    let _alone = alone();
    let (layer, traces, _) = common::pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        assert!(holds_in_child(|| {
            info_span!("child").in_scope(|| {
                holds_in_child(|| {
                    info_span!("grandchild").in_scope(|| {});
                    is_over(&traces, 1)
                })
            }) && is_over(&traces, 1)
        }));
    });
}
