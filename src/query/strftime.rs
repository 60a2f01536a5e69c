//! `strftime`: dates as text, as in SQLite.

use std::fmt::Write;

use crate::query::calendar::{DAY_MS, Moment};

/// Longest text that a format may make: formats come from strangers.
const TEXT_LIMIT: usize = 1000;

/// `date` as `format` wants it, after `modifiers`; `None` for what is no date or no modifier.
pub fn strftime<'a>(
    format: &str,
    date: &str,
    modifiers: impl Iterator<Item = &'a str>,
    now_ms: i64,
) -> Option<String> {
    let mut modifiers = modifiers.map(|modifier| modifier.trim().to_ascii_lowercase()).peekable();
    let number = date.trim().parse::<f64>().ok();
    let start = match modifiers.peek().map(String::as_str) {
        Some("unixepoch") => of_seconds(number?)?,
        Some("julianday") => of_julian(number?)?,
        Some("auto") => match number {
            Some(number) => of_julian(number).or_else(|| of_seconds(number))?,
            None => parse(date, now_ms)?,
        },
        _ => parse(date, now_ms)?,
    };
    let says_what_numbers_are =
        |word: &String| matches!(&**word, "unixepoch" | "julianday" | "auto");
    modifiers.next_if(says_what_numbers_are);
    let mut date = Date { ms: start, beyond: 0 };
    for modifier in modifiers {
        date = date.modified(&modifier)?;
        if !(-62_167_219_200_000 * 2..=253_402_300_799_999).contains(&date.ms) {
            return None;
        }
    }
    let ms = date.ms;
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter == '%' {
            put(&mut text, letters.next()?, ms)?;
        } else {
            text.push(letter);
        }
        if text.len() > TEXT_LIMIT {
            return None;
        }
    }
    Some(text)
}

fn put(text: &mut String, letter: char, ms: i64) -> Option<()> {
    let moment = Moment::of(ms);
    let (hour, minute, second) = (moment.hour(), moment.minute(), moment.second());
    let twelve = (hour + 11) % 12 + 1;
    let yearday = moment.day_of_year() - 1;
    let weekday = moment.weekday();
    let half = if hour < 12 { ["AM", "am"] } else { ["PM", "pm"] };
    match letter {
        'd' => write!(text, "{:02}", moment.day),
        'e' => write!(text, "{:2}", moment.day),
        'f' => write!(text, "{second:02}.{:03}", ms.rem_euclid(1000)),
        'F' => write!(text, "{:04}-{:02}-{:02}", moment.year, moment.month, moment.day),
        'G' => write!(text, "{:04}", moment.iso_week().0),
        'g' => write!(text, "{:02}", moment.iso_week().0.rem_euclid(100)),
        'H' => write!(text, "{hour:02}"),
        'I' => write!(text, "{twelve:02}"),
        'j' => write!(text, "{:03}", moment.day_of_year()),
        'J' => write!(text, "{}", 2_440_587.5 + ms as f64 / DAY_MS as f64),
        'k' => write!(text, "{hour:2}"),
        'l' => write!(text, "{twelve:2}"),
        'm' => write!(text, "{:02}", moment.month),
        'M' => write!(text, "{minute:02}"),
        'p' => write!(text, "{}", half[0]),
        'P' => write!(text, "{}", half[1]),
        'R' => write!(text, "{hour:02}:{minute:02}"),
        's' => write!(text, "{}", ms.div_euclid(1000)),
        'S' => write!(text, "{second:02}"),
        'T' => write!(text, "{hour:02}:{minute:02}:{second:02}"),
        'u' => write!(text, "{}", (weekday + 6) % 7 + 1),
        'U' => write!(text, "{:02}", (yearday + 7 - weekday) / 7),
        'V' => write!(text, "{:02}", moment.iso_week().1),
        'w' => write!(text, "{weekday}"),
        'W' => write!(text, "{:02}", (yearday + 7 - (weekday + 6) % 7) / 7),
        'Y' => write!(text, "{:04}", moment.year),
        '%' => write!(text, "%"),
        _ => return None,
    }
    .ok()
}

