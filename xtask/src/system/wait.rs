//! Waiting for something to become true.

use std::time::{Duration, Instant};

use crate::error::Failure;

/// Asks every 50 ms until there is an answer; past `most`, a failure that says what was waited for.
pub(crate) fn until<T>(
    what: &str,
    most: Duration,
    mut ask: impl FnMut() -> Option<T>,
) -> Result<T, Failure> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if started.elapsed() > most {
            let seconds = most.as_secs();
            return Err(Failure::new(format!("waited {seconds} s in vain until {what}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
