//! Dates in views, printed by the function that filters have too.

use crate::domain::views::value::Value;
use crate::query;

/// A date (the first operand, or now) after its modifiers; nothing for what is none.
pub fn formatted(format: &str, of: &[Value], now_ms: i64) -> Value {
    if of.iter().any(Value::is_null) {
        return Value::Null;
    }
    let texts: Vec<String> = of.iter().map(Value::text).collect();
    let date = texts.first().map_or("now", String::as_str);
    let modifiers = texts.iter().skip(1).map(String::as_str);
    query::strftime(format, date, modifiers, now_ms).map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_changed_and_printed() {
        let check = |of: &[&str], expected: Value| {
            let of: Vec<Value> = of.iter().map(|text| Value::from(*text)).collect();
            assert_eq!(formatted("%Y-%m-%d", &of, 0), expected, "{of:?}");
        };
        check(&["2024-01-05 10:20:30.123Z"], "2024-01-05".into());
        check(&["2024-02-28", "+1 day", "start of month"], "2024-02-01".into());
        check(&["1704450030", "unixepoch"], "2024-01-05".into());
        check(&[], "1970-01-01".into());
        check(&[""], Value::Null);
    }
}
