//! Indexes of collections that are too large to make them at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use holdall::app::{App, Options};
use holdall::domain::collections::build::{self, Step};
use holdall::domain::schema::Schema;
use holdall::domain::{Error, collections, indexes, records};
use holdall::store::Home;
use serde_json::{Value, json};

use crate::house::{House, forget_state};

const NOTES: &str = "/api/collections/notes";
const COUNT: usize = 2_600;
const BY_TITLE: &str = "CREATE UNIQUE INDEX `by_title` ON `notes` (`title`)";
const BY_SIZE: &str = "CREATE INDEX `by_size` ON `notes` (`size` DESC, `title`)";

fn object(value: Value) -> serde_json::Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Defines the notes, with indexes that can be done without.
fn define(app: &App) {
    define_with(app, COUNT);
}

fn define_with(app: &App, count: usize) {
    let request = app.operator("test");
    let definition = object(json!({
        "name": "notes", "type": "base", "listRule": "",
        "fields": [{ "name": "title", "type": "text" }, { "name": "size", "type": "number" }],
        "indexes": ["CREATE INDEX `old` ON `notes` (`size`)"],
    }));
    let define = |tx: &mut _| collections::create(tx, &request.caller, &definition, 0).map(drop);
    app.store().write(define).unwrap();
    for slice in 0..count / 200 {
        let fill = |tx: &mut _| {
            (slice * 200..(slice + 1) * 200)
                .try_for_each(|n| add(tx, app, &format!("note {n}"), n % 10))
        };
        app.store().write(fill).unwrap();
    }
}

fn add(tx: &mut holdall::store::Tx, app: &App, title: &str, size: usize) -> Result<(), Error> {
    let body = object(json!({ "title": title, "size": size }));
    records::create(tx, &app.operator("test"), "notes", &body).map(drop)
}

/// States the indexes; leaves the making of them to others.
fn state(app: &App) {
    let caller = app.operator("test").caller;
    let changes = object(json!({ "indexes": [BY_TITLE, BY_SIZE] }));
    let change = |tx: &mut _| collections::update(tx, &caller, "notes", &changes, 0).map(drop);
    app.store().write(change).unwrap();
}

fn step(app: &App) -> Step {
    app.store().write(|tx| build::step(tx, number(app))).unwrap()
}

fn number(app: &App) -> u32 {
    app.glance(|read| Ok(Schema::load(read)?.by_name("notes").unwrap().number)).unwrap()
}

/// How many indexes are there for all to use, and how many are on their way.
fn counts(app: &App) -> (usize, usize) {
    app.glance(|read| {
        let schema = Schema::load(read)?;
        let notes = schema.by_name("notes").unwrap();
        let visible = notes.indexes.iter().filter(|index| !index.internal).count();
        Ok((visible, notes.pending.builds.len()))
    })
    .unwrap()
}

fn assert_sound(app: &App) {
    assert_eq!(app.store().check().unwrap().problems(), [""; 0]);
}

#[tokio::test]
async fn index_of_a_large_collection_is_made_beside_writers() {
    let house = House::new();
    define(&house.app);
    let root = house.superuser().await;
    let done = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (root, done) = (root.clone(), done.clone());
        async move {
            let mut written = 0;
            while !done.load(SeqCst) {
                let new = json!({ "title": format!("beside {written}"), "size": 5 });
                let new = root.post(&format!("{NOTES}/records"), new).await;
                assert_eq!(new.status, 200, "{}", new.body);
                let changed = format!("{NOTES}/records/{}", new.body["id"].as_str().unwrap());
                assert_eq!(root.patch(&changed, json!({ "size": 7 })).await.status, 200);
                written += 1;
            }
            written
        }
    });

    let changed = root.patch(NOTES, json!({ "indexes": [BY_TITLE, BY_SIZE] })).await;

    done.store(true, SeqCst);
    let written = writing.await.unwrap();
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(changed.body["indexes"], json!([BY_TITLE, BY_SIZE]));
    assert_sound(&house.app);
    let seven = root.get(&format!("{NOTES}/records?filter=size=7")).await;
    assert_eq!(seven.body["totalItems"], json!(COUNT / 10 + written));
    let taken = root.post(&format!("{NOTES}/records"), json!({ "title": "note 7" })).await;
    assert_eq!(taken.body["data"]["title"]["code"], "validation_not_unique");
}

