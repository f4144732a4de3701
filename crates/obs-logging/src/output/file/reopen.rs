//! Opening all log files anew, as programs do that are sent a hangup.

#![allow(unsafe_code, reason = "a handler of a signal has no safe counterpart")]

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::Error;

static ASKED: AtomicU32 = AtomicU32::new(0);

/// The handler that was there before, if it was a function.
static EARLIER: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);

/// How often it was asked for.
#[inline]
pub(super) fn asked() -> u32 {
    ASKED.load(Ordering::Relaxed)
}

/// Has every log file of the process opened anew, each before its next line.
///
/// Nobody needs this after a file was moved or removed, which is noticed within half a second; it makes
/// it happen at once. It does one atomic addition: a handler of signals may call it.
pub fn reopen_files() {
    ASKED.fetch_add(1, Ordering::Relaxed);
}

/// Calls [`reopen_files`] whenever the process is sent `SIGHUP`, which would end it otherwise: what
/// `postrotate` in a configuration of logrotate expects. A handler that was there before is still called.
///
/// This sets the process's handler of `SIGHUP`.
///
/// # Errors
/// When the system refuses.
#[cfg(unix)]
pub fn reopen_files_on_hangup() -> Result<(), Error> {
    // SAFETY: the structures are ours and whole, zero being a valid value of each of their fields; the
    // handler takes what the flags say, does two atomic operations, which are allowed in a handler, and
    // calls an earlier handler as the system would have done.
    let done = unsafe {
        let mut earlier: libc::sigaction = std::mem::zeroed();
        let mut ours: libc::sigaction = std::mem::zeroed();
        ours.sa_sigaction = on_hangup as *const () as usize;
        ours.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut ours.sa_mask);
        let done = libc::sigaction(libc::SIGHUP, &raw const ours, &raw mut earlier);
        let is_plain = earlier.sa_flags & libc::SA_SIGINFO == 0;
        let is_other = earlier.sa_sigaction != on_hangup as *const () as usize;
        if done == 0 && is_plain && is_other && earlier.sa_sigaction != libc::SIG_IGN {
            EARLIER.store(earlier.sa_sigaction, Ordering::Relaxed);
        }
        done
    };
    if done == 0 {
        return Ok(());
    }
    let error = Error::new("SIGHUP cannot be handled", "call reopen_files where you handle it");
    Err(error.caused_by(std::io::Error::last_os_error()))
}

#[cfg(unix)]
extern "C" fn on_hangup(signal: libc::c_int) {
    reopen_files();
    let earlier = EARLIER.load(Ordering::Relaxed);
    if earlier != libc::SIG_DFL {
        // SAFETY: it was installed as a handler that takes the signal's number.
        let earlier: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(earlier) };
        earlier(signal);
    }
}
