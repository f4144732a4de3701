//! One CPU profile at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::inside::error::Kind;

/// The process whose profile is in progress, and its end.
static CURRENT: Mutex<Option<(u32, Option<Instant>)>> = Mutex::new(None);

/// The right to take a CPU profile: one exists at a time.
#[derive(Debug)]
pub(crate) struct ProfileSlot(());

impl ProfileSlot {
    pub(crate) fn begin(duration: Duration) -> Result<Self, Error> {
        let mut under_way = lock();
        let own = std::process::id();
        match *under_way {
            // A process that was forked meanwhile has a copy of this, but no profiler.
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

impl Drop for ProfileSlot {
    fn drop(&mut self) {
        *lock() = None;
    }
}

fn lock() -> MutexGuard<'static, Option<(u32, Option<Instant>)>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}
