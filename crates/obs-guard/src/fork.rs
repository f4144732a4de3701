//! Detects that the process was forked.

#![allow(unsafe_code, reason = "libc's hook for fork has no safe counterpart")]

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};

static GENERATION: AtomicU32 = AtomicU32::new(0);
static IS_REGISTERED: AtomicBool = AtomicBool::new(false);

/// A number that differs in every forked child: what was made at another number has lost its
/// threads, and its locks may be held for ever. Needs [`watch_forks`].
#[inline]
pub fn fork_generation() -> u32 {
    GENERATION.load(Relaxed)
}

/// From now on a forked child has its own [`fork_generation`], and repeats none of its parent's random
/// numbers.
pub fn watch_forks() {
    // Two threads may both register the hook: a fork counts twice then. Neither forks unwatched.
    if !IS_REGISTERED.load(Relaxed) {
        register();
        IS_REGISTERED.store(true, Relaxed);
    }
}

#[cfg(unix)]
fn register() {
    unsafe extern "C" fn in_child() {
        GENERATION.fetch_add(1, Relaxed);
        crate::state::reset_state();
    }
    // SAFETY: the function lives as long as the program, takes nothing and does not unwind. It stores to
    // an atomic and to a constant-initialised thread-local without a destructor, which is allowed between
    // fork and exec. Where registering fails (no memory), a fork goes unnoticed and nothing else happens.
    unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    }
}

#[cfg(not(unix))]
fn register() {}
