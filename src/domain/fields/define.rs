//! How a field is defined in JSON: read from clients and the store, written to both.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::domain::fields::{DateOptions, Kind, date};
use crate::domain::schema::Field;

/// The field that `definition` describes, without a slot yet; or why it describes none.
pub fn read(definition: &Map<String, Value>) -> Result<Field, String> {
    let text = |name: &str| match definition.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("the field's {name} must be text")),
    };
    let flag = |name: &str| match definition.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(format!("the field's {name} must be true or false")),
    };
    Ok(Field {
        id: text("id")?,
        name: text("name")?,
        slot: definition.get("slot").and_then(Value::as_u64).unwrap_or(0) as u32,
        system: flag("system")?,
        hidden: flag("hidden")?,
        presentable: flag("presentable")?,
        required: flag("required")?,
        help: text("help")?,
        kind: read_kind(&text("type")?, definition)?,
    })
}

fn read_kind(name: &str, definition: &Map<String, Value>) -> Result<Kind, String> {
    Ok(match name {
        "text" => Kind::Text(options(definition)?),
        "number" => Kind::Number(options(definition)?),
        "bool" => Kind::Bool,
        "email" => Kind::Email(options(definition)?),
        "url" => Kind::Url(options(definition)?),
        "editor" => Kind::Editor(options(definition)?),
        "date" => Kind::Date(dates(options(definition)?)),
        "autodate" => Kind::Autodate(options(definition)?),
        "select" => Kind::Select(options(definition)?),
        "file" => Kind::File(options(definition)?),
        "relation" => Kind::Relation(options(definition)?),
        "json" => Kind::Json(options(definition)?),
        "geoPoint" => Kind::GeoPoint,
        "password" => Kind::Password(options(definition)?),
        other => return Err(format!("there is no field type {other:?}")),
    })
}

/// Bounds as dates are stored, for them to be compared as texts. What is no date stays, to be refused.
fn dates(mut options: DateOptions) -> DateOptions {
    for bound in [&mut options.min, &mut options.max] {
        if let Some(ms) = date::parse(bound) {
            *bound = date::print(ms);
        }
    }
    options
}

/// A null is as good as nothing: the default.
fn options<T: DeserializeOwned>(definition: &Map<String, Value>) -> Result<T, String> {
    let given = definition.iter().filter(|(_, value)| !value.is_null());
    let given = given.map(|(name, value)| (name.clone(), value.clone())).collect();
    serde_json::from_value(Value::Object(given)).map_err(|error| error.to_string())
}

/// The field as clients see it.
pub fn write(field: &Field) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("id".into(), field.id.as_str().into());
    out.insert("name".into(), field.name.as_str().into());
    out.insert("type".into(), field.kind.name().into());
    out.insert("system".into(), field.system.into());
    out.insert("hidden".into(), field.hidden.into());
    out.insert("presentable".into(), field.presentable.into());
    if !matches!(field.kind, Kind::Autodate(_)) {
        out.insert("required".into(), field.required.into());
    }
    let options = match &field.kind {
        Kind::Text(options) => object(options),
        Kind::Number(options) => object(options),
        Kind::Email(options) | Kind::Url(options) => object(options),
        Kind::Editor(options) => object(options),
        Kind::Date(options) => object(options),
        Kind::Autodate(options) => object(options),
        Kind::Select(options) => object(options),
        Kind::File(options) => object(options),
        Kind::Relation(options) => object(options),
        Kind::Json(options) => object(options),
        Kind::Password(options) => object(options),
        Kind::Bool | Kind::GeoPoint => Map::new(),
    };
    out.extend(options);
    out.insert("help".into(), field.help.as_str().into());
    out
}

/// The field as it is stored: with its slot.
pub fn store(field: &Field) -> Map<String, Value> {
    let mut out = write(field);
    out.insert("slot".into(), json!(field.slot));
    out
}

fn object(options: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(options) {
        Ok(Value::Object(members)) => members,
        _ => unreachable!("options are plain objects"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_as_it_was_written() {
        for definition in [
            json!({"name": "a", "type": "text", "min": 1, "pattern": "^a", "primaryKey": true}),
            json!({"name": "a", "type": "number", "min": -1.5, "onlyInt": true}),
            json!({"name": "a", "type": "bool", "required": true}),
            json!({"name": "a", "type": "email", "onlyDomains": ["a.com"]}),
            json!({"name": "a", "type": "url", "exceptDomains": ["a.com"]}),
            json!({"name": "a", "type": "editor", "convertURLs": true}),
            json!({"name": "a", "type": "date", "min": "2024-01-01 00:00:00.000Z"}),
            json!({"name": "a", "type": "autodate", "onCreate": true}),
            json!({"name": "a", "type": "select", "values": ["x"], "maxSelect": 1}),
            json!({"name": "a", "type": "file", "thumbs": ["10x10"], "protected": true}),
            json!({"name": "a", "type": "relation", "collectionId": "c", "cascadeDelete": true}),
            json!({"name": "a", "type": "json", "maxSize": 5, "hidden": true}),
            json!({"name": "a", "type": "geoPoint", "help": "where"}),
            json!({"name": "a", "type": "password", "cost": 10}),
        ] {
            let definition = definition.as_object().unwrap();
            let field = read(definition).unwrap();
            let written = write(&field);
            for (name, value) in definition {
                assert_eq!(written.get(name), Some(value), "{name} of {written:?}");
            }
            assert_eq!(read(&store(&field)).unwrap(), field);
        }
    }

    #[test]
    fn nulls_are_defaults_and_strangers_are_refused() {
        let read = |definition: Value| read(definition.as_object().unwrap());
        assert!(read(json!({"name": "a", "type": "text", "max": null, "help": null})).is_ok());
        assert!(read(json!({"name": "a", "type": "zzz"})).is_err());
        assert!(read(json!({"name": "a", "type": "text", "max": "many"})).is_err());
        assert!(read(json!({"name": 5, "type": "text"})).is_err());
    }
}
