//! The addresses of the calling thread's stack, which is all that the thread that fails pays for.
//!
//! `backtrace::Backtrace` looks each function's begin up twice besides, and takes a lock that whoever looks
//! names up holds: for the first stack of a large program that is a second.
#![cfg_attr(not(windows), allow(unsafe_code, reason = "a failing thread waits for no lock"))]

use backtrace::Frame;

/// The innermost calls that are taken, this crate's own among them.
const MOST: usize = 192;
/// As many as most stacks have.
const USUAL: usize = 64;

pub(super) fn taken() -> Vec<usize> {
    let mut taken = Vec::with_capacity(USUAL);
    walk(|frame| {
        taken.push(frame.ip().addr());
        taken.len() < MOST
    });
    taken
}

#[cfg(not(windows))]
fn walk(take: impl FnMut(&Frame) -> bool) {
    // SAFETY: what the lock guards is Windows' dbghelp and the cache of symbols. Elsewhere this is
    // `_Unwind_Backtrace` alone, as it is below every panic: threads may be in it at once.
    unsafe { backtrace::trace_unsynchronized(take) }
}

#[cfg(windows)]
fn walk(take: impl FnMut(&Frame) -> bool) {
    backtrace::trace(take);
}
