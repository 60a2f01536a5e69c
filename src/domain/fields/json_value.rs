//! `json`: any JSON value.

use serde_json::Value;

use crate::domain::fields::JsonOptions;
use crate::domain::fields::Problem;
use crate::domain::json;

/// Most bytes when the field sets no limit.
const MAX_DEFAULT_BYTES: u64 = 1 << 20;

pub fn max_bytes(options: &JsonOptions) -> u64 {
    if options.max_size == 0 { MAX_DEFAULT_BYTES } else { options.max_size }
}

/// Text that is itself JSON is parsed; other text stays text.
pub fn cast(value: &Value) -> Value {
    match value {
        Value::String(text) if !text.starts_with(char::is_whitespace) => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        _ => value.clone(),
    }
}

pub fn problem(options: &JsonOptions, value: &Value) -> Option<Problem> {
    let max = max_bytes(options);
    (json::print(value).len() as u64 > max).then(|| {
        Problem::new("validation_json_size_limit", format!("Must have no more than {max} bytes."))
            .with("maxSize", max.into())
    })
}

/// What `required` refuses: 0 and false are something.
pub fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_that_is_json_is_parsed() {
        assert_eq!(cast(&json!("12")), json!(12));
        assert_eq!(cast(&json!("{\"a\":[1]}")), json!({"a": [1]}));
        assert_eq!(cast(&json!("[1")), json!("[1"));
        assert_eq!(cast(&json!("")), json!(""));
        assert_eq!(cast(&json!("null")), json!(null));
    }
}
