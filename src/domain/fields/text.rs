//! `text`: any Unicode string, as it was sent.

use serde_json::Value;

use crate::domain::fields::Problem;
use crate::domain::fields::TextOptions;
use crate::domain::json;

/// Most characters when the field sets no limit.
const MAX_DEFAULT: u64 = 5000;

/// Numbers and booleans become text, everything else that is no text becomes blank.
pub fn cast(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone(),
        // All digits, however many: an exponent is for numbers.
        Value::Number(number) if number.is_f64() => {
            number.as_f64().unwrap_or_default().to_string().into()
        }
        Value::Number(_) | Value::Bool(_) => json::print(value).into(),
        Value::Null | Value::Array(_) | Value::Object(_) => "".into(),
    }
}

pub fn problem(options: &TextOptions, text: &str) -> Option<Problem> {
    let max = if options.max == 0 { MAX_DEFAULT } else { options.max };
    length_problem(text, options.min, max).or_else(|| format_problem(&options.pattern, text))
}

/// Blank text has no length to check: `required` is what refuses it.
pub(super) fn length_problem(text: &str, min: u64, max: u64) -> Option<Problem> {
    if text.is_empty() {
        return None;
    }
    let length = text.chars().count() as u64;
    if length < min {
        let problem = Problem::new(
            "validation_min_text_constraint",
            format!("Must have at least {min} character(s)."),
        );
        return Some(problem.with("min", min.into()));
    }
    if length > max {
        let problem = Problem::new(
            "validation_max_text_constraint",
            format!("Must have no more than {max} character(s)."),
        );
        return Some(problem.with("max", max.into()));
    }
    None
}

pub(super) fn format_problem(pattern: &super::Pattern, text: &str) -> Option<Problem> {
    let wrong = !text.is_empty() && !pattern.matches(text);
    wrong.then(|| Problem::new("validation_invalid_format", "Does not have the expected format."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_booleans_become_text() {
        for (given, cast_to) in [
            (json!("  x "), "  x "),
            (json!(1.50), "1.5"),
            (json!(5), "5"),
            (json!(1e21), "1000000000000000000000"),
            (json!(true), "true"),
            (json!(null), ""),
            (json!(["a"]), ""),
            (json!({"a": 1}), ""),
        ] {
            assert_eq!(cast(&given), json!(cast_to));
        }
    }

    #[test]
    fn counts_characters_not_bytes() {
        let options = |min, max| TextOptions { min, max, ..TextOptions::default() };
        let code = |options: &TextOptions, text| problem(options, text).map(|found| found.code);
        assert_eq!(code(&options(3, 3), "åäö"), None);
        assert_eq!(code(&options(0, 2), "åäö"), Some("validation_max_text_constraint"));
        assert_eq!(code(&options(4, 0), "åäö"), Some("validation_min_text_constraint"));
        assert_eq!(code(&options(4, 0), ""), None);
        let long = "x".repeat(5001);
        assert_eq!(code(&options(0, 0), &long), Some("validation_max_text_constraint"));
    }
}
