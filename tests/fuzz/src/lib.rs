//! What is thrown at everything that reads text from strangers, and what must hold of it. The same
//! harness runs under libFuzzer, in long random runs on stable, and for a moment in every test run.

use std::cell::OnceCell;
use std::sync::Arc;

use holdall::domain::answer::{self, Look};
use holdall::domain::derive::Derive;
use holdall::domain::indexes::statement;
use holdall::domain::request::{Caller, Request};
use holdall::domain::{Error, collections, records, views};
use holdall::query::parser;
use holdall::store::Store;
use serde_json::{Map, Value, json};

mod dice;

pub use dice::Dice;
use dice::{FILTER_WORDS, INDEX_WORDS, RECORD_WORDS, VIEW_WORDS};

pub type Harness = fn(&[u8]);

pub const TARGETS: [(&str, Harness, &[&str]); 4] = [
    ("filter", filter, FILTER_WORDS),
    ("index", index, INDEX_WORDS),
    ("view", view, VIEW_WORDS),
    ("record", record, RECORD_WORDS),
];

/// Filters, rules and conditions: what is printed of one reads as the same.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(Some(expr)) = parser::parse(text) else { return };
    let printed = expr.to_string();
    match parser::parse(&printed) {
        Ok(Some(again)) => assert_eq!(again, expr, "{printed}"),
        other => panic!("{printed} is read as {other:?}"),
    }
}

/// Statements of indexes: likewise, and their conditions are filters.
pub fn index(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(parsed) = statement::parse(text) else { return };
    if let Ok(Some(condition)) = parsed.filter() {
        assert!(matches!(parser::parse(&condition), Ok(Some(_))), "{condition}");
    }
    let printed = parsed.print();
    let again = statement::parse(&printed).unwrap_or_else(|why| panic!("{printed}: {why}"));
    assert_eq!(again.print(), printed);
}

/// Queries of views: refused, or answered.
pub fn view(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    with_store(|store| {
        if let Err(error) = views::dry_run(&store.snapshot(), text, 0) {
            told(&error);
        }
    });
}

/// Bodies of records: refused, or stored so that what was answered can be sent again and changes
/// nothing.
pub fn record(data: &[u8]) {
    let Ok(Value::Object(body)) = serde_json::from_slice(data) else { return };
    with_store(|store| {
        let undone = store.write(|tx| {
            let request = superuser();
            let made = records::create(tx, &request, "things", &body)?;
            let shown = answer::record(tx, &request, &made, &Look::default())?;
            let mut sent: Map<String, Value> =
                serde_json::from_slice(&shown).expect("an answer is JSON");
            // Text in a json field is read once more each time.
            let json = sent.remove("j");
            let again = records::update(tx, &request, "things", made.id(), &sent);
            let again = again.unwrap_or_else(|error| panic!("{sent:?}: {error}"));
            let again = answer::record(tx, &request, &again, &Look::default())?;
            let mut again: Map<String, Value> =
                serde_json::from_slice(&again).expect("an answer is JSON");
            assert_eq!(again.remove("j"), json);
            assert_eq!(again, sent);
            Err::<(), _>(Error::NotFound("what is undone"))
        });
        told(&undone.expect_err("nothing is kept"));
    });
}

/// Refusals are for the caller; faults of ours are what is looked for.
fn told(error: &Error) {
    assert!(!matches!(error, Error::Broken(_) | Error::Store(_)), "{error}");
}

fn superuser() -> Request {
    Request {
        caller: Caller::Operator("cli:0".to_owned()),
        now_ms: 1_795_239_143_830,
        ..Request::default()
    }
}

thread_local! {
    static STORE: OnceCell<Store> = const { OnceCell::new() };
}

fn with_store(work: impl FnOnce(&Store)) {
    STORE.with(|store| work(store.get_or_init(furnished)));
}

/// A store with a collection of every kind of field, and a few records.
fn furnished() -> Store {
    let store = Store::memory(Arc::new(Derive));
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind});
    let to_users = |name: &str, most: u64| json!({"name": name, "type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": most});
    let definition = json!({"name": "things", "fields": [
        {"name": "text", "type": "text", "autogeneratePattern": "[a-z]{5}"}, field("n", "number"), field("flag", "bool"),
        field("mail", "email"), field("link", "url"), field("body", "editor"), field("d", "date"), field("j", "json"),
        field("g", "geoPoint"), {"name": "one", "type": "select", "values": ["a", "b"]},
        {"name": "some", "type": "select", "values": ["a", "b", "c"], "maxSelect": 3},
        to_users("owner", 1), to_users("owners", 3),
        {"name": "made", "type": "autodate", "onCreate": true, "onUpdate": true}],
        "indexes": ["CREATE UNIQUE INDEX things_text ON things (text, n) WHERE text != ''"]});
    let definition = definition.as_object().expect("an object");
    let made = store.write(|tx| {
        collections::bootstrap(tx, 0)?;
        collections::define(tx, definition, 0)?;
        for n in 0..3 {
            let body = json!({"text": format!("t{n}"), "n": n, "some": ["a"]});
            records::create(tx, &superuser(), "things", body.as_object().expect("an object"))?;
        }
        Ok::<_, Error>(())
    });
    made.expect("a store can be furnished");
    store
}
