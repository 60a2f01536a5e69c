//! The API as OpenAPI 3.1, from the schema as it is now.

use serde_json::{Map, Value, json};

use crate::domain::fields::Kind;
use crate::domain::request::Caller;
use crate::domain::schema::{Collection, CollectionKind, Field, Schema};

mod paths;

/// What `code` of a refusal may be; a test holds it against those that there are.
pub const ERROR_CODES: [&str; 19] = [
    "bad_request",
    "invalid",
    "query_too_expensive",
    "unauthorized",
    "forbidden",
    "not_found",
    "timed_out",
    "conflict",
    "precondition_failed",
    "too_large",
    "url_too_long",
    "range_outside",
    "rate_limited",
    "headers_too_large",
    "internal",
    "bad_gateway",
    "busy",
    "read_only",
    "timeout",
];

/// The document for `caller`. What collections there are is told to superusers only: strangers get
/// the routes that every Holdall has.
pub fn document(schema: &Schema, caller: &Caller) -> Value {
    let mut collections: Vec<&Collection> = Vec::new();
    if caller.is_superuser() {
        collections.extend(schema.collections().map(AsRef::as_ref));
        collections.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let mut paths = paths::general();
    let mut schemas = Map::new();
    schemas.insert("Error".to_owned(), error());
    schemas.insert(
        "Record".to_owned(),
        json!({
        "type": "object", "additionalProperties": true, "required": ["id"],
        "properties": { "id": { "type": "string" }, "collectionId": { "type": "string" },
            "collectionName": { "type": "string" } } }),
    );
    schemas.insert(
        "Collection".to_owned(),
        json!({
        "type": "object", "additionalProperties": true, "required": ["id", "name", "type"],
        "properties": { "id": { "type": "string" }, "name": { "type": "string" },
            "type": { "enum": ["base", "auth", "view"] },
            "fields": { "type": "array", "items": { "type": "object" } } } }),
    );
    for collection in &collections {
        schemas.insert(record_name(collection), record(collection));
        if collection.kind != CollectionKind::View {
            schemas.insert(write_name(collection), written(collection));
        }
        paths.extend(paths::of_collection(collection));
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Holdall", "version": env!("CARGO_PKG_VERSION"),
            "description": "The API of this server, as its collections are now." },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
        "security": [{}, { "token": [] }],
    })
}

fn record_name(collection: &Collection) -> String {
    format!("record.{}", collection.name)
}

fn write_name(collection: &Collection) -> String {
    format!("write.{}", collection.name)
}

/// Every refusal looks like this.
fn error() -> Value {
    json!({
        "type": "object",
        "required": ["status", "message", "data"],
        "properties": {
            "status": { "type": "integer" },
            "message": { "type": "string", "minLength": 1 },
            "data": { "type": "object", "additionalProperties": true,
                "description": "Problems by field: {code, message, params?}, nested as the input was." },
            "code": { "enum": ERROR_CODES },
            "request_id": { "type": "string" },
        },
    })
}

/// A record as clients get it.
fn record(collection: &Collection) -> Value {
    let mut properties = Map::new();
    properties.insert("collectionId".to_owned(), json!({ "const": collection.id }));
    properties.insert("collectionName".to_owned(), json!({ "const": collection.name }));
    let private =
        |field: &&Field| !matches!(field.kind, Kind::Password(_)) && field.name != "tokenKey";
    for field in collection.fields.iter().filter(private) {
        properties.insert(field.name.clone(), value(&field.kind));
    }
    properties
        .insert("expand".to_owned(), json!({ "type": "object", "additionalProperties": true }));
    let always = |field: &&Field| private(field) && !field.hidden && field.name != "email";
    let required: Vec<&str> =
        collection.fields.iter().filter(always).map(|field| field.name.as_str()).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// What clients may send: anything is cast, so any type will do, but these are the good ones.
fn written(collection: &Collection) -> Value {
    let mut properties = Map::new();
    let writable =
        |field: &&Field| !matches!(field.kind, Kind::Autodate(_)) && field.name != "tokenKey";
    for field in collection.fields.iter().filter(writable) {
        properties.insert(field.name.clone(), value(&field.kind));
    }
    if collection.is_auth() {
        for name in ["passwordConfirm", "oldPassword"] {
            properties.insert(name.to_owned(), json!({ "type": "string" }));
        }
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": true })
}

fn value(kind: &Kind) -> Value {
    let several =
        |item: Value, most: u64| json!({ "type": "array", "items": item, "maxItems": most });
    match kind {
        Kind::Text(_) | Kind::Editor(_) | Kind::Password(_) | Kind::Email(_) | Kind::Url(_) => {
            json!({ "type": "string" })
        }
        Kind::Number(options) => {
            json!({ "type": if options.only_int { "integer" } else { "number" } })
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Date(_) | Kind::Autodate(_) => json!({ "type": "string",
            "description": "UTC, as 2026-11-21 05:32:23.830Z; blank is none." }),
        Kind::Select(options) if kind.is_multiple() => {
            several(json!({ "enum": options.values }), options.max_select)
        }
        Kind::Select(options) => {
            let mut values = options.values.clone();
            values.push(String::new());
            json!({ "enum": values })
        }
        Kind::File(options) if kind.is_multiple() => {
            several(json!({ "type": "string" }), options.max_select)
        }
        Kind::Relation(options) if kind.is_multiple() => {
            several(json!({ "type": "string" }), options.max_select)
        }
        Kind::File(_) | Kind::Relation(_) => json!({ "type": "string" }),
        Kind::Json(_) => json!({}),
        Kind::GeoPoint => json!({ "type": "object", "required": ["lon", "lat"],
            "properties": { "lon": { "type": "number" }, "lat": { "type": "number" } } }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::collections;
    use crate::domain::derive::Derive;
    use crate::store::Store;

    fn documents() -> (Value, Value) {
        let store = Store::memory(Arc::new(Derive));
        store.write(|tx| collections::bootstrap(tx, 0)).unwrap();
        let schema = Schema::load(&store.snapshot()).unwrap();
        let root = Caller::Operator("cli:0".to_owned());
        (document(&schema, &root), document(&schema, &Caller::Guest))
    }

    #[test]
    fn superusers_see_typed_records_and_strangers_no_collection() {
        let (whole, general) = documents();
        assert!(whole["paths"].get("/api/collections/users/records").is_some());
        let users = &whole["components"]["schemas"]["record.users"];
        assert_eq!(users["properties"]["verified"], json!({ "type": "boolean" }));
        assert!(users["properties"].get("password").is_none());
        assert!(!general.to_string().contains("_otps"));
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
        fn walk(value: &Value, visit: &mut dyn FnMut(&str, &str)) {
            for (name, inner) in value.as_object().into_iter().flatten() {
                if let Some(text) = inner.as_str() {
                    visit(name, text);
                }
                walk(inner, visit);
            }
            value.as_array().into_iter().flatten().for_each(|inner| walk(inner, visit));
        }
        let (whole, _) = documents();
        let mut names = std::collections::HashSet::new();
        walk(&whole["paths"], &mut |name, text| match name {
            "$ref" => assert!(whole.pointer(&text[1..]).is_some(), "{text}"),
            "operationId" => assert!(names.insert(text.to_owned()), "{text} twice"),
            _ => {}
        });
    }
}
