//! Dates in English words, as HTTP, mail, JavaScript and C write them.
//!
//! `Tue, 02 Jan 2024 03:04:05 GMT`, `Tuesday, 02-Jan-24 03:04:05 UTC`, `02 Jan 24 03:04 +0200`,
//! `Tue Jan  2 03:04:05 2024`: the month is a word, so the order of the rest tells nothing that the
//! shape of each part does not.

use crate::domain::fields::date;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
/// Longer ones are none.
const LONGEST: usize = 64;

/// The parts as they are found.
#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    time: Option<(i64, i64, i64)>,
    offset_ms: Option<i64>,
}

/// In milliseconds since the epoch; `None` unless every part is understood, and there once.
pub(super) fn parse(text: &str) -> Option<i64> {
    if text.len() > LONGEST || !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let mut parts = Parts::default();
    for (at, part) in text.split_ascii_whitespace().enumerate() {
        let weekday = part.trim_end_matches(',');
        if at == 0 && is_weekday(weekday) {
            continue;
        }
        // A day as `02-Jan-24`; the minus of an offset comes first.
        let is_day = part.matches('-').count() == 2;
        match is_day {
            true => part.split('-').try_for_each(|part| parts.take(part))?,
            false => parts.take(part)?,
        }
    }
    let day = (parts.year?, parts.month?, parts.day?);
    Some(date::moment(day, parts.time?)? - parts.offset_ms.unwrap_or(0))
}

impl Parts {
    fn take(&mut self, part: &str) -> Option<()> {
        if let Some(month) = MONTHS.iter().position(|month| part.eq_ignore_ascii_case(month)) {
            return put(&mut self.month, month as i64 + 1);
        }
        if part.contains(':') {
            return put(&mut self.time, time(part)?);
        }
        if matches!(part, "GMT" | "UTC") {
            return put(&mut self.offset_ms, 0);
        }
        if part.starts_with(['+', '-']) {
            return put(&mut self.offset_ms, date::offset_ms(part.as_bytes())?);
        }
        let number = number(part)?;
        match part.len() {
            4 => put(&mut self.year, number),
            1 | 2 if self.day.is_none() => put(&mut self.day, number),
            // Of two digits, as in the calendars of computers.
            2 => put(&mut self.year, if number < 69 { 2000 + number } else { 1900 + number }),
            _ => None,
        }
    }
}

fn is_weekday(word: &str) -> bool {
    let is = |day: &str| word.eq_ignore_ascii_case(day) || word.eq_ignore_ascii_case(&day[..3]);
    WEEKDAYS.iter().any(|day| is(day))
}

fn time(text: &str) -> Option<(i64, i64, i64)> {
    let parts: Vec<&str> = text.split(':').collect();
    let two = |part: &&str| number(part).filter(|_| part.len() == 2);
    match parts.as_slice() {
        [hour, minute] => Some((number(hour)?, two(minute)?, 0)),
        [hour, minute, second] => Some((number(hour)?, two(minute)?, two(second)?)),
        _ => None,
    }
}

fn number(text: &str) -> Option<i64> {
    let is_plain = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    match place {
        Some(_) => None,
        None => {
            *place = Some(value);
            Some(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_in_every_usual_order() {
        let wanted = date::parse("2024-01-02 03:04:05Z");
        for text in [
            "Tue, 02 Jan 2024 03:04:05 GMT",
            "Tue, 02 Jan 2024 05:04:05 +0200",
            "Tuesday, 02-Jan-24 03:04:05 UTC",
            "Tue Jan  2 03:04:05 2024",
            "Tue Jan  2 03:04:05 UTC 2024",
            "Tue Jan 02 02:04:05 -0100 2024",
            "2 Jan 2024 3:04:05",
        ] {
            assert!(parse(text).is_some(), "{text}");
            assert_eq!(parse(text), wanted, "{text}");
        }
        assert_eq!(parse("02 Jan 98 03:04 UTC"), date::parse("1998-01-02 03:04:00Z"));
    }

    #[test]
    fn other_words_are_not() {
        for text in [
            "",
            "Jan",
            "yesterday",
            "Tue, 02 Jan 2024",
            "Tue, 31 Feb 2024 03:04:05 GMT",
            "Tue, 02 Jan 2024 25:04:05 GMT",
            "Tue, 02 Jan 2024 03:04:05 Mars",
            "Tue, 02 Jan Feb 2024 03:04:05 GMT",
            "Tue Tue, 02 Jan 2024 03:04:05 GMT",
            "02 Jan 2024 03:04:05 2024",
            "02 Jan 2024 03:04:05 GMT UTC",
            "-02-Jan-24 03:04:05",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
