//! The state of a thread's random numbers, reset by a fork.

use std::cell::Cell;

thread_local! {
    /// Zeros before the first number.
    pub(crate) static STATE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Seeds this thread's generator again at its next number.
#[cfg(unix)]
pub(crate) fn reset_state() {
    STATE.with(|state| state.set((0, 0)));
}
