//! Members of JSON texts in views: `json_extract` and its kin.

use serde_json::Value as Json;

use crate::domain::fields::Kind;
use crate::domain::json;
use crate::domain::views::value::Value;

pub fn parse(value: &Value) -> Option<Json> {
    serde_json::from_str(&value.text()).ok()
}

/// The member at a path such as `$.a[0]`, as a value; nothing where there is none.
pub fn extract(value: &Value, path: &Value) -> Value {
    member(value, path).map_or(Value::Null, |found| match found {
        Json::Bool(truth) => Value::from(truth),
        Json::String(text) => Value::from(text),
        other => Value::of_field(&Kind::Json(Default::default()), false, &other),
    })
}

/// The member at a path, as JSON text.
pub fn extract_json(value: &Value, path: &Value) -> Value {
    member(value, path).map_or(Value::Null, |found| Value::from(json::print(&found)))
}

/// How many items the array has; 0 for anything else.
pub fn length(value: &Value, path: Option<&Value>) -> Value {
    member(value, path.unwrap_or(&Value::from("$")))
        .map_or(Value::Null, |found| Value::from(found.as_array().map_or(0, Vec::len)))
}

pub fn type_name(value: &Value, path: Option<&Value>) -> Value {
    let name = |found: Json| match found {
        Json::Null => "null",
        Json::Bool(true) => "true",
        Json::Bool(false) => "false",
        Json::Number(number) if number.is_f64() => "real",
        Json::Number(_) => "integer",
        Json::String(_) => "text",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    member(value, path.unwrap_or(&Value::from("$"))).map_or(Value::Null, |it| Value::from(name(it)))
}

fn member(value: &Value, path: &Value) -> Option<Json> {
    let mut found = parse(value)?;
    let path = match path {
        Value::Integer(at) => format!("$[{at}]"),
        other => other.text(),
    };
    // `->> 'name'` is short for a path.
    let Some(mut rest) = path.strip_prefix('$') else {
        return found.as_object_mut()?.remove(path.as_str());
    };
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (place, after) = inside.split_once(']')?;
            let items = found.as_array_mut()?;
            let at = match place.strip_prefix('#') {
                Some(back) => items.len().checked_sub(back.strip_prefix('-')?.parse().ok()?)?,
                None => place.parse().ok()?,
            };
            found = items.get_mut(at)?.take();
            rest = after;
            continue;
        }
        let named = rest.strip_prefix('.')?;
        let (name, after) = match named.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => named.split_at(named.find(['.', '[']).unwrap_or(named.len())),
        };
        found = found.as_object_mut()?.remove(name)?;
        rest = after;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_their_path() {
        let whole = Value::from(r#"{"k":1,"l":[1,{"d":2.5},"x"],"s":"str","t":true,"a b":null}"#);
        for (path, expected) in [
            ("$.k", Value::Integer(1)),
            ("$.l[1].d", Value::Real(2.5)),
            ("$.l[#-1]", "x".into()),
            ("$.l[9]", Value::Null),
            ("$.s", "str".into()),
            ("s", "str".into()),
            ("$.t", Value::Integer(1)),
            ("$.\"a b\"", Value::Null),
            ("$.l[1]", r#"{"d":2.5}"#.into()),
            ("$.k.x", Value::Null),
            ("$x", Value::Null),
        ] {
            assert_eq!(extract(&whole, &path.into()), expected, "{path}");
        }
        assert_eq!(extract_json(&whole, &"$.s".into()), "\"str\"".into());
        assert_eq!(length(&whole, Some(&"$.l".into())), Value::Integer(3));
        assert_eq!(length(&"no json".into(), None), Value::Null);
        assert_eq!(type_name(&whole, Some(&"$.l".into())), "array".into());
    }
}
