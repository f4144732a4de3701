//! Ctrl-C and SIGTERM, counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::register;

/// How often they have come.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupts: Arc<AtomicUsize>,
    terminations: Arc<AtomicUsize>,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        let signals = Self { interrupts: Arc::default(), terminations: Arc::default() };
        count(SIGINT, &signals.interrupts)?;
        count(SIGTERM, &signals.terminations)?;
        count(SIGHUP, &signals.terminations)?;
        Ok(signals)
    }

    pub(crate) fn interrupts(&self) -> usize {
        self.interrupts.load(Ordering::Acquire)
    }

    /// SIGTERM, or a terminal that has gone.
    pub(crate) fn terminations(&self) -> usize {
        self.terminations.load(Ordering::Acquire)
    }
}

#[allow(unsafe_code, reason = "what runs in a signal handler must be told to be harmless there")]
fn count(signal: i32, counter: &Arc<AtomicUsize>) -> io::Result<()> {
    let counter = Arc::clone(counter);
    // SAFETY: the handler adds to an atomic, and does nothing else.
    unsafe {
        register(signal, move || {
            counter.fetch_add(1, Ordering::AcqRel);
        })
    }?;
    Ok(())
}
