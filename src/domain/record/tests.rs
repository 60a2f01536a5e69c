//! What a record promises: nothing is lost, nothing private is shown, nothing broken is believed.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::fields::{AuthOptions, Kind};
use crate::domain::record::{Record, Sight};
use crate::domain::samples;
use crate::domain::schema::{Collection, CollectionKind, Layout};

fn notes() -> Collection {
    let tags = samples::select(&["a", "b", "c"], 3);
    samples::collection(
        1,
        "notes",
        &[
            ("title", samples::text()),
            ("count", samples::number()),
            ("tags", tags),
            ("meta", Kind::Json(Default::default())),
        ],
    )
}

fn accounts() -> Collection {
    let mut accounts = samples::collection(
        2,
        "users",
        &[
            ("password", Kind::Password(Default::default())),
            ("tokenKey", samples::text()),
            ("email", Kind::Email(Default::default())),
            ("emailVisibility", Kind::Bool),
            ("name", samples::text()),
            ("secret", samples::text()),
        ],
    );
    accounts.kind = CollectionKind::Auth;
    accounts.auth = Some(Box::new(AuthOptions::default()));
    for field in &mut accounts.fields {
        field.hidden = ["password", "tokenKey", "secret"].contains(&field.name.as_str());
    }
    accounts.layouts = vec![Layout::of(CollectionKind::Auth, &accounts.fields)];
    accounts
}

fn ada(visible: bool) -> Record {
    samples::record(
        &Arc::new(accounts()),
        7,
        json!({"id": "ada", "password": "$argon2", "tokenKey": "k", "email": "ada@example.com",
            "emailVisibility": visible, "name": "Ada", "secret": "s"}),
    )
}

