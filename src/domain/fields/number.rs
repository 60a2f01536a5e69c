//! `number`: a 64-bit float.

use serde_json::{Number, Value};

use crate::domain::fields::NumberOptions;
use crate::domain::fields::Problem;
use crate::domain::json;

/// Texts are parsed, booleans count 0 or 1, everything else is 0. Text that names something that is
/// not a finite number stays text, for validation to refuse.
pub fn cast(value: &Value) -> Value {
    let number = match value {
        Value::Number(number) => number.as_f64().unwrap_or(0.0),
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::String(text) => match parse(text) {
            Some(number) if !number.is_finite() => return Value::String(text.clone()),
            number => number.unwrap_or(0.0),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => 0.0,
    };
    from(number)
}

/// The JSON number for a finite `number`; integral ones print without a fraction.
pub fn from(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 && !(number == 0.0 && number.is_sign_negative())
    {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::from(0), Value::Number)
}

fn parse(text: &str) -> Option<f64> {
    let number = text.parse::<f64>().ok()?;
    // A number too large for a float is not a number that was meant to be infinite.
    let overflow = number.is_infinite() && text.contains(|digit: char| digit.is_ascii_digit());
    (!overflow).then_some(number)
}

/// Zero is no value: bounds don't apply to it, being required does.
pub fn problem(options: &NumberOptions, value: &Value) -> Option<Problem> {
    let Some(number) = value.as_f64() else {
        return Some(Problem::new("validation_not_a_number", "Must be a number."));
    };
    if number == 0.0 {
        return None;
    }
    // Beyond those, a whole number is none of a program's.
    let is_int = number.fract() == 0.0 && number >= i64::MIN as f64 && number < i64::MAX as f64;
    if options.only_int && !is_int {
        return Some(Problem::new("validation_only_int_constraint", "Must be a whole number."));
    }
    if let Some(min) = options.min
        && number < min
    {
        let message = format!("Must be at least {}.", json::print(&from(min)));
        return Some(
            Problem::new("validation_min_number_constraint", message).with("min", from(min)),
        );
    }
    if let Some(max) = options.max
        && number > max
    {
        let message = format!("Must be at most {}.", json::print(&from(max)));
        return Some(
            Problem::new("validation_max_number_constraint", message).with("max", from(max)),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_parsed_and_garbage_is_zero() {
        for (given, cast_to) in [
            (json!("1e3"), json!(1000)),
            (json!("-2.5"), json!(-2.5)),
            (json!(" 5 "), json!(0)),
            (json!("0x10"), json!(0)),
            (json!("1e999"), json!(0)),
            (json!(true), json!(1)),
            (json!({"a": 1}), json!(0)),
            (json!(5.0), json!(5)),
            (json!("NaN"), json!("NaN")),
        ] {
            assert_eq!(cast(&given), cast_to, "{given}");
        }
    }

    #[test]
    fn bounds_and_whole_numbers_are_checked() {
        let options = NumberOptions { min: Some(1.0), max: Some(10.0), only_int: true };
        let code = |value| problem(&options, &value).map(|found| found.code);
        assert_eq!(code(json!(5)), None);
        assert_eq!(code(json!(0)), None);
        assert_eq!(code(json!(-1)), Some("validation_min_number_constraint"));
        assert_eq!(code(json!(11)), Some("validation_max_number_constraint"));
        assert_eq!(code(json!(1.5)), Some("validation_only_int_constraint"));
        assert_eq!(code(json!(1e21)), Some("validation_only_int_constraint"));
        assert_eq!(code(json!("NaN")), Some("validation_not_a_number"));
    }
}
