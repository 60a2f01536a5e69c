//! `bool`: true or false.

use serde_json::Value;

pub fn cast(value: &Value) -> Value {
    Value::Bool(match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => matches!(text.as_str(), "true" | "True" | "TRUE" | "1" | "t" | "T"),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_words_for_true_are_true() {
        for given in [json!(true), json!(1), json!("true"), json!("1"), json!("t"), json!("T")] {
            assert_eq!(cast(&given), json!(true), "{given}");
        }
        for given in [json!(false), json!(0), json!("yes"), json!(null), json!([true]), json!("")] {
            assert_eq!(cast(&given), json!(false), "{given}");
        }
    }
}
