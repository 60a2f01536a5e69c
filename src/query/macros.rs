//! `@now` and its like: what the request's moment says.

use crate::query::calendar::{DAY_MS, Moment};
use crate::store::codec::Datum;

const NAMES: [&str; 16] = [
    "now",
    "yesterday",
    "tomorrow",
    "todayStart",
    "todayEnd",
    "monthStart",
    "monthEnd",
    "yearStart",
    "yearEnd",
    "second",
    "minute",
    "hour",
    "weekday",
    "day",
    "month",
    "year",
];

pub fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// What the macro `name` means at `now_ms`; `None` if there is no such macro.
pub fn value(name: &str, now_ms: i64) -> Option<Datum<'static>> {
    let now = Moment::of(now_ms);
    let (month, year) = (
        Moment { day: 1, ms_of_day: 0, ..now },
        Moment { year: now.year, month: 1, day: 1, ms_of_day: 0 },
    );
    let text = |ms: i64| Datum::Text(Moment::of(ms).text().into());
    let number = |number: i64| Datum::Number(number as f64);
    let today = now_ms - now.ms_of_day;
    Some(match name {
        "now" => text(now_ms),
        "yesterday" => text(now_ms - DAY_MS),
        "tomorrow" => text(now_ms + DAY_MS),
        "todayStart" => text(today),
        "todayEnd" => text(today + DAY_MS - 1),
        "monthStart" => text(month.ms()),
        "monthEnd" => text(Moment { month: month.month + 1, ..month }.ms() - 1),
        "yearStart" => text(year.ms()),
        "yearEnd" => text(Moment { year: year.year + 1, ..year }.ms() - 1),
        "second" => number(now.second()),
        "minute" => number(now.minute()),
        "hour" => number(now.hour()),
        "weekday" => number(now.weekday()),
        "day" => number(now.day),
        "month" => number(now.month),
        "year" => number(now.year),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::samples;
    use crate::query::world::World;

    /// 2024-02-29 12:34:56.789Z, a Thursday.
    const NOW: i64 = 1_709_210_096_789;

    fn check(name: &str, wanted: &str) {
        let found = match value(name, NOW).unwrap() {
            Datum::Text(text) => text.into_owned(),
            Datum::Number(number) => number.to_string(),
            Datum::Null => "null".to_owned(),
        };
        assert_eq!(found, wanted, "@{name}");
    }

    #[test]
    fn macros_follow_the_moment() {
        check("now", "2024-02-29 12:34:56.789Z");
        check("yesterday", "2024-02-28 12:34:56.789Z");
        check("tomorrow", "2024-03-01 12:34:56.789Z");
        check("todayStart", "2024-02-29 00:00:00.000Z");
        check("todayEnd", "2024-02-29 23:59:59.999Z");
        check("monthStart", "2024-02-01 00:00:00.000Z");
        check("monthEnd", "2024-02-29 23:59:59.999Z");
        check("yearStart", "2024-01-01 00:00:00.000Z");
        check("yearEnd", "2024-12-31 23:59:59.999Z");
        check("hour", "12");
        check("weekday", "4");
        check("month", "2");
    }

    #[test]
    fn numbers_beside_texts_have_no_fraction() {
        let stays = samples::collection(1, "stays", &[("year", samples::text())]);
        let stay = |id: &str, year: &str| ("stays", json!({"id": id, "year": year}));
        let world = World::new(vec![stays], &[stay("a", "2026"), stay("b", "2026.0")]);
        let ids = |filter: &str| world.ids(&World::guest(), "stays", "", filter, "id").unwrap();
        assert_eq!(ids("year = @year"), ["a"]);
        assert_eq!(ids("year = 2026"), ["b"], "of a literal the fraction is printed");
    }

    #[test]
    fn every_listed_macro_has_a_value() {
        assert!(NAMES.iter().all(|name| value(name, NOW).is_some()));
        assert!(value("zz", NOW).is_none());
    }
}
