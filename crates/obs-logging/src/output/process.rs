//! The two moments in a process's life that a writer's thread does not survive: `exit` and `fork`.

#![allow(unsafe_code, reason = "libc's hooks for exit and fork have no safe counterpart")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::time::Duration;

use super::queue::Shared;

/// How long `exit` waits for each output.
const AT_EXIT: Duration = Duration::from_secs(2);

static LIVE: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());
static FORKS: AtomicU32 = AtomicU32::new(0);

/// How often this process has been forked from one that had a queue.
#[inline]
pub(super) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// From now on the queue is flushed when the process exits by itself (`std::process::exit`, or the end
/// of `main`), and a forked child knows that it has no worker.
pub(super) fn register(shared: &Arc<Shared>) {
    static HOOKS: Once = Once::new();
    HOOKS.call_once(install);
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|queue| queue.strong_count() > 0);
    live.push(Arc::downgrade(shared));
}

#[cfg(unix)]
fn install() {
    extern "C" fn at_exit() {
        flush_all();
    }
    unsafe extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: both functions live as long as the program, take nothing, and do not unwind; the one for
    // the child does one atomic addition, which is allowed between fork and exec. Where registering
    // fails, the hook is missing and nothing else happens.
    unsafe {
        libc::atexit(at_exit);
        libc::pthread_atfork(None, None, Some(in_child));
    }
}

#[cfg(not(unix))]
fn install() {}

#[cfg_attr(not(unix), allow(dead_code))]
fn flush_all() {
    // A forked child may find the lock held by a thread that it does not have.
    let Ok(live) = LIVE.try_lock().map(|live| live.clone()) else { return };
    for queue in live.iter().filter_map(Weak::upgrade) {
        queue.await_answer(AT_EXIT);
    }
}
