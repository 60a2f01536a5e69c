//! What the rules of records promise, on a store with hand-made collections.

use serde_json::{Value, json};

use crate::domain::answer::{self, Look};
use crate::domain::fields::{AutodateOptions, Kind, RelationOptions, TextOptions};
use crate::domain::record::Record;
use crate::domain::records::{self, Body, Listing};
use crate::domain::request::{Caller, Request};
use crate::domain::samples;
use crate::domain::schema::{Collection, Layout, Rules};
use crate::domain::{Error, Result};
use crate::store::{self, Derive, Derived, Read, Store, keys};

const MORNING_MS: i64 = 1_795_239_143_830;
const NOON_MS: i64 = MORNING_MS + 3_600_000;

/// Nothing is derived: rules must find what they need all the same.
struct Underived;

impl Derive for Underived {
    fn derive(&self, _: &dyn Read, _: &[u8], _: &[u8], _: &mut Derived) -> store::Result<()> {
        Ok(())
    }
}

struct World(Store);

fn world() -> World {
    let store = Store::memory(std::sync::Arc::new(Underived));
    let collections: Vec<_> = [authors(), posts(), notes(), self_made()]
        .iter()
        .map(|collection| (keys::collection(collection.number), collection.to_stored()))
        .collect();
    store
        .write(move |tx| {
            for (key, value) in &collections {
                tx.put(key, value.clone())?;
            }
            tx.put(keys::SCHEMA, b"1".to_vec())
        })
        .unwrap();
    World(store)
}

fn open() -> Rules {
    let open = Some(String::new());
    Rules {
        list: open.clone(),
        view: open.clone(),
        create: open.clone(),
        update: open.clone(),
        delete: open,
    }
}

fn with_layout(mut collection: Collection) -> Collection {
    for field in &mut collection.fields {
        if let Kind::Text(options) = &mut field.kind
            && options.primary_key
        {
            *options = TextOptions {
                min: 3,
                max: 15,
                pattern: "^[a-z0-9]+$".into(),
                autogenerate_pattern: "[a-z0-9]{15}".into(),
                primary_key: true,
            };
        }
    }
    collection.layouts = vec![Layout::of(collection.kind, &collection.fields)];
    collection
}

fn authors() -> Collection {
    let mut authors = samples::collection(
        1,
        "authors",
        &[("name", samples::text()), ("secret", samples::text())],
    );
    authors.fields[2].hidden = true;
    authors.rules = Rules { view: Some("name != 'shy'".into()), ..open() };
    with_layout(authors)
}

fn posts() -> Collection {
    let autodate = |on_create, on_update| Kind::Autodate(AutodateOptions { on_create, on_update });
    let mut posts = samples::collection(
        2,
        "posts",
        &[
            ("title", Kind::Text(TextOptions { max: 5, ..TextOptions::default() })),
            ("n", samples::number()),
            ("tags", samples::select(&["a", "b", "c"], 3)),
            ("author", samples::relation("authors", 1)),
            ("co", samples::relation("authors", 5)),
            ("created", autodate(true, false)),
            ("updated", autodate(true, true)),
        ],
    );
    posts.rules = Rules {
        create: Some("title != 'evil'".into()),
        update: Some("title != 'lock'".into()),
        delete: None,
        ..open()
    };
    with_layout(posts)
}

/// Go with their owner, and forbid that their keeper goes.
fn notes() -> Collection {
    let relation = |cascade_delete| {
        Kind::Relation(RelationOptions {
            collection_id: "authors_id".into(),
            max_select: 1,
            cascade_delete,
            ..RelationOptions::default()
        })
    };
    let mut notes = samples::collection(
        3,
        "notes",
        &[("owner", relation(true)), ("needs", relation(false)), ("keeper", relation(false))],
    );
    notes.fields[3].required = true;
    notes.rules = open();
    with_layout(notes)
}

/// A chain of records that go with each other.
fn self_made() -> Collection {
    let next = Kind::Relation(RelationOptions {
        collection_id: "links_id".into(),
        max_select: 1,
        cascade_delete: true,
        ..RelationOptions::default()
    });
    let mut links = samples::collection(4, "links", &[("next", next)]);
    links.rules = open();
    with_layout(links)
}

fn guest() -> Request {
    Request { method: "POST".into(), context: "default", now_ms: MORNING_MS, ..Request::default() }
}

fn superuser() -> Request {
    Request { caller: Caller::Operator("cli:0".into()), ..guest() }
}

fn body(value: Value) -> Body {
    value.as_object().cloned().unwrap()
}

