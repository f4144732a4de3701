//! The Registry gives a closed span's id to a later one: no thread may take the one for the other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::sync::mpsc::{Sender, channel};

use obs_context::active_span;
use obs_tracing::{Sampler, SpanExt, Traces};
use tracing::span::Id;
use tracing::{Dispatch, Span, info_span};
use tracing_subscriber::prelude::*;

type Work = Box<dyn FnOnce() + Send>;

/// Does what it is told on a thread of its own, each time until it is done.
struct Other {
    work: Sender<(Work, Sender<()>)>,
}

impl Other {
    fn start(dispatch: &Dispatch) -> Self {
        let (work, jobs) = channel::<(Work, Sender<()>)>();
        let dispatch = dispatch.clone();
        std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                for (job, done) in jobs {
                    job();
                    done.send(()).unwrap();
                }
            });
        });
        Self { work }
    }

    fn run(&self, job: impl FnOnce() + Send + 'static) {
        let (done, is_done) = channel();
        self.work.send((Box::new(job), done)).unwrap();
        is_done.recv().unwrap();
    }
}

/// A root that got this id anew: other places are kept, so that its place is the only one that is free.
fn reused(id: &Id) -> Span {
    let place = |id: &Id| (id.into_u64() - 1) & ((1 << 38) - 1);
    let mut kept = Vec::new();
    for _ in 0..200_000 {
        let span = info_span!(parent: None, "again");
        match span.id() {
            Some(known) if known == *id => return span,
            Some(known) if place(&known) != place(id) && kept.len() < 100 => kept.push(span),
            _ => {}
        }
    }
    panic!("no span got the id {id:?} anew");
}

/// Runs with spans that are sampled, and with ones that are not.
fn in_both(run: impl Fn(&Dispatch, &Traces)) {
    for sampler in [Sampler::always(), Sampler::never()] {
        let exported = common::Exported::default();
        let (layer, traces) = exported.builder().sampler(sampler).build().unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        tracing::dispatcher::with_default(&dispatch, || run(&dispatch, &traces));
        common::flush(&traces);
        assert_eq!(traces.counts().in_flight(), 0, "a record leaked");
    }
}

/// In this span, and in nothing else.
#[track_caller]
fn enters(span: &Span) {
    let expected = span.context().unwrap();
    span.in_scope(|| assert_eq!(active_span(), Some(expected)));
    assert_eq!((expected.name, active_span()), ("again", None));
}

#[test]
fn reused_id_last_entered_by_another_thread_is_new_span() {
    in_both(|dispatch, _| {
        let other = Other::start(dispatch);
        let closed = info_span!("closed");
        let id = closed.id().unwrap();
        let entered = closed.clone();
        other.run(move || entered.in_scope(|| {}));
        drop(closed);
        let again = reused(&id);
        let here = again.context();
        other.run(move || {
            assert_eq!(again.context(), here);
            enters(&again);
        });
    });
}

#[test]
fn reused_id_entered_below_span_by_another_thread_is_new_span() {
    in_both(|dispatch, _| {
        let other = Other::start(dispatch);
        let outer = info_span!("outer");
        let closed = outer.in_scope(|| info_span!("closed"));
        let id = closed.id().unwrap();
        let entered = (outer.clone(), closed.clone());
        other.run(move || entered.0.in_scope(|| entered.1.in_scope(|| {})));
        drop(closed);
        let again = reused(&id);
        let there = outer.clone();
        other.run(move || {
            let expected = again.context().unwrap();
            assert_eq!(expected.name, "again");
            there.in_scope(|| again.in_scope(|| assert_eq!(active_span(), Some(expected))));
        });
    });
}

#[test]
fn reused_id_on_creating_thread_is_new_span() {
    in_both(|dispatch, _| {
        let outer = info_span!("outer");
        let closed = outer.in_scope(|| info_span!("closed"));
        let id = closed.id().unwrap();
        Other::start(dispatch).run(move || drop(closed));
        let again = reused(&id);
        let expected = again.context().unwrap();
        outer.in_scope(|| again.in_scope(|| assert_eq!(active_span(), Some(expected))));
        drop(outer);
        enters(&again);
    });
}

#[test]
fn reused_id_closed_where_entered_is_new_span_on_creating_thread() {
    in_both(|dispatch, _| {
        let other = Other::start(dispatch);
        let outer = info_span!("outer");
        let closed = outer.in_scope(|| info_span!("closed"));
        let id = closed.id().unwrap();
        other.run(move || {
            closed.in_scope(|| {});
            closed.in_scope(|| {});
        });
        let again = reused(&id);
        let expected = again.context().unwrap();
        outer.in_scope(|| again.in_scope(|| assert_eq!(active_span(), Some(expected))));
        drop(outer);
        enters(&again);
    });
}

#[test]
fn reused_id_entered_by_two_other_threads_is_new_span_on_both() {
    in_both(|dispatch, _| {
        let others = [Other::start(dispatch), Other::start(dispatch)];
        for closing in 0..3 {
            let closed = info_span!("closed");
            let id = closed.id().unwrap();
            for other in &others {
                let entered = closed.clone();
                other.run(move || entered.in_scope(|| {}));
            }
            match others.get(closing) {
                Some(other) => other.run(move || drop(closed)),
                None => drop(closed),
            }
            let again = reused(&id);
            for other in &others {
                let again = again.clone();
                other.run(move || enters(&again));
            }
        }
    });
}

#[test]
fn reused_id_entered_twice_is_new_span() {
    in_both(|_, _| {
        let closed = info_span!("closed");
        let id = closed.id().unwrap();
        closed.in_scope(|| closed.in_scope(|| {}));
        drop(closed);
        let again = reused(&id);
        let expected = again.context().unwrap();
        info_span!("outer")
            .in_scope(|| again.in_scope(|| assert_eq!(active_span(), Some(expected))));
    });
}

#[test]
fn span_with_reused_id_closes_as_itself() {
    in_both(|dispatch, traces| {
        let other = Other::start(dispatch);
        let closed = info_span!("closed");
        let id = closed.id().unwrap();
        let entered = closed.clone();
        other.run(move || entered.in_scope(|| {}));
        drop(closed);
        let again = reused(&id);
        other.run(move || drop(again));
        common::flush(traces);
        assert_eq!(traces.counts().in_flight(), 0);
    });
}
