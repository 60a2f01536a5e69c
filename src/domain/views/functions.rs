//! Functions of values that a view may call.

use crate::domain::views::dates;
use crate::domain::views::members;
use crate::domain::views::value::Value;

/// Longest text that a function may make: texts grow by being replaced in themselves.
const TEXT_LIMIT: usize = 1 << 20;

/// From the values of the operands, and what the time is.
pub type Scalar = fn(&[Value], i64) -> Value;

/// The function `name` with this many operands.
pub fn find(name: &str, operands: usize) -> Option<Scalar> {
    let (at_least, at_most, function): (usize, usize, Scalar) = match name {
        "upper" => (1, 1, |of, _| textual(of, |text| text.to_ascii_uppercase())),
        "lower" => (1, 1, |of, _| textual(of, |text| text.to_ascii_lowercase())),
        "length" => (1, 1, |of, _| known(of, |of| Value::from(of[0].text().chars().count()))),
        "trim" => (1, 2, |of, _| trim(of, true, true)),
        "ltrim" => (1, 2, |of, _| trim(of, true, false)),
        "rtrim" => (1, 2, |of, _| trim(of, false, true)),
        "substr" | "substring" => (2, 3, |of, _| known(of, substring)),
        "replace" => (3, 3, |of, _| known(of, replace)),
        "instr" => (2, 2, |of, _| known(of, position)),
        "concat" => (1, usize::MAX, |of, _| joined("", of)),
        "concat_ws" => {
            (2, usize::MAX, |of, _| known(&of[..1], |with| joined(&with[0].text(), &of[1..])))
        }
        "abs" => (1, 1, |of, _| absolute(&of[0])),
        "sign" => {
            (1, 1, |of, _| numeric(of, |number| if number == 0.0 { 0.0 } else { number.signum() }))
        }
        "ceil" | "ceiling" => (1, 1, |of, _| numeric(of, f64::ceil)),
        "floor" => (1, 1, |of, _| numeric(of, f64::floor)),
        "round" => (1, 2, |of, _| known(of, round)),
        "nullif" => (2, 2, |of, _| if equal(&of[0], &of[1]) { Value::Null } else { of[0].clone() }),
        "coalesce" => (2, usize::MAX, |of, _| first(of)),
        "ifnull" => (2, 2, |of, _| first(of)),
        "iif" | "if" => (2, 3, |of, _| {
            let chosen = if of[0].truth() == Some(true) { of.get(1) } else { of.get(2) };
            chosen.cloned().unwrap_or(Value::Null)
        }),
        // With one operand they are aggregates.
        "min" => (2, usize::MAX, |of, _| known(of, |of| least(of.iter()))),
        "max" => (2, usize::MAX, |of, _| known(of, |of| greatest(of.iter()))),
        "typeof" => (1, 1, |of, _| Value::from(type_name(&of[0]))),
        "date" => (0, usize::MAX, |of, now| dates::formatted("%Y-%m-%d", of, now)),
        "time" => (0, usize::MAX, |of, now| dates::formatted("%H:%M:%S", of, now)),
        "datetime" => (0, usize::MAX, |of, now| dates::formatted("%Y-%m-%d %H:%M:%S", of, now)),
        "julianday" => (0, usize::MAX, |of, now| as_number(dates::formatted("%J", of, now))),
        "unixepoch" => (0, usize::MAX, |of, now| as_number(dates::formatted("%s", of, now))),
        "strftime" => (1, usize::MAX, |of, now| {
            known(&of[..1], |format| dates::formatted(&format[0].text(), &of[1..], now))
        }),
        "json_extract" => (2, 2, |of, _| known(of, |of| members::extract(&of[0], &of[1]))),
        "json_array_length" => (1, 2, |of, _| known(of, |of| members::length(&of[0], of.get(1)))),
        "json_valid" => {
            (1, 1, |of, _| known(of, |of| Value::from(members::parse(&of[0]).is_some())))
        }
        "json_type" => (1, 2, |of, _| known(of, |of| members::type_name(&of[0], of.get(1)))),
        _ => return None,
    };
    (at_least..=at_most).contains(&operands).then_some(function)
}

