//! How the address of a word reaches the processor.

/// The same reference, its address computed beforehand.
///
/// Intel's processors since Golden Cove take a load that follows a store to the same address from the
/// store's register, in no time, but only where the address is one register: with an index in it, a word
/// that is counted in again and again costs five cycles each time instead of one or two.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
#[allow(unsafe_code, reason = "no instruction at all, which the compiler cannot look into")]
#[allow(
    clippy::pointers_in_nomem_asm_block,
    reason = "the pointer is passed through, not followed"
)]
pub(super) fn in_one_register<T>(reference: &T) -> &T {
    use std::arch::asm;

    let mut address: *const T = reference;
    // SAFETY: there is no instruction, so the pointer is the reference that it was.
    unsafe {
        asm!("/* {0} */", inout(reg) address, options(pure, nomem, nostack, preserves_flags));
        &*address
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline(always)]
pub(super) fn in_one_register<T>(reference: &T) -> &T {
    reference
}
