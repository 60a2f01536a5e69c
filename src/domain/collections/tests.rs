//! Tests of collections as rules: define, change, drop.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::collections;
use crate::domain::derive::Derive;
use crate::domain::record::Record;
use crate::domain::request::{Caller, SUPERUSERS_ID};
use crate::domain::schema::{Collection, Schema};
use crate::domain::{Error, Result};
use crate::store::{Order, Range, Read, Store, keys};

const NOW: i64 = 1_700_000_000_000;

fn store() -> Store {
    Store::memory(Arc::new(Derive))
}

fn root() -> Caller {
    Caller::Operator("cli:0".to_owned())
}

fn create(store: &Store, definition: Value) -> Result<Arc<Collection>> {
    let definition = definition.as_object().unwrap().clone();
    store.write(move |tx| collections::create(tx, &root(), &definition, NOW))
}

fn update(store: &Store, name: &str, definition: Value) -> Result<Arc<Collection>> {
    let definition = definition.as_object().unwrap().clone();
    let name = name.to_owned();
    store.write(move |tx| collections::update(tx, &root(), &name, &definition, NOW))
}

/// The codes of a refusal, by path.
fn codes<T>(result: Result<T>) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
        match value.get("code").and_then(Value::as_str) {
            Some(code) => found.push((path.to_owned(), code.to_owned())),
            None => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&path, inner, found);
                }
            }
        }
    }
    let Err(Error::Invalid { problems, .. }) = result else { panic!("should have been refused") };
    let mut found = Vec::new();
    walk("", &Value::Object(problems.into_json()), &mut found);
    found
}

#[track_caller]
fn refused(definition: Value, path: &str, code: &str) {
    let found = codes(create(&store(), definition));
    assert_eq!(found, [(path.to_owned(), code.to_owned())]);
}

fn put(store: &Store, collection: &Arc<Collection>, id: &str, values: Value) {
    let collection = collection.clone();
    let id = id.to_owned();
    store
        .write(move |tx| {
            let value = |name: &str| match name {
                "id" => Some(Value::from(id.as_str())),
                name => values.get(name).cloned(),
            };
            let values = collection.fields.iter().map(|field| value(&field.name)).collect();
            let record = Record::encode(&collection, tx.stamp(), &values);
            tx.put(&keys::record(collection.number, &id), record.stored().clone())?;
            Ok::<_, Error>(())
        })
        .unwrap();
}

fn stored(store: &Store, name: &str, id: &str) -> Record {
    let snapshot = store.snapshot();
    let collection = Schema::load(&snapshot).unwrap().find(name).unwrap().clone();
    let bytes = snapshot.get(&keys::record(collection.number, id)).unwrap().unwrap();
    Record::from_stored(collection, bytes).unwrap()
}

#[test]
fn a_collection_has_the_defaults_that_clients_expect() {
    let store = store();
    let made = create(&store, json!({"name": "c1", "fields": [{"name": "title", "type": "text"}]}));
    let made = Value::Object(made.unwrap().to_json());
    assert_eq!(
        made,
        json!({"id": "pbc_2016702440", "name": "c1", "type": "base", "system": false,
            "listRule": null, "viewRule": null, "createRule": null, "updateRule": null, "deleteRule": null,
            "fields": [
                {"id": "text3208210256", "name": "id", "type": "text", "system": true, "hidden": false,
                    "presentable": false, "required": true, "primaryKey": true, "min": 15, "max": 15,
                    "pattern": "^[a-z0-9]+$", "autogeneratePattern": "[a-z0-9]{15}", "help": ""},
                {"id": "text724990059", "name": "title", "type": "text", "system": false, "hidden": false,
                    "presentable": false, "required": false, "primaryKey": false, "min": 0, "max": 0,
                    "pattern": "", "autogeneratePattern": "", "help": ""}],
            "indexes": [], "created": "2023-11-14 22:13:20.000Z", "updated": "2023-11-14 22:13:20.000Z"})
    );
}