impl World {
    fn create(&self, request: &Request, collection: &str, value: Value) -> Result<Record> {
        let (request, collection, body) = (request.clone(), collection.to_owned(), body(value));
        self.0.write(move |tx| records::create(tx, &request, &collection, &body))
    }

    fn update(
        &self,
        request: &Request,
        collection: &str,
        id: &str,
        value: Value,
    ) -> Result<Record> {
        let (request, collection, id) = (request.clone(), collection.to_owned(), id.to_owned());
        let body = body(value);
        self.0.write(move |tx| records::update(tx, &request, &collection, &id, &body))
    }

    fn delete(&self, request: &Request, collection: &str, id: &str) -> Result<()> {
        let (request, collection, id) = (request.clone(), collection.to_owned(), id.to_owned());
        self.0.write(move |tx| records::delete(tx, &request, &collection, &id))
    }

    fn show(&self, request: &Request, collection: &str, id: &str, look: &Look) -> Result<Value> {
        let read = self.0.snapshot();
        let record = records::view(&read, request, collection, id)?;
        let bytes = answer::record(&read, request, &record, look)?;
        Ok(serde_json::from_slice(&bytes).unwrap())
    }

    fn count(&self, collection: &str) -> usize {
        let read = self.0.snapshot();
        let listing = Listing { per_page: 1000, ..Listing::default() };
        records::list(&read, &superuser(), collection, &listing).unwrap().records.len()
    }

    fn author(&self, id: &str, name: &str) {
        self.create(&superuser(), "authors", json!({"id": id, "name": name, "secret": "s"}))
            .unwrap();
    }
}

fn codes(error: Error) -> Value {
    let Error::Invalid { problems, .. } = error else { panic!("{error:?}") };
    problems
        .into_json()
        .into_iter()
        .map(|(name, problem)| (name, problem["code"].clone()))
        .collect()
}

#[test]
fn created_records_are_complete() {
    let world = world();

    let given = json!({"nope": 1, "created": "2020-01-01 00:00:00.000Z", "tags": "[\"a\"]"});
    let record = world.create(&guest(), "posts", given).unwrap();

    let shown = world.show(&guest(), "posts", record.id(), &Look::default()).unwrap();
    assert_eq!(record.id().len(), 15);
    assert_eq!(shown["collectionName"], "posts");
    assert_eq!(shown["created"], "2026-11-21 05:32:23.830Z");
    assert_eq!(
        (&shown["n"], &shown["tags"], &shown["author"]),
        (&json!(0), &json!(["a"]), &json!(""))
    );
    assert_eq!(shown.get("nope"), None);
}

#[test]
fn ids_are_checked_and_taken_once() {
    let world = world();
    world.create(&guest(), "posts", json!({"id": "first"})).unwrap();

    let refused = |id: &str| codes(world.create(&guest(), "posts", json!({"id": id})).unwrap_err());

    assert_eq!(refused("first"), json!({"id": "validation_not_unique"}));
    assert_eq!(refused("ab"), json!({"id": "validation_min_text_constraint"}));
    assert_eq!(refused("ABC"), json!({"id": "validation_invalid_format"}));
    let blank = world.create(&guest(), "posts", json!({"id": null})).unwrap();
    assert_eq!(blank.id().len(), 15);
}

#[test]
fn all_problems_are_told_and_nothing_is_written() {
    let world = world();

    let given = json!({"title": "too long", "tags": ["x"], "co": ["nobody"]});
    let refused = world.create(&guest(), "posts", given).unwrap_err();

    assert_eq!(
        codes(refused),
        json!({"title": "validation_max_text_constraint", "tags": "validation_invalid_value",
            "co": "validation_missing_rel_records"})
    );
    assert_eq!(world.count("posts"), 0);
}

