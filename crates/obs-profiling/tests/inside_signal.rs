//! A process whose SIGPROF belongs to something else. Alone in its process: handlers stay.

#![cfg(target_os = "linux")]
#![allow(unsafe_code, clippy::unwrap_used, reason = "a handler of another profiler")]

use std::mem;
use std::ptr;
use std::time::Duration;

use obs_profiling::{CpuProfiler, NoStackReason, Recording, Stack, dump_own};

extern "C" fn of_another(_: i32) {}

#[test]
fn handler_of_other_profiler_is_kept() {
    let mut found;
    // SAFETY: plain numbers, and a handler that does nothing.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = of_another as *const () as usize;
        found = action;
        assert_eq!(libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut()), 0);
    }
    let recording = Recording { rate: 100, duration: Duration::from_millis(10) };
    let error = CpuProfiler::start(recording).unwrap_err();
    assert!(error.to_string().contains("only one profiler can use it"), "{error}");
    assert!(!error.is_under_way());
    assert_eq!(own_stack(), Err(NoStackReason::Running));
    // SAFETY: it only reads.
    unsafe {
        assert_eq!(libc::sigaction(libc::SIGPROF, ptr::null(), &raw mut found), 0);
        assert_eq!(found.sa_sigaction, of_another as *const () as usize);
        // Where the other one gives it up, ours works.
        found.sa_sigaction = libc::SIG_DFL;
        assert_eq!(libc::sigaction(libc::SIGPROF, &raw const found, ptr::null_mut()), 0);
    }
    CpuProfiler::start(recording).unwrap().wait().unwrap();
    let shown = std::iter::repeat_with(own_stack).take(1_000).find_map(Result::ok).unwrap();
    assert!(shown.to_string().contains("own_stack"), "{shown}");
}

/// Of this thread, which runs.
#[inline(never)]
fn own_stack() -> Result<Stack, NoStackReason> {
    let own = nix::unistd::gettid().as_raw();
    let dump = dump_own().unwrap();
    dump.threads.into_iter().find(|thread| thread.tid == own).unwrap().stack
}