#[test]
fn what_makes_no_sense_is_refused_by_field() {
    refused(json!({}), "name", "validation_required");
    refused(json!({"name": "bad name"}), "name", "validation_match_invalid");
    refused(json!({"name": "a_via_b"}), "name", "validation_found_via");
    refused(json!({"name": "a", "type": "zzz"}), "type", "validation_in_invalid");
    let field = |field: Value| json!({"name": "c", "fields": [field]});
    for (given, path, code) in [
        (json!({"name": "a-b", "type": "text"}), "fields.1.name", "validation_match_invalid"),
        (json!({"name": "", "type": "text"}), "fields.1.name", "validation_required"),
        (json!({"name": "expand", "type": "text"}), "fields.1.name", "validation_not_in_invalid"),
        (
            json!({"name": "a", "type": "text", "pattern": "("}),
            "fields.1.pattern",
            "validation_invalid_regex",
        ),
        (json!({"name": "a", "type": "select"}), "fields.1.values", "validation_required"),
        (json!({"name": "a", "type": "relation"}), "fields.1.collectionId", "validation_required"),
        (
            json!({"name": "a", "type": "relation", "collectionId": "x"}),
            "fields.1.collectionId",
            "validation_field_relation_missing_collection",
        ),
    ] {
        refused(field(given), path, code);
    }
    let twice = json!([{"name": "a", "type": "text"}, {"name": "A", "type": "text"}]);
    refused(
        json!({"name": "c", "fields": twice}),
        "fields.2.name",
        "validation_duplicated_field_name",
    );
    refused(
        json!({"name": "c", "indexes": ["nope"]}),
        "indexes.0",
        "validation_invalid_index_expression",
    );
    assert!(matches!(
        create(&store(), field(json!({"name": "a", "type": "zzz"}))),
        Err(Error::Bad(_))
    ));
    assert!(matches!(create(&store(), json!({"name": "a", "fields": 5})), Err(Error::Bad(_))));
    assert!(matches!(create(&store(), json!({"name": "a", "listRule": 5})), Err(Error::Bad(_))));
}

#[test]
fn names_are_unique_in_whatever_case() {
    let store = store();
    create(&store, json!({"name": "posts"})).unwrap();
    for name in ["posts", "POSTS"] {
        let found = codes(create(&store, json!({"name": name})));
        let expected = ("name".to_owned(), "validation_collection_name_exists".to_owned());
        assert!(found.contains(&expected), "{found:?}");
    }
}

#[test]
fn only_superusers_may_touch_collections() {
    let store = store();
    let made = store.write(|tx| collections::create(tx, &Caller::Guest, &Default::default(), NOW));
    assert!(matches!(made, Err(Error::SignedOut)));
}

#[test]
fn a_renamed_field_keeps_its_data_and_a_dropped_one_loses_it() {
    let store = store();
    let made = create(
        &store,
        json!({"name": "c", "fields": [{"name": "a", "type": "text"}, {"name": "b", "type": "text"}],
            "indexes": ["CREATE INDEX c_a ON c (a)"]}),
    );
    let made = made.unwrap();
    put(&store, &made, "r1", json!({"a": "x", "b": "y"}));

    let a = made.field("a").unwrap().1.id.clone();
    let fields = json!([{"id": a, "name": "z", "type": "text"}, {"name": "n", "type": "number"}]);
    let changed = update(&store, "c", json!({"name": "d", "fields": fields})).unwrap();

    let record = stored(&store, "d", "r1");
    assert_eq!(record.text_of("z"), "x");
    assert_eq!(record.value(changed.field("n").unwrap().0), json!(0));
    assert!(changed.field("b").is_none());
    assert_eq!(changed.to_json()["indexes"], json!(["CREATE INDEX `c_a` ON `d` (`z`)"]));
    let louder = update(&store, "d", json!({"name": "D"})).unwrap();
    assert_eq!(louder.to_json()["indexes"], json!(["CREATE INDEX `c_a` ON `D` (`z`)"]));

    update(&store, "d", json!({"fields": [{"name": "b", "type": "text"}], "indexes": []})).unwrap();
    assert_eq!(stored(&store, "d", "r1").text_of("b"), "");
}

