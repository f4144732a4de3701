//! Reopens all log files, as programs do on a hangup signal.

#![allow(unsafe_code, reason = "the action of a signal has no safe counterpart")]

#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;

static ASKED: AtomicU32 = AtomicU32::new(0);

/// How often it was asked for.
#[inline]
pub(super) fn asked() -> u32 {
    ASKED.load(Ordering::Relaxed)
}

/// Reopens every log file of the process, each before its next line.
///
/// Nobody needs this after a file was moved or removed, which is noticed within half a second; it makes
/// it happen at once. It does one atomic addition: a handler of signals may call it.
pub fn reopen_files() {
    ASKED.fetch_add(1, Ordering::Relaxed);
}

/// Calls [`reopen_files`] whenever the process is sent `SIGHUP`, which would end it otherwise: what
/// `postrotate` in a configuration of logrotate expects. Handlers that were there before are still called,
/// whatever they take, and so are those of tokio and signal-hook.
///
/// This sets the process's handler of `SIGHUP`. A second call changes nothing.
///
/// # Errors
/// When the system refuses.
#[cfg(unix)]
pub fn reopen_files_on_hangup() -> Result<(), Error> {
    static IS_REGISTERED: Mutex<bool> = Mutex::new(false);
    let mut is_registered = IS_REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    if *is_registered {
        return Ok(());
    }
    // SAFETY: the action does one atomic addition, which is allowed in a handler.
    let done = unsafe { signal_hook_registry::register(libc::SIGHUP, reopen_files) };
    done.map_err(|error| {
        Error::new("SIGHUP cannot be handled", "call reopen_files where you handle it")
            .caused_by(error)
    })?;
    *is_registered = true;
    Ok(())
}
