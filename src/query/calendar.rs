//! Days and times of day, UTC, from and to milliseconds since 1970.

use crate::clock::civil;
use crate::clock::days;

pub const DAY_MS: i64 = 86_400_000;

/// A date of the proleptic Gregorian calendar and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub ms_of_day: i64,
}

impl Moment {
    pub fn of(ms: i64) -> Self {
        let (year, month, day) = civil(ms.div_euclid(DAY_MS));
        Self { year, month, day, ms_of_day: ms.rem_euclid(DAY_MS) }
    }

    /// Months and days beyond their ranges count on into the next ones.
    pub fn ms(self) -> i64 {
        let months = self.month - 1;
        let (year, month) = (self.year + months.div_euclid(12), months.rem_euclid(12) + 1);
        (days(year, month, 1) + self.day - 1) * DAY_MS + self.ms_of_day
    }

    pub fn hour(self) -> i64 {
        self.ms_of_day / 3_600_000
    }

    pub fn minute(self) -> i64 {
        self.ms_of_day / 60_000 % 60
    }

    pub fn second(self) -> i64 {
        self.ms_of_day / 1000 % 60
    }

    /// 0 is Sunday.
    pub fn weekday(self) -> i64 {
        (days(self.year, self.month, self.day) + 4).rem_euclid(7)
    }

    /// 1 is the first of January.
    pub fn day_of_year(self) -> i64 {
        days(self.year, self.month, self.day) - days(self.year, 1, 1) + 1
    }

    /// The year and the week of it, as ISO 8601 counts them.
    pub fn iso_week(self) -> (i64, i64) {
        // The week belongs to the year of its Thursday.
        let from_monday = (self.weekday() + 6) % 7;
        let thursday = Self { day: self.day + 3 - from_monday, ..self };
        let thursday = Self::of(thursday.ms());
        (thursday.year, (thursday.day_of_year() - 1) / 7 + 1)
    }

    /// As dates are stored: `2024-06-15 12:30:00.000Z`.
    pub fn text(self) -> String {
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}Z",
            self.year,
            self.month,
            self.day,
            self.hour(),
            self.minute(),
            self.second(),
            self.ms_of_day % 1000
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn moments_give_back_their_milliseconds(ms in -60_000_000_000_000i64..250_000_000_000_000) {
            prop_assert_eq!(Moment::of(ms).ms(), ms);
        }
    }

    #[test]
    fn known_days_are_right() {
        let leap = Moment::of(1_709_208_000_000);
        assert_eq!(leap.text(), "2024-02-29 12:00:00.000Z");
        assert_eq!((leap.weekday(), leap.day_of_year()), (4, 60));
        assert_eq!(Moment::of(0).text(), "1970-01-01 00:00:00.000Z");
        let new_year = Moment { year: 2021, month: 1, day: 1, ms_of_day: 0 };
        assert_eq!(new_year.iso_week(), (2020, 53));
    }

    #[test]
    fn months_count_on() {
        let moment = Moment { year: 2024, month: 14, day: 31, ms_of_day: 0 };
        assert_eq!(Moment::of(moment.ms()).text(), "2025-03-03 00:00:00.000Z");
    }
}
