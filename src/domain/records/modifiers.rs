//! Keys of a body that change a value instead of setting it: `n+`, `tags-`, `+tags`, `code:autogenerate`.

use serde_json::Value;

use crate::domain::fields::{self, Kind, pattern};
use crate::domain::schema::{Collection, Field};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Set,
    /// `f+`: add to a number, append to a list.
    Add,
    /// `+f`: put before a list.
    Prepend,
    /// `f-`: take from a number or a list.
    Remove,
    /// `f:autogenerate`: a prefix and what the field's pattern generates, if it has one.
    Autogenerate,
}

/// Which field a key of a body means, and what to do with it; `None`: no field of this collection,
/// or a change that its kind doesn't know.
pub fn read<'a>(collection: &'a Collection, key: &str) -> Option<(usize, &'a Field, Change)> {
    if let Some((at, field)) = collection.field(key) {
        return Some((at, field, Change::Set));
    }
    let (name, change) = if let Some(name) = key.strip_suffix(":autogenerate") {
        (name, Change::Autogenerate)
    } else if let Some(name) = key.strip_suffix('+') {
        (name, Change::Add)
    } else if let Some(name) = key.strip_suffix('-') {
        (name, Change::Remove)
    } else {
        (key.strip_prefix('+')?, Change::Prepend)
    };
    let (at, field) = collection.field(name)?;
    let known = match (&field.kind, change) {
        (Kind::Number(_), Change::Add | Change::Remove) => true,
        (Kind::Select(_) | Kind::Relation(_) | Kind::File(_), change) => {
            change != Change::Autogenerate
        }
        (Kind::Text(_), Change::Autogenerate) => true,
        _ => false,
    };
    known.then_some((at, field, change))
}

/// What `current` becomes when `given` is applied to it by `change`.
pub fn apply(kind: &Kind, change: Change, current: &Value, given: &Value) -> Value {
    match (kind, change) {
        (_, Change::Set) => fields::cast(kind, given),
        (Kind::Number(_), Change::Add) => sum(current, given, 1.0),
        (Kind::Number(_), Change::Remove) => sum(current, given, -1.0),
        (Kind::Text(options), Change::Autogenerate) => {
            let prefix = fields::cast(kind, given);
            let made = pattern::generate(&options.autogenerate_pattern).unwrap_or_default();
            Value::String(format!("{}{made}", prefix.as_str().unwrap_or_default()))
        }
        _ => merge(kind, change, current, given),
    }
}

fn sum(current: &Value, given: &Value, sign: f64) -> Value {
    let number = |value: &Value| fields::number::cast(value).as_f64().unwrap_or_default();
    fields::number::from(number(current) + sign * number(given))
}

/// Lists without repetition: appended behind, put before, or taken out. A single value is a list
/// of at most one; of a longer one it keeps the last.
fn merge(kind: &Kind, change: Change, current: &Value, given: &Value) -> Value {
    let given = listed(kind, given);
    let current = fields::texts(current);
    let merged: Vec<&str> = match change {
        Change::Remove => {
            let kept = |text: &&str| !given.iter().any(|given| given == text);
            current.into_iter().filter(kept).collect()
        }
        Change::Prepend => given.iter().map(String::as_str).chain(current).collect(),
        Change::Add | Change::Set | Change::Autogenerate => {
            current.into_iter().chain(given.iter().map(String::as_str)).collect()
        }
    };
    fields::cast(kind, &merged.into())
}

/// All that was given, also where the field would keep only one.
fn listed(kind: &Kind, given: &Value) -> Vec<String> {
    match given {
        Value::Array(items) if !kind.is_multiple() => {
            let single = |item| fields::cast(kind, item);
            items.iter().filter_map(|item| single(item).as_str().map(str::to_owned)).collect()
        }
        given => {
            let cast = fields::cast(kind, given);
            fields::texts(&cast).into_iter().map(str::to_owned).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::samples;

    fn check(kind: Kind, key: &str, current: Value, given: Value, expected: Value) {
        let collection = samples::collection(1, "c", &[("f", kind)]);
        let (_, field, change) = read(&collection, key).unwrap();
        assert_eq!(apply(&field.kind, change, &current, &given), expected, "{key} {given}");
    }

    #[test]
    fn numbers_are_added_and_subtracted() {
        check(samples::number(), "f+", json!(5), json!(2), json!(7));
        check(samples::number(), "f-", json!(5), json!("2.5"), json!(2.5));
        check(samples::number(), "f+", json!(5), json!("garbage"), json!(5));
    }

    #[test]
    fn lists_grow_at_both_ends_and_shrink() {
        let tags = || samples::select(&["a", "b", "c"], 3);
        check(tags(), "f+", json!(["a"]), json!(["b", "a"]), json!(["a", "b"]));
        check(tags(), "+f", json!(["a"]), json!(["b", "c"]), json!(["b", "c", "a"]));
        check(tags(), "f-", json!(["a", "b"]), json!(["b", "x"]), json!(["a"]));
    }

    #[test]
    fn single_values_are_set_and_cleared() {
        let one = || samples::select(&["a", "b"], 1);
        check(one(), "f+", json!("a"), json!("b"), json!("b"));
        check(one(), "f+", json!("a"), json!(""), json!("a"));
        check(one(), "+f", json!("a"), json!("b"), json!("a"));
        check(one(), "+f", json!(""), json!("b"), json!("b"));
        check(one(), "f-", json!("a"), json!("b"), json!("a"));
        check(one(), "f-", json!("a"), json!("a"), json!(""));
    }

    #[test]
    fn unsuitable_changes_are_no_keys() {
        let collection = samples::collection(1, "c", &[("f", samples::text())]);
        for key in ["f+", "f-", "+f", "g+", "f:other"] {
            assert!(read(&collection, key).is_none(), "{key}");
        }
    }
}
