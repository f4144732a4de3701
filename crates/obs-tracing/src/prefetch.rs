//! Asking for memory before it is needed: records come back from the export thread's core, or from the
//! memory that a full queue is.

#![allow(unsafe_code, reason = "the processor's hints are not safe functions")]

/// Asks for what a value is made of, to write it soon.
#[inline(always)]
pub(crate) fn value<T>(value: &T) {
    lines(std::ptr::from_ref(value).cast(), size_of::<T>());
}

/// Asks for the beginning of an allocation, used or not.
#[inline(always)]
pub(crate) fn beginning<T>(pointer: *const T, bytes: usize) {
    lines(pointer.cast(), bytes);
}

#[inline(always)]
fn lines(first: *const u8, bytes: usize) {
    const LINE: usize = 64;
    for at in (0..bytes).step_by(LINE) {
        line(first.wrapping_add(at));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn line(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
    // SAFETY: a prefetch of any address is a hint that has no effect on what the program sees.
    unsafe { _mm_prefetch::<_MM_HINT_ET0>(address.cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn line(_: *const u8) {}
