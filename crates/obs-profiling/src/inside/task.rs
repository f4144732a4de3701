//! Work on a thread of its own, awaited or waited for; it is stopped when its result is not wanted any more.

#![allow(unsafe_code, reason = "pthread_sigmask(3) has no safe face")]

use std::io;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use obs_guard::Place;

static WAKER: Place = Place::new("profiling.waker");

/// Dropping it stops the work, and does not wait.
#[derive(Debug)]
pub(crate) struct Task<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    /// The process that works on it: one that was forked has neither the thread nor its result.
    pid: u32,
    state: Mutex<State<T>>,
    changed: Condvar,
    stop: Arc<Stop>,
}

#[derive(Debug)]
enum State<T> {
    Working(Option<Waker>),
    Done(Option<T>),
}

/// Tells work how much of it is wanted.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    wanted: Mutex<StopMode>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// All that it meant to do.
    #[default]
    All,
    /// What it has.
    Enough,
    Nothing,
}

impl<T: Send + 'static> Task<T> {
    pub(crate) fn spawn(
        name: &str,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            pid: std::process::id(),
            state: Mutex::new(State::Working(None)),
            changed: Condvar::new(),
            stop: Arc::default(),
        });
        let task = Self(Arc::clone(&shared));
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(move || {
            leave_signals_to_others();
            // A waiter must hear of a panic too, which has been reported by its hook.
            let result = catch_unwind(AssertUnwindSafe(|| work(&shared.stop))).ok();
            let former = std::mem::replace(&mut *shared.lock(), State::Done(result));
            shared.changed.notify_all();
            if let State::Working(Some(waker)) = former {
                let _panicked_and_counted = WAKER.call(|| waker.wake());
            }
        })?;
        Ok(task)
    }

    /// Ends the work early; its result so far is kept.
    pub(crate) fn stop(&self) {
        if !self.0.is_here() {
            return;
        }
        self.0.stop.set(StopMode::Enough);
    }

    /// Blocks until the work is done; `None` when it panicked, or is another process's.
    pub(crate) fn wait(self) -> Option<T> {
        if !self.0.is_here() {
            return None;
        }
        let mut state = self.0.lock();
        loop {
            if let State::Done(result) = &mut *state {
                return result.take();
            }
            let waited = self.0.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// `None` when its result was taken before, it panicked, or is another process's.
impl<T: Send + 'static> Future for Task<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if !self.0.is_here() {
            return Poll::Ready(None);
        }
        // The waker is the application's: nothing of it is called while the lock is held.
        let new = context.waker().clone();
        let mut state = self.0.lock();
        let former = match &mut *state {
            State::Done(result) => return Poll::Ready(result.take()),
            State::Working(waker) => waker.replace(new),
        };
        drop(state);
        drop(former);
        Poll::Pending
    }
}

impl<T> Shared<T> {
    fn is_here(&self) -> bool {
        self.pid == std::process::id()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if self.0.is_here() {
            self.0.stop.set(StopMode::Nothing);
        }
    }
}

impl Stop {
    fn set(&self, wanted: StopMode) {
        *self.lock() = wanted;
        self.changed.notify_all();
    }

    pub(crate) fn wanted(&self) -> StopMode {
        *self.lock()
    }

    /// Waits until then; `true` when it was stopped before.
    pub(crate) fn wait_until(&self, then: Instant) -> bool {
        let left = then.saturating_duration_since(Instant::now());
        let goes_on = |wanted: &mut StopMode| *wanted == StopMode::All;
        let waited = self.changed.wait_timeout_while(self.lock(), left, goes_on);
        *waited.unwrap_or_else(PoisonError::into_inner).0 != StopMode::All
    }

    fn lock(&self) -> MutexGuard<'_, StopMode> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The application's handlers are to run on the application's threads.
fn leave_signals_to_others() {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is filled before it is read, and concerns this thread alone.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut());
    }
}
