//! The changes of the state: each is seen once, and logged in the order in which they came.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use obs_guard::Place;

use crate::health::State;

/// Changes that wait for the log; past it the oldest goes untold.
const MAX_UNTOLD: usize = 64;

/// The log, whose layers are application code.
static LOG: Place = Place::new("health.transition_log");

#[derive(Debug)]
pub(crate) struct Transitions {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    state: State,
    untold: VecDeque<State>,
    /// Whether a thread is telling them.
    is_telling: bool,
}

impl Transitions {
    pub(crate) fn new(state: State) -> Self {
        let known = Known { state, untold: VecDeque::new(), is_telling: false };
        Self { known: Mutex::new(known) }
    }

    /// Computes the state, and answers whether it is another than the last one. Under one lock, so that
    /// no thread can overwrite a newer state with an older one and hide the next change.
    pub(crate) fn publish(&self, compute: impl FnOnce() -> State) -> bool {
        let mut known = self.locked();
        let state = compute();
        if known.state == state {
            return false;
        }
        known.state = state;
        if known.untold.len() == MAX_UNTOLD {
            known.untold.pop_front();
        }
        known.untold.push_back(state);
        true
    }

    /// Tells what is untold, without the lock. Where another thread is at it, that one goes on to these.
    pub(crate) fn tell(&self, write: impl Fn(State)) {
        if std::mem::replace(&mut self.locked().is_telling, true) {
            return;
        }
        while let Some(state) = self.next() {
            LOG.call(|| write(state));
        }
    }

    fn next(&self) -> Option<State> {
        let mut known = self.locked();
        let next = known.untold.pop_front();
        known.is_telling = next.is_some();
        next
    }

    fn locked(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn change_while_another_is_computed_is_seen_last() {
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
        let told = Mutex::new(Vec::new());
        transitions.tell(|state| told.lock().unwrap_or_else(PoisonError::into_inner).push(state));
        let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(told, [State::Ready, State::NotReady]);
    }

    #[test]
    fn change_from_inside_the_log_is_told_after_it() {
        let transitions = Transitions::new(State::Starting);
        let told = Mutex::new(Vec::new());
        transitions.publish(|| State::Ready);
        transitions.tell(|state| {
            told.lock().unwrap_or_else(PoisonError::into_inner).push(state);
            transitions.publish(|| State::Draining);
            transitions.tell(|_| ());
        });
        let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(told, [State::Ready, State::Draining]);
    }

    #[test]
    fn log_that_panics_does_not_silence_the_next_change() {
        let transitions = Transitions::new(State::Starting);
        for state in [State::Ready, State::NotReady] {
            assert!(transitions.publish(|| state));
            let panics = LOG.panics();
            transitions.tell(|_| std::panic::resume_unwind(Box::new("a layer")));
            assert_eq!(LOG.panics(), panics + 1);
        }
    }
}