/// `now`, a day, a day and a time with or without a zone, a time, or a Julian day number.
fn parse(text: &str, now_ms: i64) -> Option<i64> {
    let text = text.trim_end();
    if text.eq_ignore_ascii_case("now") {
        return Some(now_ms);
    }
    if let Ok(julian) = text.parse::<f64>() {
        return of_julian(julian);
    }
    if text.as_bytes().get(2) == Some(&b':') {
        let noon_of_nowhere = Moment { year: 2000, month: 1, day: 1, ms_of_day: 0 };
        return Some(noon_of_nowhere.ms() + time_of_day(text)?);
    }
    let (day, rest) = text.split_at_checked(10)?;
    let mut parts = day.split('-').map(|part| {
        part.parse::<i64>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let start = Moment { year, month, day, ms_of_day: 0 }.ms();
    match rest.trim_start_matches([' ', 'T']) {
        "" => Some(start),
        time => Some(start + time_of_day(time)?),
    }
}

/// Milliseconds of `HH:MM[:SS[.fff]]`, less the offset of a zone behind it.
fn time_of_day(text: &str) -> Option<i64> {
    let pair = |text: &str| -> Option<i64> {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    };
    let text = text.trim_end();
    let (time, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => match text.rfind(['+', '-']) {
            Some(at) => {
                let sign = if text.as_bytes()[at] == b'-' { -1 } else { 1 };
                let (hours, minutes) = text[at + 1..].split_once(':')?;
                (&text[..at], sign * (pair(hours)? * 60 + pair(minutes)?))
            }
            None => (text, 0),
        },
    };
    let mut parts = time.trim_end().split(':');
    let (hours, minutes) = (pair(parts.next()?)?, pair(parts.next()?)?);
    let mut ms = 0;
    if let Some(seconds) = parts.next() {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let fraction: f64 = format!("0.{fraction}").parse().ok()?;
        ms = pair(whole).filter(|whole| *whole < 60)? * 1000 + (fraction * 1000.0).round() as i64;
    }
    if parts.next().is_some() || hours > 24 || minutes > 59 {
        return None;
    }
    Some(hours * 3_600_000 + minutes * 60_000 + ms - offset * 60_000)
}

fn of_julian(days: f64) -> Option<i64> {
    let inside = (0.0..5_373_484.5).contains(&days);
    inside.then(|| ((days - 2_440_587.5) * DAY_MS as f64).round() as i64)
}

fn of_seconds(seconds: f64) -> Option<i64> {
    let inside = (-210_866_760_000.0..253_402_300_800.0).contains(&seconds);
    inside.then(|| (seconds * 1000.0).round() as i64)
}

/// A date while it is modified.
struct Date {
    ms: i64,
    /// Days that it lies behind the end of the month that was meant.
    beyond: i64,
}

impl Date {
    fn modified(self, modifier: &str) -> Option<Self> {
        let ms = self.ms;
        let moment = Moment::of(ms);
        let at = |ms: i64| Some(Self { ms, beyond: 0 });
        match modifier {
            // The server's own zone is UTC, always.
            "utc" | "localtime" | "subsec" | "subsecond" => return Some(self),
            "floor" => return at(ms - self.beyond * DAY_MS),
            "ceiling" => return at(ms),
            "start of day" => return at(ms - moment.ms_of_day),
            "start of month" => return at(Moment { day: 1, ms_of_day: 0, ..moment }.ms()),
            "start of year" => return at(Moment { month: 1, day: 1, ms_of_day: 0, ..moment }.ms()),
            _ => {}
        }
        if let Some(day) = modifier.strip_prefix("weekday ") {
            let wanted = day.trim().parse::<i64>().ok().filter(|day| (0..=6).contains(day))?;
            return at(ms + (wanted - moment.weekday()).rem_euclid(7) * DAY_MS);
        }
        let (amount, unit) = modifier.split_once(' ')?;
        let amount = amount.parse::<f64>().ok().filter(|amount| amount.abs() < 1e12)?;
        let each = match unit.trim().trim_end_matches('s') {
            "second" => 1000.0,
            "minute" => 60_000.0,
            "hour" => 3_600_000.0,
            "day" => DAY_MS as f64,
            "month" if amount.abs() < 1e6 => {
                return Some(Self::of(Moment { month: moment.month + amount as i64, ..moment }));
            }
            "year" if amount.abs() < 1e5 => {
                return Some(Self::of(Moment { year: moment.year + amount as i64, ..moment }));
            }
            _ => return None,
        };
        at(ms.checked_add((amount * each).round() as i64)?)
    }

    /// A day that may lie behind the end of its month.
    fn of(moment: Moment) -> Self {
        let first = Moment { day: 1, ..moment };
        let days = (Moment { month: first.month + 1, ..first }.ms() - first.ms()) / DAY_MS;
        Self { ms: moment.ms(), beyond: (moment.day - days).max(0) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(format: &str, date: &str, modifiers: &[&str], wanted: Option<&str>) {
        let found = strftime(format, date, modifiers.iter().copied(), 0);
        assert_eq!(found.as_deref(), wanted, "{format} of {date} with {modifiers:?}");
    }

    #[test]
    fn dates_are_formatted_as_sqlite_does() {
        let date = "2024-06-15 13:05:09.250Z";
        check("%Y-%m-%d", date, &[], Some("2024-06-15"));
        check("%H:%M:%f %I %p %j %w %u", date, &[], Some("13:05:09.250 01 PM 167 6 6"));
        check("%s%%", "1970-01-02", &[], Some("86400%"));
        check("%U %W %V %G", "2024-01-01", &[], Some("00 01 01 2024"));
        check("%J", "2000-01-01 12:00:00", &[], Some("2451545"));
        check("%T", "2024-06-15T13:05:09+02:00", &[], Some("11:05:09"));
    }

    #[test]
    fn modifiers_move_the_date() {
        check("%F", "2024-01-31", &["+1 month"], Some("2024-03-02"));
        check("%F", "2024-06-15", &["start of month", "+1 month", "-1 day"], Some("2024-06-30"));
        check("%F", "2024-06-15", &["weekday 0"], Some("2024-06-16"));
        check("%F", "2024-06-15", &["-1.5 days", "start of year"], Some("2024-01-01"));
        check("%F", "2024-01-31", &["+1 month", "floor"], Some("2024-02-29"));
        check("%F", "2024-02-29", &["-1 year", "floor"], Some("2023-02-28"));
        check("%F", "2024-01-31", &["+1 month", "ceiling", "floor"], Some("2024-03-02"));
        check("%F", "2024-06-15", &["backwards"], None);
    }

    #[test]
    fn numbers_are_what_the_first_modifier_says() {
        check("%F %T", "1700000000", &["unixepoch"], Some("2023-11-14 22:13:20"));
        check("%F", "1700000000", &["auto", "+1 day"], Some("2023-11-15"));
        check("%F", "2451545", &["auto"], Some("2000-01-01"));
        check("%F", "2451545", &["julianday"], Some("2000-01-01"));
        check("%F", "2024-06-15", &["auto"], Some("2024-06-15"));
        for (date, modifiers) in [
            ("1700000000", &[][..]),
            ("1700000000", &["+1 day", "unixepoch"]),
            ("2024-06-15", &["unixepoch"]),
            ("inf", &["auto"]),
        ] {
            check("%F", date, modifiers, None);
        }
    }

    #[test]
    fn what_is_no_date_has_no_text() {
        for date in
            ["", "x", "2024-13-01", "2024-6-1", "2024-06-15 25:00", "é024-06-15", "+024-06-15"]
        {
            check("%Y", date, &[], None);
        }
        check("%Q", "2024-06-15", &[], None);
        check("%", "2024-06-15", &[], None);
    }

    proptest! {
        #[test]
        fn nothing_makes_strftime_panic(format in "[%a-zA-Z0-9]{0,8}", date in "[-0-9:TZ. +]{0,24}", modifier in "[-+0-9. a-z]{0,20}") {
            let _ = strftime(&format, &date, [modifier.as_str()].into_iter(), 0);
        }
    }
}