#[tokio::test]
async fn unique_index_that_records_forbid_changes_nothing() {
    let house = House::new();
    define(&house.app);
    house.app.store().write(|tx| add(tx, &house.app, "note 2000", 1)).unwrap();
    let root = house.superuser().await;
    let before = root.get(NOTES).await.body;

    let fields = json!([{ "name": "other", "type": "text" }]);
    let refused = root.patch(NOTES, json!({ "fields": fields, "indexes": [BY_TITLE] })).await;
    assert_eq!(refused.status, 400, "a field that the index names would be gone");
    let refused =
        root.patch(NOTES, json!({ "name": "sheets", "indexes": [BY_SIZE, BY_TITLE] })).await;

    assert_eq!(refused.status, 400, "{}", refused.body);
    let code = &refused.body["data"]["indexes"]["1"]["code"];
    assert_eq!(code, "validation_invalid_index_expression", "{}", refused.body);
    assert_eq!(root.get(NOTES).await.body, before);
    assert_eq!(counts(&house.app), (1, 0));
}

#[tokio::test]
async fn nobody_looks_things_up_in_an_index_that_is_half_made() {
    let house = House::new();
    define(&house.app);
    state(&house.app);
    let root = house.superuser().await;
    let small = format!("{NOTES}/records?filter=size=3%26%26title~'note'");
    let mut steps = 0;
    while counts(&house.app) != (2, 0) {
        let found = root.get(&small).await;
        assert_eq!(found.body["totalItems"], json!(COUNT / 10), "after {steps} steps");
        assert_sound(&house.app);
        if let Step::Look(index) = step(&house.app) {
            let conclude = |tx: &mut _| build::conclude(tx, number(&house.app), &index, None);
            assert!(house.app.store().write(conclude).unwrap().is_none());
        }
        steps += 1;
    }
    assert!(steps > 2 * COUNT / 500, "{steps} steps");
    let dropped = root.patch(NOTES, json!({ "indexes": [] })).await;
    assert_eq!(dropped.status, 200, "{}", dropped.body);
    assert_sound(&house.app);
}

#[tokio::test]
async fn index_that_becomes_unique_is_looked_through() {
    for count in [COUNT, 400] {
        let house = House::new();
        define_with(&house.app, count);
        let root = house.superuser().await;
        let plain = "CREATE INDEX `t` ON `notes` (`title`)";
        let unique = "CREATE UNIQUE INDEX `t` ON `notes` (`title`)";
        assert_eq!(root.patch(NOTES, json!({ "indexes": [plain] })).await.status, 200);
        house.app.store().write(|tx| add(tx, &house.app, "note 7", 1)).unwrap();

        let refused = root.patch(NOTES, json!({ "indexes": [unique] })).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert_eq!(root.get(NOTES).await.body["indexes"], json!([plain]));

        let twin = root.get(&format!("{NOTES}/records?filter=title='note%207'%26%26size=1")).await;
        let twin = format!("{NOTES}/records/{}", twin.body["items"][0]["id"].as_str().unwrap());
        assert_eq!(root.delete(&twin).await.status, 204);
        let changed = root.patch(NOTES, json!({ "indexes": [unique] })).await;
        assert_eq!(changed.body["indexes"], json!([unique]), "{}", changed.body);
        assert!(house.app.store().write(|tx| add(tx, &house.app, "note 8", 1)).is_err());
        assert_sound(&house.app);
    }
}

#[test]
fn schema_may_change_while_an_index_is_made() {
    let app = App::open(Options::default()).unwrap();
    define(&app);
    state(&app);
    (0..2).for_each(|_| drop(step(&app)));
    let caller = app.operator("test").caller;
    let fields = json!([
        { "name": "new", "type": "text" },
        { "name": "title", "type": "text" },
        { "name": "size", "type": "number" },
    ]);
    for changes in [json!({ "fields": fields }), json!({ "indexes": [BY_SIZE] })] {
        let changes = object(changes);
        let change = |tx: &mut _| collections::update(tx, &caller, "notes", &changes, 0).map(drop);
        app.store().write(change).unwrap();
        assert_sound(&app);
        step(&app);
    }
    assert!(app.settle_all_indexes().unwrap().is_empty());
    assert_eq!(counts(&app), (1, 0));
    assert!(is_settled(&app));
    assert_sound(&app);
}

