//! The signals that are passed on to the programs.

use std::fs::File;
use std::io;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{self, SignalKind};

/// Those that ask the console to end, and with it its programs.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    quit: unix::Signal,
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// Where the operating system refuses.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hangup: unix::signal(SignalKind::hangup())?,
            quit: unix::signal(SignalKind::quit())?,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.quit.recv() => Signal::QUIT,
        }
    }

    /// Waits for any of them.
    pub async fn received(&mut self) {
        self.next().await;
    }
}

/// Whether the terminal has sent this one to the programs as well: Ctrl-C and Ctrl-\ reach every process of the
/// group in its foreground.
pub(super) fn is_sent_to_all(signal: Signal) -> bool {
    if signal != Signal::INT && signal != Signal::QUIT {
        return false;
    }
    let terminal = File::open("/dev/tty").ok();
    terminal.and_then(|tty| tcgetpgrp(tty).ok()).is_some_and(|group| group == getpgrp())
}

/// Sends it to the process of this id. One that has ended meanwhile needs none.
pub(super) fn send(id: Option<u32>, signal: Signal) {
    let id = id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        let _ = kill_process(id, signal);
    }
}