#[test]
fn the_type_of_a_field_and_of_a_collection_stay() {
    let store = store();
    let made =
        create(&store, json!({"name": "c", "fields": [{"name": "a", "type": "text"}]})).unwrap();
    let id = &made.field("a").unwrap().1.id;
    let changed =
        update(&store, "c", json!({"fields": [{"id": id, "name": "a", "type": "number"}]}));
    assert_eq!(codes(changed)[0].1, "validation_field_type_change");
    let changed = update(&store, "c", json!({"type": "auth"}));
    assert_eq!(
        codes(changed)[0],
        ("type".to_owned(), "validation_collection_type_change".to_owned())
    );
}

#[test]
fn a_unique_index_over_duplicates_is_refused() {
    let store = store();
    let made =
        create(&store, json!({"name": "c", "fields": [{"name": "a", "type": "text"}]})).unwrap();
    put(&store, &made, "r1", json!({"a": "x"}));
    put(&store, &made, "r2", json!({"a": "x"}));
    put(&store, &made, "r3", json!({"a": "y"}));

    let unique = json!({"indexes": ["CREATE UNIQUE INDEX u ON c (a)"]});
    let refused = codes(update(&store, "c", unique.clone()));
    assert_eq!(refused[0].1, "validation_invalid_index_expression");

    put(&store, &made, "r2", json!({"a": "z"}));
    let made = update(&store, "c", unique).unwrap();
    let number = made.indexes.iter().find(|index| index.name == "u").unwrap().number;
    let range = Range::prefix(&keys::index(made.number, number));
    assert_eq!(store.snapshot().scan(&range, Order::Forward, 9).unwrap().len(), 3);
    assert_eq!(store.snapshot().count(&keys::record_count(made.number)).unwrap(), 3);
}

#[test]
fn import_is_all_or_nothing_and_resolves_references_among_its_own() {
    let store = store();
    let import = |list: Value, delete_missing: bool| {
        let list: Vec<_> =
            list.as_array().unwrap().iter().map(|item| item.as_object().unwrap().clone()).collect();
        store.write(move |tx| collections::import(tx, &root(), &list, delete_missing, NOW))
    };
    let relation = json!({"name": "r", "type": "relation", "collectionId": "second_one"});
    import(json!([{"name": "a", "fields": [relation]}, {"id": "second_one", "name": "b"}]), false)
        .unwrap();
    assert_eq!(codes(import(json!([]), false))[0].1, "validation_required");
    let refused = codes(import(json!([{"name": "fine"}, {"name": "bad name"}]), false));
    assert_eq!(
        refused[0],
        ("collections".to_owned(), "validation_collections_import_failure".to_owned())
    );
    assert!(Schema::load(&store.snapshot()).unwrap().find("fine").is_none());

    let fields = json!([{"name": "extra", "type": "text"}]);
    import(json!([{"id": "second_one", "name": "b", "fields": fields}]), false).unwrap();
    let schema = Schema::load(&store.snapshot()).unwrap();
    assert!(schema.find("b").unwrap().field("extra").is_some());
    assert!(schema.find("a").is_some());
    import(json!([{"id": "second_one", "name": "b"}]), true).unwrap();
    assert!(Schema::load(&store.snapshot()).unwrap().find("a").is_none());
}

#[test]
fn a_collection_that_others_refer_to_cannot_be_deleted() {
    let store = store();
    let target = create(&store, json!({"name": "target"})).unwrap();
    let relation = json!({"name": "r", "type": "relation", "collectionId": target.id});
    create(&store, json!({"name": "source", "fields": [relation]})).unwrap();
    let delete = |name: &'static str| store.write(move |tx| collections::delete(tx, &root(), name));
    assert!(matches!(delete("target"), Err(Error::Bad(_))));
    delete("source").unwrap();
    delete("target").unwrap();
    assert!(matches!(delete("target"), Err(Error::NotFound(_))));
}

#[test]
fn a_fresh_store_gets_its_system_collections_once() {
    let store = store();
    for _ in 0..2 {
        store.write(|tx| collections::bootstrap(tx, NOW)).unwrap();
        let schema = Schema::load(&store.snapshot()).unwrap();
        assert_eq!(schema.collections().count(), 6);
        assert_eq!(schema.find("_superusers").unwrap().id, SUPERUSERS_ID);
        assert_eq!(schema.find("_mfas").unwrap().id, "pbc_2279338944");
        assert_eq!(schema.find("users").unwrap().id, "_pb_users_auth_");
    }
    store.write(|tx| collections::delete(tx, &root(), "users")).unwrap();
    store.write(|tx| collections::bootstrap(tx, NOW)).unwrap();
    assert!(Schema::load(&store.snapshot()).unwrap().find("users").is_none());
}