/// The least value, numbers before texts.
pub fn least<'a>(mut values: impl Iterator<Item = &'a Value>) -> Value {
    let Some(first) = values.next() else { return Value::Null };
    values.fold(first, |best, next| if next.order(best).is_lt() { next } else { best }).clone()
}

/// The greatest value, texts before numbers.
pub fn greatest<'a>(mut values: impl Iterator<Item = &'a Value>) -> Value {
    let Some(first) = values.next() else { return Value::Null };
    values.fold(first, |best, next| if next.order(best).is_gt() { next } else { best }).clone()
}

/// Nothing, if any operand is nothing.
fn known(of: &[Value], function: impl Fn(&[Value]) -> Value) -> Value {
    if of.iter().any(Value::is_null) { Value::Null } else { function(of) }
}

fn textual(of: &[Value], function: impl Fn(String) -> String) -> Value {
    known(of, |of| Value::from(function(of[0].text())))
}

/// Whole numbers stay what they are; text that is no number has none.
fn numeric(of: &[Value], function: impl Fn(f64) -> f64) -> Value {
    match &of[0] {
        Value::Real(number) => Value::Real(function(*number)),
        Value::Integer(number) => Value::Integer(function(*number as f64) as i64),
        Value::Null | Value::Text(_) => Value::Null,
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    !left.is_null() && !right.is_null() && left.order(right).is_eq()
}

fn first(of: &[Value]) -> Value {
    of.iter().find(|value| !value.is_null()).cloned().unwrap_or(Value::Null)
}

fn joined(with: &str, of: &[Value]) -> Value {
    let texts: Vec<String> = of.iter().filter(|value| !value.is_null()).map(Value::text).collect();
    limited(texts.join(with))
}

/// The text, or nothing if it is too long: texts that are put together may double each time.
pub fn limited(text: String) -> Value {
    if text.len() > TEXT_LIMIT { Value::Null } else { Value::from(text) }
}

fn trim(of: &[Value], start: bool, end: bool) -> Value {
    known(of, |of| {
        let text = of[0].text();
        let letters = of.get(1).map_or(" ".to_owned(), Value::text);
        let mut rest = text.as_str();
        if start {
            rest = rest.trim_start_matches(|letter| letters.contains(letter));
        }
        if end {
            rest = rest.trim_end_matches(|letter| letters.contains(letter));
        }
        Value::from(rest)
    })
}

/// Letters count from 1, or from the end where they are negative.
fn substring(of: &[Value]) -> Value {
    let letters: Vec<char> = of[0].text().chars().collect();
    let count = letters.len() as i64;
    let mut from = of[1].integer();
    let mut length = of.get(2).map_or(i64::MAX, Value::integer);
    if from < 0 {
        from = from.saturating_add(count);
        if from < 0 {
            // What would lie before the first letter is counted.
            length = if length < 0 { 0 } else { length.saturating_add(from).max(0) };
            from = 0;
        }
    } else if from > 0 {
        from -= 1;
    } else if length > 0 && length < i64::MAX {
        // There is no letter 0, but it is counted.
        length -= 1;
    }
    let (start, end) = match length < 0 {
        true => (from.saturating_add(length).max(0), from),
        false => (from, from.saturating_add(length)),
    };
    let (start, end) = (start.min(count) as usize, end.clamp(0, count) as usize);
    Value::from(letters.get(start..end).unwrap_or_default().iter().collect::<String>())
}

fn replace(of: &[Value]) -> Value {
    let (text, from, to) = (of[0].text(), of[1].text(), of[2].text());
    if from.is_empty() {
        return of[0].clone();
    }
    // Looked at beforehand: each place of one letter may become a text of any length.
    let places = text.matches(&from).count();
    if places.saturating_mul(to.len()) > TEXT_LIMIT {
        return Value::Null;
    }
    limited(text.replace(&from, &to))
}

fn position(of: &[Value]) -> Value {
    let (text, part) = (of[0].text(), of[1].text());
    Value::from(text.find(&part).map_or(0, |at| text[..at].chars().count() + 1))
}

fn absolute(of: &Value) -> Value {
    match of {
        Value::Integer(number) => Value::Integer(number.saturating_abs()),
        Value::Null => Value::Null,
        other => Value::Real(other.real().abs()),
    }
}

/// Halves go away from zero.
fn round(of: &[Value]) -> Value {
    let places = of.get(1).map_or(0, Value::integer).clamp(0, 30);
    let number = of[0].real();
    if number.abs() > 4_503_599_627_370_496.0 {
        return Value::Real(number);
    }
    if places == 0 {
        return Value::Real(number.round());
    }
    // Digits first: 0.285 is stored a little less, and is meant to become 0.29.
    let digits = format!("{:.*}", places as usize, nudged(number));
    Value::Real(digits.parse().unwrap_or(number))
}

fn nudged(number: f64) -> f64 {
    let read: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    read * (1.0 + f64::EPSILON)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Integer(_) => "integer",
        Value::Real(_) => "real",
        Value::Text(_) => "text",
    }
}

