//! The one clock: what the time is, for rules, tokens, limits and logs; tests set it by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time. Clones of a set clock move together.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// Stands still until somebody moves it.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// Returns a clock that stands at `now_ms` (milliseconds since the epoch).
    pub fn set(now_ms: i64) -> Self {
        Self::Set(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Returns milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => system_ms(),
            Self::Set(now_ms) => now_ms.load(Ordering::SeqCst),
        }
    }

    /// Moves a set clock forward; the machine's goes on by itself.
    pub fn advance(&self, by_ms: i64) {
        if let Self::Set(now_ms) = self {
            now_ms.fetch_add(by_ms, Ordering::SeqCst);
        }
    }
}

/// Returns what the machine's clock says, in milliseconds since the epoch.
pub fn system_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Appends a moment as `2026-11-21T05:32:23.830Z`.
pub fn write_rfc3339(out: &mut Vec<u8>, at_ms: i64) {
    let days = at_ms.div_euclid(86_400_000);
    let ms = at_ms.rem_euclid(86_400_000);
    let (year, month, day) = civil(days);
    let mut digits = |value: i64, width: u32, end: &[u8]| {
        for place in (0..width).rev() {
            out.push(b'0' + (value / 10_i64.pow(place) % 10) as u8);
        }
        out.extend_from_slice(end);
    };
    digits(year, 4, b"-");
    digits(month, 2, b"-");
    digits(day, 2, b"T");
    digits(ms / 3_600_000, 2, b":");
    digits(ms / 60_000 % 60, 2, b":");
    digits(ms / 1000 % 60, 2, b".");
    digits(ms % 1000, 3, b"Z");
}

/// Returns a moment as `2026-11-21T05:32:23.830Z`.
pub fn rfc3339(at_ms: i64) -> String {
    let mut out = Vec::with_capacity(24);
    write_rfc3339(&mut out, at_ms);
    String::from_utf8(out).expect("digits and marks are ASCII")
}

/// Days since 1970 of a date of the proleptic Gregorian calendar (Howard Hinnant's method): years
/// start in March, so that the leap day comes last.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day number since 1970: undoes `days`.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_moments_as_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_239_143_830), "2026-11-21T05:32:23.830Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn set_clocks_stand_still_and_clones_move_together() {
        let clock = Clock::set(5);
        let other = clock.clone();
        other.advance(10);
        assert_eq!(clock.now_ms(), 15);
    }
}