#[test]
fn superusers_keep_their_way_in() {
    let store = store();
    store.write(|tx| collections::bootstrap(tx, NOW)).unwrap();
    for (change, place) in [
        (json!({"authRule": null}), "authRule"),
        (json!({"manageRule": "id != ''"}), "manageRule"),
        (json!({"otp": {"enabled": true}, "mfa": {"enabled": true}}), "mfa"),
    ] {
        let refused = update(&store, "_superusers", change).unwrap_err();
        assert!(matches!(&refused, Error::Invalid { problems, .. } if problems.has(place)));
    }
    let change = json!({"passwordAuth": {"enabled": false}, "oauth2": {"enabled": true}});
    let auth = update(&store, "_superusers", change).unwrap().auth.clone().unwrap();
    assert_eq!((auth.password_auth.enabled, auth.oauth2.enabled), (true, false));
}

#[test]
fn secrets_are_kept_but_never_shown() {
    let store = store();
    let provider = json!({"name": "google", "clientId": "cid", "clientSecret": "shh-canary"});
    let made = create(
        &store,
        json!({"name": "people", "type": "auth", "oauth2": {"enabled": true, "providers": [provider]}}),
    );
    let secret = made.unwrap().auth.as_ref().unwrap().auth_token.secret.clone();
    assert!(secret.len() >= 30);

    let provider = json!({"name": "google", "clientId": "other"});
    let changed = update(
        &store,
        "people",
        json!({"oauth2": {"providers": [provider]}, "otp": {"length": 6}}),
    );
    let changed = changed.unwrap();
    let auth = changed.auth.as_ref().unwrap();
    assert_eq!(auth.auth_token.secret, secret);
    assert_eq!(auth.oauth2.providers[0]["clientSecret"], "shh-canary");
    assert_eq!(auth.otp.length, 6);
    assert_eq!(auth.otp.duration, 180);
    for shown in [Value::Object(changed.to_json()).to_string(), format!("{changed:?}")] {
        assert!(!shown.contains("shh-canary") && !shown.contains(&secret), "{shown}");
    }
}

#[test]
fn options_of_auth_collections_are_checked() {
    let refused = |options: Value, path: &str, code: &str| {
        let mut definition = json!({"name": "people", "type": "auth"});
        definition.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        assert_eq!(codes(create(&store(), definition)), [(path.to_owned(), code.to_owned())]);
    };
    refused(json!({"mfa": {"enabled": true}}), "mfa.enabled", "validation_mfa_not_enough_auths");
    refused(
        json!({"passwordAuth": {"identityFields": ["email", "verified"]}}),
        "passwordAuth.identityFields",
        "validation_missing_unique_constraint",
    );
    refused(
        json!({"passwordAuth": {"identityFields": ["zz"]}}),
        "passwordAuth.identityFields",
        "validation_missing_field",
    );
    refused(
        json!({"authToken": {"secret": "short"}}),
        "authToken.secret",
        "validation_length_out_of_range",
    );
    refused(json!({"fileToken": {"duration": 0}}), "fileToken.duration", "validation_required");
    refused(json!({"manageRule": ""}), "manageRule", "validation_nil_or_not_empty_required");
    refused(json!({"id": "i".repeat(101)}), "id", "validation_length_out_of_range");
}

#[test]
fn a_collection_keeps_its_id() {
    let store = store();
    let made = create(&store, json!({"name": "c1"})).unwrap();
    for same in [json!({"id": made.id}), json!({"id": ""}), json!({"id": null})] {
        assert_eq!(update(&store, "c1", same).unwrap().id, made.id);
    }
    let moved = codes(update(&store, "c1", json!({"id": "other"})));
    assert_eq!(moved, [("id".to_owned(), "validation_values_mismatch".to_owned())]);
}