fn as_number(text: Value) -> Value {
    text.number()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, operands: &[Value], expected: impl Into<Value>) {
        let function = find(name, operands.len()).unwrap();
        assert_eq!(function(operands, 0), expected.into(), "{name}{operands:?}");
    }

    #[test]
    fn parts_of_texts_count_from_either_end() {
        let part = |from: i64, length: Option<i64>, expected: &str| {
            let mut operands = vec!["Alpha".into(), Value::Integer(from)];
            operands.extend(length.map(Value::Integer));
            check("substr", &operands, expected);
        };
        part(2, None, "lpha");
        part(2, Some(3), "lph");
        part(-3, None, "pha");
        part(-3, Some(2), "ph");
        part(0, Some(2), "A");
        part(3, Some(-2), "Al");
        part(-9, Some(6), "Al");
        part(9, Some(1), "");
        part(i64::MIN, Some(i64::MIN), "");
        part(i64::MAX, Some(i64::MAX), "");
    }

    #[test]
    fn numbers_are_rounded_as_they_read() {
        check("round", &[Value::Real(2.5)], Value::Real(3.0));
        check("round", &[Value::Real(-2.5)], Value::Real(-3.0));
        check("round", &[Value::Real(0.285), Value::Integer(2)], Value::Real(0.29));
        check("round", &[Value::Real(1.25), Value::Integer(1)], Value::Real(1.3));
        check("round", &[Value::Null], Value::Null);
        check("abs", &["-3x".into()], Value::Real(3.0));
    }

    #[test]
    fn texts_are_cut_and_changed() {
        check("trim", &["  a ".into()], "a");
        check("trim", &["xyaxy".into(), "xy".into()], "a");
        check("replace", &["aaa".into(), "a".into(), "bb".into()], "bbbbbb");
        check("replace", &["aaa".into(), "".into(), "b".into()], "aaa");
        check("instr", &["äöb".into(), "b".into()], Value::Integer(3));
        check("concat_ws", &["-".into(), "a".into(), Value::Null, Value::Integer(1)], "a-1");
        check("upper", &["aä".into()], "Aä");
        check("nullif", &["a".into(), "a".into()], Value::Null);
        check("min", &[Value::Integer(3), "a".into()], Value::Integer(3));
        check("max", &[Value::Integer(3), Value::Null], Value::Null);
    }

    #[test]
    fn texts_do_not_grow_without_end() {
        let long = Value::from("a".repeat(2000));
        check("replace", &[long.clone(), "a".into(), long], Value::Null);
    }
}
