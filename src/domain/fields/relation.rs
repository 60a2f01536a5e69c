//! `relation`: ids of records of another collection.

use serde_json::Value;

use crate::domain::fields::Problem;
use crate::domain::fields::RelationOptions;

pub fn cast(multiple: bool, value: &Value) -> Value {
    super::cast_texts(multiple, value)
}

/// Checks how many there are; that they exist is for who has the transaction.
pub fn problem(options: &RelationOptions, value: &Value) -> Option<Problem> {
    let count = super::texts(value).len() as u64;
    let most = options.max_select.max(1);
    if count > most {
        return Some(super::too_many_values(most));
    }
    let least = options.min_select;
    (count > 0 && count < least).then(|| {
        Problem::new("validation_not_enough_values", format!("Select at least {least}."))
            .with("minSelect", least.into())
    })
}

/// What to answer when a related record does not exist.
pub fn missing() -> Problem {
    Problem::new("validation_missing_rel_records", "A related record does not exist.")
}
