//! Spans that logs or traces or both or neither want, entered on every kind of thread.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is part of tests")]

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ::tracing::{
    Dispatch, Instrument, Level, Span, debug, debug_span, enabled, error, info, info_span,
};
use obs_all::context::{ActiveSpan, active_span};
use obs_all::tracing::{SpanExt, Traces};

/// The log filter that makes the spans below what their names say.
pub(crate) const LOG_FILTER: &str = "info,logged=debug,unlogged=off,sqlx=off";

const CASES: [(&str, bool, bool); 4] = [
    ("both", true, true),
    ("log-alone", true, false),
    ("trace-alone", false, true),
    ("neither", false, false),
];

fn span(logged: bool, traced: bool) -> Span {
    match (logged, traced) {
        (true, true) => info_span!(target: "logged", "step"),
        (true, false) => debug_span!(target: "logged", "step"),
        (false, true) => info_span!(target: "unlogged", "step"),
        (false, false) => debug_span!(target: "unlogged", "step"),
    }
}

/// What is expected of a thread inside of a span, and what its line is told by.
struct Inside<'a> {
    traces: &'a Traces,
    root: ActiveSpan,
    traced: bool,
    label: String,
}

impl Inside<'_> {
    fn check(&self) {
        let label = &self.label;
        let active = active_span().unwrap_or_else(|| panic!("{label}: the slot is empty"));
        assert_eq!(active.trace_id, self.root.trace_id, "{label}");
        assert_eq!(active.span_id != self.root.span_id, self.traced, "{label}: the wrong span");
        assert!(active.sampled, "{label}: an exemplar has no trace");
        assert_eq!(Span::current().context(), Some(active), "{label}");
        let recording = enabled!(target: "sqlx::query", Level::DEBUG);
        assert!(recording, "{label}: is not recording");
        let started = || self.traces.counts().started;
        let before = started();
        debug!(target: "sqlx::query", summary = "SELECT 1", db.statement = "", elapsed_secs = 0.0);
        assert_eq!(started(), before + 1, "{label}: the query has no span");
        error!(target: "logged", label, "an error");
        info!(target: "logged", label, "a line");
        let child = info_span!(target: "logged", "child");
        let of_child = child.context().unwrap();
        let live = self.traces.live(1000);
        let live = live.iter().find(|span| span.span_id == of_child.span_id).unwrap();
        assert_eq!((live.trace_id, live.parent_id), (active.trace_id, active.span_id), "{label}");
    }
}

/// Runs every case; every line that it wrote is expected to hold `trace` of the answer and `labels`.
pub(crate) fn every_case_on_every_thread(
    dispatch: &Dispatch,
    traces: &Traces,
) -> (String, Vec<String>) {
    let mut labels = Vec::new();
    let root = info_span!(target: "logged", parent: None, "request");
    let context = root.context().unwrap();
    for (name, logged, traced) in CASES {
        let mut inside = |thread: &str| {
            let label = format!("{name}, {thread}");
            labels.push(label.clone());
            Inside { traces, root: context, traced, label }
        };
        root.in_scope(|| span(logged, traced).in_scope(|| inside("same thread").check()));
        assert_eq!(active_span(), None);
        if !logged && !traced {
            continue; // the span is disabled: it takes nothing along to another thread
        }
        let elsewhere = |work: &(dyn Fn() + Sync)| {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    ::tracing::dispatcher::with_default(dispatch, || {
                        work();
                        assert_eq!(active_span(), None, "{name}: the slot was not emptied");
                    });
                });
            });
        };
        let step = root.in_scope(|| span(logged, traced));
        let there = inside("other thread");
        elsewhere(&|| step.in_scope(|| there.check()));
        let again = inside("other thread, entered twice");
        elsewhere(&|| {
            step.in_scope(|| {
                step.in_scope(|| again.check());
                again.check();
            });
        });
        let nested = inside("other thread, below another span");
        elsewhere(&|| {
            info_span!(target: "logged", parent: None, "other").in_scope(|| {
                let before = active_span();
                step.in_scope(|| nested.check());
                assert_eq!(active_span(), before);
            });
        });

        let moved = inside("moved between polls");
        let mut polls = 0;
        let future = poll_fn(|_| {
            moved.check();
            polls += 1;
            if polls == 4 { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut future = pin!(future.instrument(step));
        let mut is_ready = false;
        while !is_ready {
            is_ready = poll_once(future.as_mut());
            assert_eq!(active_span(), None);
            if !is_ready {
                std::thread::scope(|scope| {
                    let there = scope.spawn(|| {
                        ::tracing::dispatcher::with_default(dispatch, || poll_once(future.as_mut()))
                    });
                    is_ready = there.join().unwrap();
                });
            }
        }
    }
    (context.trace_id.to_string(), labels)
}

fn poll_once<F: Future<Output = ()>>(future: std::pin::Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Every line of every label has the trace id.
pub(crate) fn assert_lines(written: &str, trace: &str, labels: &[String]) {
    for label in labels {
        let label = format!(r#""label":"{label}""#);
        let lines: Vec<_> = written.lines().filter(|line| line.contains(&label)).collect();
        assert!(lines.len() >= 2, "{label} has the lines {lines:?}");
        for line in lines {
            assert!(line.contains(trace), "without its trace: {line}");
        }
    }
}
