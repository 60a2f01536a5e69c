//! The table of filters and sorts observed at the peer, held against this evaluator.

use serde_json::Value;

use crate::domain::fields::{self, Kind, RelationOptions, SelectOptions};
use crate::domain::samples;
use crate::domain::schema::{Collection, Index, IndexColumn};
use crate::query::world::World;

const TABLE: &str = include_str!("../../tests/conformance/filters.json");

/// Cases that random search turned up, with what the peer answered.
const FOUND: &str = include_str!("../../tests/fixtures/filters-found.json");

fn kind(field: &Value) -> Kind {
    let max_select = field["maxSelect"].as_u64().unwrap_or(1);
    match field["type"].as_str().unwrap() {
        "text" => samples::text(),
        "number" => samples::number(),
        "bool" => Kind::Bool,
        "date" => Kind::Date(Default::default()),
        "select" => Kind::Select(SelectOptions { max_select, ..SelectOptions::default() }),
        "relation" => Kind::Relation(RelationOptions {
            collection_id: format!("{}_id", field["collection"].as_str().unwrap()),
            max_select,
            ..RelationOptions::default()
        }),
        "json" => Kind::Json(Default::default()),
        "geoPoint" => Kind::GeoPoint,
        "email" => Kind::Email(Default::default()),
        "url" => Kind::Url(Default::default()),
        "editor" => Kind::Editor(Default::default()),
        "file" => Kind::File(fields::FileOptions { max_select, ..Default::default() }),
        other => panic!("{other}"),
    }
}

/// Adds an index on every field, as the server keeps them for relations.
pub fn indexed(mut collection: Collection) -> Collection {
    let columns = std::iter::once((None, false)).chain(
        collection
            .fields
            .iter()
            .enumerate()
            .map(|(number, field)| (Some(number), matches!(field.kind, Kind::Relation(_)))),
    );
    collection.indexes = columns
        .enumerate()
        .map(|(number, (field, each))| Index {
            number: number as u32,
            name: format!("by_{number}"),
            unique: false,
            columns: vec![IndexColumn {
                field,
                descending: number % 3 == 1 && !each,
                nocase: false,
                each,
            }],
            condition: None,
            statement: String::new(),
            internal: each || field.is_none(),
        })
        .collect();
    collection
}

fn world(set: &Value, with_indexes: bool) -> World {
    let mut collections = Vec::new();
    let mut records = Vec::new();
    for (number, spec) in set["collections"].as_array().unwrap().iter().enumerate() {
        let key = spec["key"].as_str().unwrap();
        let kinds: Vec<(&str, Kind)> = spec["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| (field["name"].as_str().unwrap(), kind(field)))
            .collect();
        let collection = samples::collection(number as u32 + 1, key, &kinds);
        for record in spec["records"].as_array().unwrap() {
            let mut values = record.clone();
            for (name, kind) in &kinds {
                if let Some(value) = record.get(*name) {
                    values[*name] = fields::cast(kind, value);
                }
            }
            records.push((key, values));
        }
        collections.push(if with_indexes { indexed(collection) } else { collection });
    }
    World::new(collections, &records)
}

fn hold(with_indexes: bool) {
    let table: Value = serde_json::from_str(TABLE).unwrap();
    let mut wrong = Vec::new();
    for (name, set) in table["datasets"].as_object().unwrap() {
        let world = world(set, with_indexes);
        for case in table["cases"].as_array().unwrap() {
            if case["dataset"] != *name {
                continue;
            }
            let mut filter = case["filter"].as_str().unwrap().to_owned();
            for collection in set["collections"].as_array().unwrap() {
                let key = collection["key"].as_str().unwrap();
                filter = filter.replace(&format!("{{{key}}}"), key);
            }
            let mut request = World::superuser();
            request.caller = match case["filter"].as_str() {
                Some("@request.auth.id != ''") => {
                    let account = samples::collection(99, "_superusers", &[]);
                    let record =
                        samples::record(&account.into(), 1, serde_json::json!({"id": "root"}));
                    crate::domain::request::Caller::Account(record)
                }
                _ => request.caller,
            };
            let sort = case["sort"].as_str().unwrap();
            let found =
                world.ids(&request, case["collection"].as_str().unwrap(), "", &filter, sort);
            let wanted = case["expect"].as_array().map(|ids| {
                ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>()
            });
            if found.as_ref().ok() != wanted.as_ref() {
                wrong.push(format!("#{} {filter} | {sort}: {found:?}, not {wanted:?}", case["n"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn filters_find_what_the_peer_finds() {
    hold(false);
}

#[test]
fn indexes_change_nothing_of_what_is_found() {
    hold(true);
}

#[test]
fn random_filters_find_what_the_peer_found() {
    let table: Value = serde_json::from_str(TABLE).unwrap();
    let found: Value = serde_json::from_str(FOUND).unwrap();
    let mut wrong = Vec::new();
    for (set, with_indexes) in
        table["datasets"].as_object().unwrap().values().flat_map(|set| [(set, false), (set, true)])
    {
        let world = world(set, with_indexes);
        for case in found["cases"].as_array().unwrap() {
            let word = |number: usize| case[number].as_str().unwrap();
            if world.schema.find(word(0)).is_none() {
                continue;
            }
            let ids = world.ids(&World::superuser(), word(0), "", word(1), word(2));
            let ids = ids.map(|ids| ids.iter().map(|id| &id[..3]).collect::<Vec<_>>().join(" "));
            if ids.as_deref().ok() != Some(word(3)) {
                wrong.push(format!("{} | {}: {ids:?}, not {}", word(1), word(2), word(3)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
