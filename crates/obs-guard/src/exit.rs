//! Hooks for when the process exits by itself.

#![allow(unsafe_code, reason = "libc's hook for exit has no safe counterpart")]

use std::sync::{Mutex, Once, PoisonError};

use crate::place::Place;

static HOOKS: Mutex<Vec<fn()>> = Mutex::new(Vec::new());
static AT_EXIT: Place = Place::new("exit");

/// Calls `hook` when the process exits by itself: by `std::process::exit`, or at the end of `main`; not when
/// it is killed or aborts. In the order of registering; what is registered twice is called once.
///
/// It runs on the exiting thread while others still run, and delays the exit for as long as it takes.
pub fn at_exit(hook: fn()) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    let mut hooks = HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    if !hooks.iter().any(|hooks| std::ptr::fn_addr_eq(*hooks, hook)) {
        hooks.push(hook);
    }
}

#[cfg(unix)]
fn register() {
    extern "C" fn at_exit() {
        // A forked child may find the lock held by a thread that it does not have.
        let Ok(hook) = HOOKS.try_lock().map(|hook| hook.clone()) else { return };
        for hook in hook {
            let _panicked_and_counted = AT_EXIT.call(hook);
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
