//! RFC 3339 in UTC with microseconds: always 27 bytes, so that lines align and sort as text.

use std::cell::Cell;

use super::moment::Moment;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::ticks::Ticks;

/// A thread's clock, and the text of one second, `2026-06-19T10:23:45.`, kept because most lines share theirs with the last.
#[derive(Default)]
pub(crate) struct Clock {
    second: Cell<Option<i64>>,
    text: Cell<[u8; 20]>,
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    ticks: Ticks,
}

impl Clock {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        self.ticks.now()
    }

    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        Moment::now()
    }

    /// Appends `2026-06-19T10:23:45.123456Z`.
    pub(crate) fn append(&self, out: &mut Vec<u8>, time: Moment) {
        out.extend_from_slice(&self.text(time));
    }

    /// `2026-06-19T10:23:45.123456Z`.
    #[inline]
    pub(crate) fn text(&self, time: Moment) -> [u8; 27] {
        if self.second.get() != Some(time.second) {
            self.text.set(second_text(time.second));
            self.second.set(Some(time.second));
        }
        let micros = time.nanos / 1000;
        let mut text = [b'Z'; 27];
        text[..20].copy_from_slice(&self.text.get());
        two_digits(&mut text, 20, micros / 10_000);
        two_digits(&mut text, 22, micros / 100 % 100);
        two_digits(&mut text, 24, micros % 100);
        text
    }
}

#[cold]
fn second_text(second: i64) -> [u8; 20] {
    let (year, month, day) = civil(second.div_euclid(86_400));
    let of_day = second.rem_euclid(86_400) as u32;
    let year = year.clamp(0, 9999) as u32; // four digits are what RFC 3339 has
    let mut text = *b"0000-00-00T00:00:00.";
    two_digits(&mut text, 0, year / 100);
    two_digits(&mut text, 2, year % 100);
    two_digits(&mut text, 5, month);
    two_digits(&mut text, 8, day);
    two_digits(&mut text, 11, of_day / 3600);
    two_digits(&mut text, 14, of_day / 60 % 60);
    two_digits(&mut text, 17, of_day % 60);
    text
}

#[inline]
fn two_digits(text: &mut [u8], at: usize, value: u32) {
    text[at..at + 2].copy_from_slice(&PAIRS[value as usize % 100]);
}

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// The nanoseconds since the epoch of a text that [`Clock`] made; `None` before 1970 and for other texts.
#[cfg(feature = "otlp")]
pub(crate) fn unix_nanos(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let micros = number(20..26)?;
    let days = days(year as i64, month as i64, day as i64);
    let second = days.checked_mul(86_400)?.checked_add(seconds as i64)?;
    u64::try_from(second).ok()?.checked_mul(1_000_000_000)?.checked_add(micros * 1000)
}

/// The inverse of [`civil`].
#[cfg(feature = "otlp")]
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;

    fn text(time: SystemTime) -> String {
        let mut out = Vec::new();
        Clock::default().append(&mut out, time.into());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_times_are_formatted_as_rfc_3339() {
        let after = |seconds, nanos| text(UNIX_EPOCH + Duration::new(seconds, nanos));
        assert_eq!(after(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(after(1_781_864_625, 123_456_789), "2026-06-19T10:23:45.123456Z");
        assert_eq!(after(951_782_400, 1_000), "2000-02-29T00:00:00.000001Z");
        assert_eq!(after(4_102_444_799, 999_999_999), "2099-12-31T23:59:59.999999Z");
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn timestamp_parses_back() {
        for second in (0..5_000_000_000).step_by(86_399 * 31) {
            let nanos = second * 1_000_000_000 + 123_456_000;
            let time = UNIX_EPOCH + Duration::from_nanos(nanos);
            assert_eq!(unix_nanos(&text(time)), Some(nanos), "{second}");
        }
        assert_eq!(unix_nanos("yesterday"), None);
    }

    #[test]
    fn times_before_epoch_or_past_year_9999_keep_width() {
        assert_eq!(text(UNIX_EPOCH - Duration::from_micros(1)), "1969-12-31T23:59:59.999999Z");
        let far = UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        assert_eq!(text(far).len(), 27);
    }
}
