//! What is still to be done when the process exits by itself.

#![allow(unsafe_code, reason = "libc's hook for exit has no safe counterpart")]

use std::sync::{Mutex, Once, PoisonError};

use crate::place::Place;

static LAST: Mutex<Vec<fn()>> = Mutex::new(Vec::new());
static AT_EXIT: Place = Place::new("exit");

/// Calls `last` when the process exits by itself: by `std::process::exit`, or at the end of `main`; not when
/// it is killed or aborts. In the order of registering; what is registered twice is called once.
///
/// It runs on the exiting thread while others still run, and delays the exit for as long as it takes.
pub fn at_exit(last: fn()) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    let mut known = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.iter().any(|known| std::ptr::fn_addr_eq(*known, last)) {
        known.push(last);
    }
}

#[cfg(unix)]
fn register() {
    extern "C" fn at_exit() {
        // A forked child may find the lock held by a thread that it does not have.
        let Ok(last) = LAST.try_lock().map(|last| last.clone()) else { return };
        for work in last {
            let _panicked_and_counted = AT_EXIT.call(work);
        }
    }
    // SAFETY: the function lives as long as the program, takes nothing, and does not unwind, since what it
    // calls is caught. Where registering fails, the hook is missing and nothing else happens.
    unsafe {
        libc::atexit(at_exit);
    }
}

#[cfg(not(unix))]
fn register() {}
