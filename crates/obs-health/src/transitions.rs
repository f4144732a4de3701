//! The changes of the state: each is seen once, and logged in the order in which they came.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use obs_guard::Place;

use crate::state::State;

/// Changes that wait for the log; past it the oldest is left out of the log.
const MAX_UNLOGGED: usize = 64;

/// The log, whose layers are application code.
static LOG: Place = Place::new("health.transition_log");

#[derive(Debug)]
pub(crate) struct Transitions {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    unlogged: VecDeque<State>,
    /// Whether a thread is logging them.
    is_logging: bool,
}

impl Transitions {
    pub(crate) fn new(state: State) -> Self {
        let inner = Inner { state, unlogged: VecDeque::new(), is_logging: false };
        Self { inner: Mutex::new(inner) }
    }

    /// Computes the state, and answers whether it is another than the last one. Under one lock, so that
    /// no thread can overwrite a newer state with an older one and hide the next change.
    pub(crate) fn publish(&self, compute: impl FnOnce() -> State) -> bool {
        let mut inner = self.locked();
        let state = compute();
        if inner.state == state {
            return false;
        }
        inner.state = state;
        if inner.unlogged.len() == MAX_UNLOGGED {
            inner.unlogged.pop_front();
        }
        inner.unlogged.push_back(state);
        true
    }

    /// Logs the changes that wait, without the lock. If another thread is logging, that thread logs these.
    pub(crate) fn log(&self, write: impl Fn(State)) {
        if std::mem::replace(&mut self.locked().is_logging, true) {
            return;
        }
        while let Some(state) = self.next() {
            LOG.call(|| write(state));
        }
    }

    fn next(&self) -> Option<State> {
        let mut inner = self.locked();
        let next = inner.unlogged.pop_front();
        inner.is_logging = next.is_some();
        next
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn change_during_computation_is_published_last() {
        let transitions = Transitions::new(State::Starting);
        let world = Mutex::new(State::Ready);
        let seen = || *world.lock().unwrap_or_else(PoisonError::into_inner);
        let (computed, is_computed) = channel();
        let (published, is_published) = channel();
        std::thread::scope(|scope| {
            let (transitions, world) = (&transitions, &world);
            scope.spawn(move || {
                let _computing_ended = is_computed.recv();
                *world.lock().unwrap_or_else(PoisonError::into_inner) = State::NotReady;
                transitions.publish(|| State::NotReady);
                let _nobody_waits = published.send(());
            });
            transitions.publish(|| {
                let state = seen();
                let _nobody_waits = computed.send(());
                // The other thread has the time to overtake, if anything lets it.
                let _cannot = is_published.recv_timeout(Duration::from_millis(200));
                state
            });
        });
        assert!(!transitions.publish(seen), "the last one published is the state");
        let logged = Mutex::new(Vec::new());
        transitions.log(|state| logged.lock().unwrap_or_else(PoisonError::into_inner).push(state));
        let logged = logged.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(logged, [State::Ready, State::NotReady]);
    }

    #[test]
    fn change_from_within_log_is_logged_next() {
        let transitions = Transitions::new(State::Starting);
        let logged = Mutex::new(Vec::new());
        transitions.publish(|| State::Ready);
        transitions.log(|state| {
            logged.lock().unwrap_or_else(PoisonError::into_inner).push(state);
            transitions.publish(|| State::Draining);
            transitions.log(|_| ());
        });
        let logged = logged.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(logged, [State::Ready, State::Draining]);
    }

    #[test]
    fn panicking_log_does_not_suppress_next_change() {
        let transitions = Transitions::new(State::Starting);
        for state in [State::Ready, State::NotReady] {
            assert!(transitions.publish(|| state));
            let panics = LOG.panics();
            transitions.log(|_| std::panic::resume_unwind(Box::new("a layer")));
            assert_eq!(LOG.panics(), panics + 1);
        }
    }
}
