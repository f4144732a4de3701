//! One CPU profile at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::inside::error::Kind;

/// The process that is being profiled, and until when.
static UNDER_WAY: Mutex<Option<(u32, Option<Instant>)>> = Mutex::new(None);

/// There is one of these at a time.
#[derive(Debug)]
pub(crate) struct Flight(());

impl Flight {
    pub(crate) fn begin(duration: Duration) -> Result<Self, Error> {
        let mut under_way = lock();
        let own = std::process::id();
        match *under_way {
            // A process that was forked meanwhile has the note, and not the profiler.
            Some((pid, end)) if pid == own => {
                let left = end.map(|end| end.saturating_duration_since(Instant::now()));
                Err(Error::from(Kind::UnderWay { left }))
            }
            _ => {
                *under_way = Some((own, Instant::now().checked_add(duration)));
                Ok(Self(()))
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        *lock() = None;
    }
}

fn lock() -> MutexGuard<'static, Option<(u32, Option<Instant>)>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}
