//! The value that a signal of ours carries.

use std::ptr;

/// The word that a signal carries: 26 bits for the number of the profile, 16 for the timer's, and 22
/// for the thread, of which 0 is whichever runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignalValue {
    pub(crate) number: u32,
    pub(crate) timer: usize,
    pub(crate) tid: i32,
}

pub(crate) const LAST_NUMBER: u32 = (1 << 26) - 1;
const LAST_TIMER: u64 = (1 << 16) - 1;
const LAST_TID: u64 = (1 << 22) - 1;

impl SignalValue {
    pub(crate) fn value(self) -> libc::sigval {
        let tid = u64::from(self.tid.cast_unsigned()) & LAST_TID;
        let timer = (self.timer as u64 & LAST_TIMER) << 22;
        let word = u64::from(self.number & LAST_NUMBER) << 38 | timer | tid;
        libc::sigval { sival_ptr: ptr::without_provenance_mut(word as usize) }
    }

    pub(crate) fn of(value: libc::sigval) -> Self {
        let word = value.sival_ptr.addr() as u64;
        let number = (word >> 38) as u32;
        let timer = (word >> 22 & LAST_TIMER) as usize;
        Self { number, timer, tid: (word & LAST_TID) as i32 }
    }
}