#[test]
fn updates_change_what_was_sent_and_no_more() {
    let world = world();
    let given = json!({"id": "one", "title": "a", "n": 5, "tags": ["b"]});
    world.create(&guest(), "posts", given).unwrap();
    let noon = Request { now_ms: NOON_MS, ..guest() };

    let given = json!({"id": "one", "title": "b", "n+": 2, "+tags": "c"});
    let changed = world.update(&noon, "posts", "one", given).unwrap();
    assert_eq!(changed.text_of("title"), "b");
    assert_eq!((changed.raw(2), changed.raw(3)), ("7", r#"["c","b"]"#));
    assert_eq!(changed.text_of("created"), "2026-11-21 05:32:23.830Z");
    assert_eq!(changed.text_of("updated"), "2026-11-21 06:32:23.830Z");

    let reset = world.update(&noon, "posts", "one", json!({"n": null, "tags": null})).unwrap();
    assert_eq!((reset.raw(2), reset.raw(3)), ("0", "[]"));
    let moved = world.update(&noon, "posts", "one", json!({"id": "two"})).unwrap_err();
    assert_eq!(codes(moved), json!({"id": "validation_pk_change"}));
}

#[test]
fn rules_answer_as_the_protocol_says() {
    let world = world();
    world.create(&superuser(), "posts", json!({"id": "one", "title": "lock"})).unwrap();

    let evil = world.create(&guest(), "posts", json!({"title": "evil"}));
    assert!(matches!(evil, Err(Error::Bad(_))));
    world.create(&guest(), "posts", json!({"id": "two", "title": "x"})).unwrap();
    for id in ["one", "nothing"] {
        let locked = world.update(&guest(), "posts", id, json!({}));
        assert!(matches!(locked, Err(Error::NotFound(_))), "{id}");
        assert!(matches!(world.delete(&guest(), "posts", id), Err(Error::Forbidden(_))), "{id}");
    }
    let unknown = world.create(&guest(), "nowhere", json!({}));
    assert!(matches!(unknown, Err(Error::NotFound(_))));
}

#[test]
fn hidden_fields_are_for_superusers() {
    let world = world();
    world.author("ann", "Ann");

    world.update(&guest(), "authors", "ann", json!({"secret": "stolen"})).unwrap();

    let seen = |request: &Request| world.show(request, "authors", "ann", &Look::default()).unwrap();
    assert_eq!(seen(&guest()).get("secret"), None);
    assert_eq!(seen(&superuser())["secret"], "s");
}

#[test]
fn relations_expand_as_far_as_the_caller_may_view() {
    let world = world();
    world.author("ann", "Ann");
    world.author("shy", "shy");
    let given = json!({"id": "one", "title": "t", "author": "ann", "co": ["shy", "ann"]});
    world.create(&superuser(), "posts", given).unwrap();

    let look = Look::parse("author,co,nothing,title", "id,expand.*.name").unwrap();
    assert_eq!(
        world.show(&guest(), "posts", "one", &look).unwrap(),
        json!({"id": "one", "expand": {"author": {"name": "Ann"}, "co": [{"name": "Ann"}]}})
    );
    let look =
        Look::parse("posts_via_co.author", "name,expand.posts_via_co.expand.author.id").unwrap();
    assert_eq!(
        world.show(&guest(), "authors", "ann", &look).unwrap(),
        json!({"name": "Ann", "expand": {"posts_via_co": [{"expand": {"author": {"id": "ann"}}}]}})
    );
}

#[test]
fn references_to_the_deleted_are_taken_out() {
    let world = world();
    world.author("ann", "Ann");
    world.author("bob", "Bob");
    let given = json!({"id": "one", "author": "ann", "co": ["ann", "bob"]});
    world.create(&superuser(), "posts", given).unwrap();
    world
        .create(
            &superuser(),
            "notes",
            json!({"id": "gone", "owner": "ann", "needs": "bob", "keeper": "ann"}),
        )
        .unwrap();
    world
        .create(
            &superuser(),
            "notes",
            json!({"id": "kept", "owner": "bob", "needs": "ann", "keeper": "bob"}),
        )
        .unwrap();

    world.delete(&superuser(), "authors", "ann").unwrap();

    let post = world.show(&superuser(), "posts", "one", &Look::default()).unwrap();
    assert_eq!((&post["author"], &post["co"]), (&json!(""), &json!(["bob"])));
    assert!(world.show(&superuser(), "notes", "gone", &Look::default()).is_err());
    let kept = world.show(&superuser(), "notes", "kept", &Look::default()).unwrap();
    assert_eq!((&kept["owner"], &kept["needs"]), (&json!("bob"), &json!("")));
}

#[test]
fn required_references_forbid_to_delete() {
    let world = world();
    world.author("ann", "Ann");
    world.author("bob", "Bob");
    let given = json!({"id": "one", "owner": "ann", "keeper": "bob"});
    world.create(&superuser(), "notes", given).unwrap();

    let refused = world.delete(&superuser(), "authors", "bob");

    assert!(matches!(refused, Err(Error::Bad(_))));
    assert_eq!((world.count("authors"), world.count("notes")), (2, 1));
}

#[test]
fn long_chains_go_as_one() {
    let world = world();
    world.create(&superuser(), "links", json!({"id": "l0000"})).unwrap();
    for at in 1..60 {
        let given = json!({"id": format!("l{at:04}"), "next": format!("l{:04}", at - 1)});
        world.create(&superuser(), "links", given).unwrap();
    }

    world.delete(&superuser(), "links", "l0000").unwrap();

    assert_eq!(world.count("links"), 0);
}