#[test]
fn values_come_back_and_missing_ones_are_zero() {
    let note = samples::record(&Arc::new(notes()), 42, json!({"id": "one", "title": "a \"b\" \n"}));

    assert_eq!(note.id(), "one");
    assert_eq!(note.stamp(), 42);
    assert_eq!(note.text(1), "a \"b\" \n");
    assert_eq!(note.raw(1), r#""a \"b\" \n""#);
    assert_eq!((note.raw(2), note.raw(3), note.raw(4)), ("0", "[]", "null"));
    assert_eq!(note.text_of("nothing"), "");
    assert_eq!(note.raw(99), "null");
}

#[test]
fn long_records_have_wide_slots() {
    let long = "x".repeat(100_000);

    let note = samples::record(&Arc::new(notes()), 1, json!({"title": long, "count": 5}));

    assert_eq!((note.text(1).len(), note.raw(2)), (100_000, "5"));
}

#[test]
fn clients_see_the_collection_first_and_no_private_value() {
    let expected = r#"{"collectionId":"users_id","collectionName":"users","id":"ada","emailVisibility":true,"name":"Ada","email":"ada@example.com"}"#;

    let mut out = Vec::new();
    ada(true).put_json(&mut out, Sight::STRANGER);

    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn emails_are_for_those_who_may_see_them() {
    assert_eq!(ada(false).to_value(Sight::STRANGER).get("email"), None);
    assert_eq!(
        ada(false).to_value(Sight { hidden: false, email: true })["email"],
        "ada@example.com"
    );
    assert_eq!(ada(false).to_value(Sight::STRANGER)["name"], "Ada");
}

#[test]
fn superusers_see_hidden_fields_but_no_credentials() {
    let seen = ada(false).to_value(Sight::SUPERUSER);

    assert_eq!((&seen["secret"], &seen["email"]), (&json!("s"), &json!("ada@example.com")));
    assert_eq!((seen.get("password"), seen.get("tokenKey")), (None, None));
}

#[test]
fn picking_members_shows_no_more_than_there_is_to_see() {
    let picked = |sight, names: &[&str]| {
        let mut out = Vec::new();
        ada(false).put_picked(&mut out, sight, |name| names.contains(&name));
        String::from_utf8(out).unwrap()
    };
    let all = ["collectionName", "id", "password", "tokenKey", "email", "name", "secret"];

    assert_eq!(
        picked(Sight::STRANGER, &all),
        r#"{"collectionName":"users","id":"ada","name":"Ada"}"#
    );
    assert_eq!(picked(Sight::STRANGER, &["nothing"]), "{}");
    assert_eq!(
        picked(Sight::SUPERUSER, &all),
        r#"{"collectionName":"users","id":"ada","email":"ada@example.com","name":"Ada","secret":"s"}"#
    );
}

#[test]
fn changed_values_replace_and_the_rest_stays() {
    let note = samples::record(
        &Arc::new(notes()),
        3,
        json!({"id": "one", "title": "old", "tags": ["a"], "meta": {"deep": [1, "x\\"]}}),
    );

    let changed = note.with(&[(1, json!("new"))]);

    assert_eq!((changed.text(1).as_ref(), changed.stamp()), ("new", 3));
    assert_eq!((changed.value(3), changed.value(4)), (json!(["a"]), json!({"deep": [1, "x\\"]})));
}

#[test]
fn older_layouts_are_read_as_today() {
    let before = Arc::new(notes());
    let old = samples::record(
        &before,
        9,
        json!({"id": "one", "title": "t", "count": 4, "tags": ["a", "b"], "meta": 1}),
    );
    let mut after = notes();
    after.fields.remove(2);
    after.fields[1].name = "headline".into();
    after.fields[2].kind = samples::select(&["a", "b", "c"], 1);
    after.fields.push(samples::field(9, "added", &samples::number()));
    after.layouts.push(Layout::of(CollectionKind::Base, &after.fields));

    let read = Record::from_stored(Arc::new(after), old.stored().clone()).unwrap();

    assert_eq!(
        read.to_value(Sight::STRANGER),
        json!({"collectionId": "notes_id", "collectionName": "notes", "id": "one",
            "headline": "t", "tags": "b", "meta": 1, "added": 0})
    );
    assert_eq!(read.stamp(), 9);
}

#[test]
fn single_values_become_lists() {
    let check = |old: &str, expected: Value| {
        let mut collection = notes();
        collection.fields[3].kind = samples::select(&["a", "b"], 1);
        collection.layouts = vec![Layout::of(CollectionKind::Base, &collection.fields)];
        let record = samples::record(&Arc::new(collection.clone()), 1, json!({"tags": old}));
        collection.fields[3].kind = samples::select(&["a", "b"], 2);
        collection.layouts.push(Layout::of(CollectionKind::Base, &collection.fields));
        let read = Record::from_stored(Arc::new(collection), record.stored().clone()).unwrap();
        assert_eq!(read.value(3), expected);
    };
    check("a", json!(["a"]));
    check("", json!([]));
}

#[test]
fn debug_output_has_no_values() {
    assert_eq!(format!("{:?}", ada(true)), "Record(users/ada)");
}

proptest! {
    #[test]
    fn any_values_come_back(title: String, count: i64, tags in prop::collection::vec("[a-z\"\\\\]{0,5}", 0..4)) {
        let values = json!({"title": title, "count": count, "tags": tags});
        let collection = Arc::new(notes());

        let made = samples::record(&collection, 5, values);
        let note = Record::from_stored(collection, made.stored().clone()).unwrap();

        prop_assert_eq!(note.text(1), title);
        prop_assert_eq!(note.value(2), json!(count));
        prop_assert_eq!(note.texts(3), tags);
        prop_assert!(note.to_value(Sight::STRANGER).is_object());
    }

    #[test]
    fn broken_bytes_never_panic(at: prop::sample::Index, byte: u8, length: prop::sample::Index) {
        let whole = ada(false).stored().to_vec();
        let mut broken = whole.clone();
        broken[at.index(whole.len())] = byte;
        broken.truncate(length.index(whole.len() + 1));

        if let Ok(record) = Record::from_stored(Arc::new(accounts()), Bytes::from(broken)) {
            let _ = (record.id(), record.stamp(), record.to_value(Sight::SUPERUSER));
            for field in 0..record.collection().fields.len() {
                let _ = (record.raw(field), record.text(field), record.value(field));
            }
        }
    }
}

#[test]
fn what_a_change_took_away_leads_back() {
    let old = ada(true);
    let at = |name: &str| old.collection().field(name).unwrap().0;
    let changes = [
        (at("name"), json!("Ada \"Countess\" \u{e5}")),
        (at("secret"), json!("")),
        (at("emailVisibility"), json!(false)),
    ];
    let new = old.with(&changes);
    let undo = old.undo(&new);

    assert_eq!(new.undone(&undo).unwrap().stored(), old.stored());
    assert!(undo.len() < 60, "only what changed is kept: {}", undo.len());
    assert!(old.undo(&old).is_empty(), "nothing changed");
    assert_eq!(old.undone(b"").unwrap().stored(), old.stored());
    assert!(new.undone(b"\x02{}").is_err(), "of a version to come");
    assert!(new.undone(b"\x01{").is_err());
}

#[test]
fn what_a_change_took_away_survives_renamed_and_removed_fields() {
    let old = ada(true);
    let at = |name: &str| old.collection().field(name).unwrap().0;
    let new = old.with(&[(at("name"), json!("Eve")), (at("secret"), json!("t"))]);
    let undo = old.undo(&new);
    let mut later = Collection::clone(old.collection());
    later.fields.retain(|field| field.name != "secret");
    let (name, _) = later.field("name").unwrap();
    later.fields[name].name = "nick".to_owned();
    later.layouts.push(Layout::of(later.kind, &later.fields));

    let later = Record::from_stored(Arc::new(later), new.stored().clone()).unwrap();
    assert_eq!(later.undone(&undo).unwrap().text_of("nick"), "Ada");
}
