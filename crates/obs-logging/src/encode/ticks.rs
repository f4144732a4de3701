//! The time of day from the processor's counter, which costs a third of what the system's clock costs.
//!
//! Each thread looks at the system's clocks every few milliseconds and counts ticks in between, so that it
//! is off by a microsecond at most; a clock that is set is followed within that time. Only
//! where the kernel itself keeps time by this counter, which it gives up when the counter is unfit.

#![allow(unsafe_code, reason = "the counter has no safe counterpart")]

use std::arch::x86_64::_rdtsc;
use std::cell::Cell;
use std::sync::OnceLock;

use super::moment::{Moment, system_time};

/// How long ticks are counted before the clocks are read again.
const RESYNC_NANOS: u64 = 5_000_000;

/// A look at the clocks that takes more ticks than this was interrupted.
const MAX_READING_TICKS: u64 = 20_000;

const SECOND: u32 = 1_000_000_000;

/// A thread's last look at the clocks.
#[derive(Default)]
pub(crate) struct Ticks(Cell<Reading>);

#[derive(Clone, Copy, Default)]
struct Reading {
    ticks: u64,
    /// For this many ticks they are counted; 0 while their length is not known.
    counted: u64,
    /// The length of a tick: nanoseconds, with 32 binary places.
    length: u64,
    time: Moment,
    /// The monotonic clock, by which ticks are measured: it cannot be set.
    monotonic: u64,
}

impl Ticks {
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        let reading = self.0.get();
        let passed = ticks().wrapping_sub(reading.ticks);
        if passed < reading.counted { reading.after(passed) } else { self.read_clocks() }
    }

    #[cold]
    fn read_clocks(&self) -> Moment {
        if !is_fit() {
            return system_time(libc::CLOCK_REALTIME);
        }
        let before = ticks();
        let time = system_time(libc::CLOCK_REALTIME);
        let monotonic = system_time(libc::CLOCK_MONOTONIC).since_zero();
        let passed = ticks().wrapping_sub(before);
        let last = self.0.get();
        let since = monotonic.saturating_sub(last.monotonic);
        if passed > MAX_READING_TICKS
            || (last.counted == 0 && last.ticks != 0 && since < RESYNC_NANOS)
        {
            return time; // not now, or too early
        }
        let length = length(since, before.wrapping_sub(last.ticks)).filter(|_| last.ticks != 0);
        let counted = length.map_or(0, |length| (RESYNC_NANOS << 32) / length);
        let length = length.unwrap_or_default();
        let time = last.not_before(before, time);
        self.0.set(Reading { ticks: before, counted, length, time, monotonic });
        time
    }
}

impl Reading {
    #[inline]
    fn after(&self, ticks: u64) -> Moment {
        let nanos = self.time.nanos + ((ticks * self.length) >> 32) as u32;
        match nanos.checked_sub(SECOND) {
            Some(nanos) => Moment { second: self.time.second + 1, nanos },
            None => Moment { second: self.time.second, nanos },
        }
    }

    /// Where counting has run ahead a little, time stands still rather than go back.
    fn not_before(&self, ticks: u64, time: Moment) -> Moment {
        let passed = ticks.wrapping_sub(self.ticks);
        if passed > self.counted.saturating_mul(4) {
            return time;
        }
        let counted = self.after(passed);
        let ahead = counted.since_zero().saturating_sub(time.since_zero());
        if ahead < RESYNC_NANOS / 100 { counted.max(time) } else { time }
    }
}

/// Nanoseconds a tick, of a counter between 200 MHz and 10 GHz; anything else is none.
fn length(nanos: u64, ticks: u64) -> Option<u64> {
    let length = (u128::from(nanos) << 32).checked_div(u128::from(ticks))?;
    u64::try_from(length).ok().filter(|length| ((1 << 32) / 10..5 << 32).contains(length))
}

#[inline]
fn ticks() -> u64 {
    // SAFETY: every x86_64 has the counter; where a process may not read it, the kernel does not use it
    // as `is_fit` wants, or ends the process, as it does for the system's own clock.
    unsafe { _rdtsc() }
}

/// Whether the kernel trusts the counter.
fn is_fit() -> bool {
    static IS_FIT: OnceLock<bool> = OnceLock::new();
    *IS_FIT.get_or_init(|| {
        std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .is_ok_and(|source| source.trim() == "tsc")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_time_agrees_with_system_clock() {
        let ticks = Ticks::default();
        let mut agreed = 0;
        let begun = system_time(libc::CLOCK_MONOTONIC).since_zero();
        while system_time(libc::CLOCK_MONOTONIC).since_zero() - begun < 200_000_000 {
            let before = system_time(libc::CLOCK_REALTIME).since_zero();
            let counted = ticks.now().since_zero();
            let after = system_time(libc::CLOCK_REALTIME).since_zero();
            assert!(counted + 50_000 > before && counted < after + 50_000);
            agreed += 1;
        }
        assert!(agreed > 10, "{agreed}");
    }

    #[test]
    fn nanosecond_overflow_carries_into_seconds() {
        let time = Moment { second: 7, nanos: SECOND - 1 };
        let reading = Reading { counted: 9, length: 1 << 32, time, ..Reading::default() };
        assert_eq!(reading.after(0), time);
        assert_eq!(reading.after(1), Moment { second: 8, nanos: 0 });
    }

    #[test]
    fn ticks_of_impossible_length_are_rejected() {
        assert_eq!(length(1_000, 0), None);
        assert_eq!(length(1_000, 3_000), Some((1 << 32) / 3));
        assert_eq!(length(1_000, 1), None);
        assert_eq!(length(1, 1_000), None);
    }
}
