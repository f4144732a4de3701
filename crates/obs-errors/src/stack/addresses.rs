//! The addresses of the calling thread's stack: all that the failing thread pays for.
//!
//! `backtrace::Backtrace` looks each function's begin up twice besides, and takes a lock that whoever looks
//! names up holds: for the first stack of a large program that is a second.
#![cfg_attr(not(windows), allow(unsafe_code, reason = "a failing thread waits for no lock"))]

use backtrace::Frame;

/// The innermost calls that are captured, this crate's own among them.
const MAX_ADDRESSES: usize = 192;
/// Enough for most stacks.
const INITIAL_CAPACITY: usize = 64;

pub(super) fn capture() -> Vec<usize> {
    let mut addresses = Vec::with_capacity(INITIAL_CAPACITY);
    walk(|frame| {
        addresses.push(frame.ip().addr());
        addresses.len() < MAX_ADDRESSES
    });
    addresses
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
