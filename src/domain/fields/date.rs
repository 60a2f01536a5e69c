//! `date`: a moment in UTC, to the millisecond, as `2026-11-21 05:32:23.830Z`.

use serde_json::Value;

use crate::clock::civil;
use crate::clock::days;
use crate::domain::fields::DateOptions;
use crate::domain::fields::Problem;

mod worded;

const DAY_MS: i64 = 86_400_000;

pub fn cast(value: &Value) -> Value {
    let text = value.as_str().and_then(parse).map(print);
    Value::from(text.unwrap_or_default())
}

pub fn problem(options: &DateOptions, text: &str) -> Option<Problem> {
    let moment = parse(text)?;
    if let Some(min) = parse(&options.min)
        && moment < min
    {
        return Some(
            Problem::new(
                "validation_min_greater_equal_than_required",
                format!("Must not be before {}.", print(min)),
            )
            .with("threshold", print(min).into()),
        );
    }
    if let Some(max) = parse(&options.max)
        && moment > max
    {
        return Some(
            Problem::new(
                "validation_max_less_equal_than_required",
                format!("Must not be after {}.", print(max)),
            )
            .with("threshold", print(max).into()),
        );
    }
    None
}

/// The canonical text of a moment in milliseconds since the epoch.
pub fn print(moment_ms: i64) -> String {
    let (year, month, day) = civil(moment_ms.div_euclid(DAY_MS));
    let rest = moment_ms.rem_euclid(DAY_MS);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, millisecond) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// Reads `2024-01-02`, optionally with a time (after a blank or `T`), a fraction (after `.` or `,`) of
/// which milliseconds count, and `Z` or an offset; or a date in English words, see `worded`. In
/// milliseconds since the epoch.
pub fn parse(text: &str) -> Option<i64> {
    if text.starts_with(|first: char| first.is_ascii_digit())
        && text.as_bytes().get(4) == Some(&b'-')
    {
        numbers(text)
    } else {
        worded::parse(text)
    }
}

fn numbers(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, until: usize| -> Option<i64> {
        let digits = bytes.get(from..until)?;
        digits
            .iter()
            .try_fold(0, |sum, d| d.is_ascii_digit().then(|| sum * 10 + i64::from(d - b'0')))
    };
    let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if !is(4, b"-") || !is(7, b"-") || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    if bytes.len() == 10 {
        return moment((year, month, day), (0, 0, 0));
    }
    // An hour may have one digit.
    let colon = if is(12, b":") { 12 } else { 13 };
    if !is(10, b" T") || !is(colon, b":") || !is(colon + 3, b":") {
        return None;
    }
    let (minute, second) = (number(colon + 1, colon + 3)?, number(colon + 4, colon + 6)?);
    let mut moment = moment((year, month, day), (number(11, colon)?, minute, second))?;
    let mut at = colon + 6;
    if is(at, b".,") {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        // Cut, not rounded.
        let kept = digits.min(3);
        moment += number(at + 1, at + 1 + kept)? * [100, 10, 1][kept - 1];
        at += 1 + digits;
    }
    let rest = &bytes[at..];
    // As Go prints it: the name of the zone follows its offset.
    let is_named = rest.len() > 4 && rest.ends_with(b" UTC");
    let moment = moment - offset_ms(&rest[..rest.len() - if is_named { 4 } else { 0 }])?;
    (0..=9999).contains(&civil(moment.div_euclid(DAY_MS)).0).then_some(moment)
}

/// A day and a time of it, if there is such a day and time.
fn moment(day: (i64, i64, i64), (hour, minute, second): (i64, i64, i64)) -> Option<i64> {
    let days = days(day.0, day.1, day.2);
    let is_there = civil(days) == day && hour <= 23 && minute <= 59 && second <= 59;
    is_there.then_some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000)
}

fn offset_ms(rest: &[u8]) -> Option<i64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    match rest.strip_prefix(b" ").unwrap_or(rest) {
        [] if rest.is_empty() => Some(0),
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h, i, b':', m, n] | [sign @ (b'+' | b'-'), h, i, m, n] => {
            let (hours, minutes) = (digit(h)? * 10 + digit(i)?, digit(m)? * 10 + digit(n)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60_000;
            Some(if *sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_read_in_all_their_forms() {
        for (input, stored) in [
            ("2024-01-02", "2024-01-02 00:00:00.000Z"),
            ("2024-01-02 03:04:05", "2024-01-02 03:04:05.000Z"),
            ("2024-01-02T03:04:05", "2024-01-02 03:04:05.000Z"),
            ("2024-01-02 03:04:05.678912Z", "2024-01-02 03:04:05.678Z"),
            ("2024-01-02T03:04:05.6789+02:00", "2024-01-02 01:04:05.678Z"),
            ("2024-01-02 03:04:05 +0200", "2024-01-02 01:04:05.000Z"),
            ("2024-01-02T03:04:05.7-00:30", "2024-01-02 03:34:05.700Z"),
            ("2024-01-02 03:04:05,5", "2024-01-02 03:04:05.500Z"),
            ("2024-01-02 3:04:05", "2024-01-02 03:04:05.000Z"),
            ("2024-01-02T3:04:05.25Z", "2024-01-02 03:04:05.250Z"),
            ("2024-01-02 03:04:05.5 +0200 UTC", "2024-01-02 01:04:05.500Z"),
            ("2024-01-02 03:04:05 UTC", ""),
            ("Tue, 02 Jan 2024 03:04:05 GMT", "2024-01-02 03:04:05.000Z"),
            ("0000-01-01", "0000-01-01 00:00:00.000Z"),
            ("2024-02-29", "2024-02-29 00:00:00.000Z"),
            ("2024-02-30", ""),
            ("2023-02-29", ""),
            ("2024", ""),
            ("2024-1-2", ""),
            ("2024-01-02T03:04", ""),
            ("2024-01-02T25:00:00Z", ""),
            ("10000-01-01", ""),
            (" 2024-01-02 ", ""),
            ("1700000000", ""),
            ("2024-01-02 03:04:05é", ""),
            ("", ""),
        ] {
            assert_eq!(cast(&input.into()), Value::from(stored), "{input}");
        }
        assert_eq!(cast(&1_700_000_000.into()), Value::from(""));
    }

    proptest! {
        #[test]
        fn printed_moments_read_back(moment in -62_135_596_800_000i64..253_402_300_799_999) {
            prop_assert_eq!(parse(&print(moment)), Some(moment));
        }

        #[test]
        fn reading_never_panics(text in ".*") {
            parse(&text);
        }
    }
}