#[test]
fn two_alike_that_came_while_it_was_made_forbid_a_unique_index() {
    let app = App::open(Options::default()).unwrap();
    define(&app);
    state(&app);
    step(&app);
    app.store().write(|tx| add(tx, &app, "note 1", 1)).unwrap();
    let index = loop {
        if let Step::Look(index) = step(&app) {
            break index;
        }
    };
    let refused = app.store().write(|tx| add(tx, &app, "note 2", 1));
    assert!(matches!(refused, Err(Error::Invalid { .. })), "enforced before it is there");
    let found = app
        .glance(|read| {
            let schema = Schema::load(read)?;
            indexes::duplicate(read, schema.by_name("notes").unwrap(), &index)
        })
        .unwrap();

    let conclude = |tx: &mut _| build::conclude(tx, number(&app), &index, found.as_deref());
    let problems = app.store().write(conclude).unwrap().unwrap();

    assert!(problems.has("indexes"));
    while step(&app) != Step::Done {}
    assert_eq!(counts(&app), (1, 0), "the other index is there");
    assert_sound(&app);
    app.store().write(|tx| add(tx, &app, "note 2", 1)).unwrap();
}

#[tokio::test]
async fn change_whose_unique_index_cannot_be_has_not_begun() {
    not_begun_without("").await;
}

#[tokio::test]
async fn change_whose_partial_index_cannot_be_has_not_begun() {
    not_begun_without(" WHERE heading != 'title'").await;
}

/// Tries a change that states a unique index with `condition` while others write what it forbids.
async fn not_begun_without(condition: &str) {
    let app = App::open(Options::default()).unwrap();
    define(&app);
    let caller = app.operator("test").caller;
    let seen = || {
        let notes = app.glance(|read| collections::find(read, &caller, "notes")).unwrap();
        (notes.to_json(), notes.fields.clone())
    };
    let before = seen();
    // Renames one field, drops the other, states the index under the new name.
    let mut fields = before.0["fields"].clone();
    let list = fields.as_array_mut().unwrap();
    list.retain(|field| field["name"] != "size");
    list.iter_mut().find(|field| field["name"] == "title").unwrap()["name"] = json!("heading");
    let by_heading = format!("CREATE UNIQUE INDEX `by_heading` ON `notes` (`heading`){condition}");
    let wanted = object(json!({ "fields": fields, "indexes": [by_heading] }));
    let attempt = async |alike: bool| {
        let (by, list) = (caller.clone(), wanted.clone());
        let change = app.write(move |tx| collections::update(tx, &by, "notes", &list, 0));
        let (by, list, twin) = (caller.clone(), wanted.clone(), app.clone());
        let begin = move |tx: &mut _| {
            let ahead = collections::update_ahead(tx, &by, "notes", &list, 0)?;
            assert_eq!(ahead.len(), 1);
            if alike {
                // As somebody else does while the index is made.
                (0..2).try_for_each(|_| add(tx, &twin, "the same", 7))?;
            }
            Ok(ahead)
        };
        app.ahead_of(change, begin, |_, problems| problems.check("refused"), 0).await
    };

    let refused = attempt(true).await.unwrap_err();

    assert!(matches!(&refused, Error::Invalid { problems, .. } if problems.has("indexes")));
    assert_eq!(seen(), before);
    assert!(is_settled(&app));
    assert_sound(&app);
    let twins = |read: &holdall::store::Snapshot| {
        let filter = "title = 'the same' && size = 7".to_owned();
        let listing = records::Listing { filter, ..Default::default() };
        Ok(records::list(read, &app.operator("test"), "notes", &listing)?.records)
    };
    let twins = app.glance(twins).unwrap();
    assert_eq!(twins.len(), 2);

    let delete = |tx: &mut _| records::delete(tx, &app.operator("test"), "notes", twins[0].id());
    app.store().write(delete).unwrap();
    let changed = attempt(false).await.unwrap();
    assert_eq!(changed.to_json()["indexes"], json!([by_heading]));
    assert!(app.settle_all_indexes().unwrap().is_empty());
    assert_eq!(counts(&app), (1, 0));
    assert_sound(&app);
}

#[test]
fn index_half_made_is_finished_by_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let options = || Options { home: Home::Files(home.path().to_owned()), ..Options::default() };
    {
        let app = App::open(options()).unwrap();
        define(&app);
        state(&app);
        (0..3).for_each(|_| drop(step(&app)));
        app.store().make_base().unwrap();
        step(&app);
        assert_eq!(counts(&app), (0, 2));
        app.store().close();
    }
    forget_state(home.path());

    let app = App::open(options()).unwrap();

    let begun = Instant::now();
    while counts(&app) != (2, 0) || !is_settled(&app) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", counts(&app));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_sound(&app);
}

fn is_settled(app: &App) -> bool {
    let pending = |schema: Arc<Schema>| schema.by_name("notes").unwrap().pending.is_empty();
    app.glance(|read| Ok(pending(Schema::load(read)?))).unwrap()
}
