//! `select`: one or several of a fixed list of texts.

use serde_json::Value;

use crate::domain::fields::Problem;
use crate::domain::fields::SelectOptions;

pub fn cast(multiple: bool, value: &Value) -> Value {
    super::cast_texts(multiple, value)
}

pub fn problem(options: &SelectOptions, value: &Value) -> Option<Problem> {
    let chosen = super::texts(value);
    let most = options.max_select.max(1);
    if chosen.len() as u64 > most {
        return Some(super::too_many_values(most));
    }
    let stranger = chosen.iter().find(|text| !options.values.iter().any(|value| value == *text))?;
    Some(
        Problem::new("validation_invalid_value", "Is not one of the values to choose from.")
            .with("value", (*stranger).into()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn single_takes_the_last_and_multiple_drops_duplicates() {
        assert_eq!(cast(false, &json!(["a", "b"])), json!("b"));
        assert_eq!(cast(false, &json!(null)), json!(""));
        assert_eq!(cast(true, &json!("a")), json!(["a"]));
        assert_eq!(cast(true, &json!("[\"a\",\"b\"]")), json!(["a", "b"]));
        assert_eq!(cast(true, &json!("[1]")), json!(["[1]"]));
        assert_eq!(cast(true, &json!(["a", "", null, "b", "a"])), json!(["a", "b"]));
        assert_eq!(cast(true, &json!("")), json!([]));
    }

    #[test]
    fn strangers_and_too_many_are_refused() {
        let options =
            SelectOptions { values: vec!["a".into(), "b".into(), "c".into()], max_select: 2 };
        let code = |value| problem(&options, &value).map(|found| found.code);
        assert_eq!(code(json!(["a", "b"])), None);
        assert_eq!(code(json!([])), None);
        assert_eq!(code(json!(["x"])), Some("validation_invalid_value"));
        assert_eq!(code(json!(["a", "b", "c"])), Some("validation_too_many_values"));
    }
}
