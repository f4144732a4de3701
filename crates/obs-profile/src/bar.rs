//! The progress bar of a recording, on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use obs_profiling::Progress;

const WIDTH: usize = 30;

/// Gone from the terminal when it is dropped.
#[derive(Debug)]
pub(crate) struct Bar {
    is_shown: bool,
    /// `None` when the duration is not known.
    duration: Option<Duration>,
}

impl Bar {
    pub(crate) fn new(duration: Option<Duration>) -> Self {
        Self { is_shown: io::stderr().is_terminal(), duration }
    }

    pub(crate) fn show(&mut self, progress: Progress) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K{}", text(progress, self.duration));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn text(progress: Progress, duration: Option<Duration>) -> String {
    let elapsed = progress.elapsed.as_secs_f64();
    let bar = match duration {
        Some(duration) => {
            let share = (elapsed / duration.as_secs_f64()).clamp(0.0, 1.0);
            format!("[{:WIDTH$}] ", "=".repeat((share * WIDTH as f64) as usize))
        }
        None => String::new(),
    };
    format!("{bar}{elapsed:.1} s, {} samples; Ctrl-C ends and keeps them", progress.samples)
}
