//! A moment of the system's clocks.

#![allow(unsafe_code, reason = "the standard library's clock costs as much again as the system's")]

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment since the epoch, split as the text of a line needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// Negative before 1970.
    pub(super) second: i64,
    pub(super) nanos: u32,
}

/// What one of the system's clocks shows.
#[cfg(unix)]
#[inline]
pub(super) fn system_time(clock: libc::clockid_t) -> Moment {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours and whole; should the call fail, which these clocks never do, the
    // epoch stays in it.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Moment { second: time.tv_sec, nanos: time.tv_nsec as u32 }
}

impl Moment {
    #[cfg(unix)]
    pub(crate) fn now() -> Self {
        system_time(libc::CLOCK_REALTIME)
    }

    #[cfg(not(unix))]
    pub(crate) fn now() -> Self {
        SystemTime::now().into()
    }

    /// Nanoseconds since whatever the clock begins with.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    pub(super) fn since_zero(self) -> u64 {
        (self.second as u64).wrapping_mul(1_000_000_000).wrapping_add(u64::from(self.nanos))
    }

    /// Nanoseconds since the epoch, 0 before it.
    pub(crate) fn since_epoch(self) -> u64 {
        let seconds = u64::try_from(self.second).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(u64::from(self.nanos))
    }

    /// Whole seconds since the epoch, rounded down.
    pub(crate) fn second(self) -> i64 {
        self.second
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self { second: after.as_secs() as i64, nanos: after.subsec_nanos() },
            Err(error) => {
                let nanos = -(error.duration().as_nanos() as i128);
                let second = nanos.div_euclid(1_000_000_000) as i64;
                Self { second, nanos: nanos.rem_euclid(1_000_000_000) as u32 }
            }
        }
    }
}
