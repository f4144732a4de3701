//! Memory barriers of all threads, made by the kernel (`membarrier`, Linux 4.14).

#![allow(unsafe_code, reason = "it is a system call")]

use std::sync::OnceLock;

/// Whether the kernel offers barriers, so that pins need none. It is asked once.
pub(super) fn is_supported() -> bool {
    /// `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED` of linux/membarrier.h.
    const REGISTER_COMMAND: i32 = 1 << 4;

    static SUPPORTED: OnceLock<bool> = OnceLock::new();
    *SUPPORTED.get_or_init(|| membarrier(REGISTER_COMMAND))
}

/// Issues a memory barrier on every running thread of the process.
pub(super) fn issue() -> bool {
    /// `MEMBARRIER_CMD_PRIVATE_EXPEDITED`
    const BARRIER_COMMAND: i32 = 1 << 3;

    membarrier(BARRIER_COMMAND)
}

#[cfg(all(target_os = "linux", not(miri)))]
fn membarrier(command: i32) -> bool {
    // SAFETY: this system call reads and writes none of our memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn membarrier(_: i32) -> bool {
    false
}
