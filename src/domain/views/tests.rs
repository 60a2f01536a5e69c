//! Tests of views: what is understood, and what comes out.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::collections;
use crate::domain::derive::Derive;
use crate::domain::records::{self, Listing};
use crate::domain::request::{Caller, Request};
use crate::domain::schema::Schema;
use crate::domain::{Error, views};
use crate::store::Store;

fn request() -> Request {
    Request { caller: Caller::Operator("cli:0".to_owned()), ..Request::default() }
}

fn create(store: &Store, definition: Value) -> Result<(), Error> {
    let definition = definition.as_object().unwrap().clone();
    let made = store.write(move |tx| collections::define(tx, &definition, 0));
    made.map(|_| ())
}

/// Posts of two people, and a view over them.
fn world(query: &str) -> Store {
    let store = Store::memory(Arc::new(Derive));
    create(
        &store,
        json!({"name": "people", "id": "people_id", "fields": [{"name": "name", "type": "text"}]}),
    )
    .unwrap();
    create(
        &store,
        json!({"name": "posts", "fields": [{"name": "title", "type": "text"}, {"name": "n", "type": "number"},
            {"name": "by", "type": "relation", "collectionId": "people_id"}]}),
    )
    .unwrap();
    let put = |collection: &'static str, body: Value| {
        let body = body.as_object().unwrap().clone();
        store.write(move |tx| records::create(tx, &request(), collection, &body)).unwrap();
    };
    put("people", json!({"id": "ada000000000000", "name": "Ada"}));
    put("people", json!({"id": "bob000000000000", "name": "Bob"}));
    put("posts", json!({"id": "p10000000000000", "title": "b", "n": 2, "by": "ada000000000000"}));
    put("posts", json!({"id": "p20000000000000", "title": "a", "n": 5, "by": "ada000000000000"}));
    create(&store, json!({"name": "v", "type": "view", "viewQuery": query})).unwrap();
    store
}

fn shown(store: &Store, filter: &str, columns: &[&str]) -> Vec<Value> {
    let listing = Listing { filter: filter.to_owned(), ..Listing::default() };
    let page = records::list(&store.snapshot(), &request(), "v", &listing).unwrap();
    assert_eq!(page.total, Some(page.records.len() as u64));
    let value = |record: &crate::domain::record::Record, name: &&str| {
        record.value(record.collection().field(name).unwrap().0)
    };
    page.records
        .iter()
        .map(|record| columns.iter().map(|name| value(record, name)).collect())
        .collect()
}

#[test]
fn columns_keep_their_types_and_expressions_are_json() {
    let store = world(
        "select p.id, p.title, p.n, (p.n * 2) as dbl, p.by, count(*) as c from posts p group by p.id",
    );
    let schema = Schema::load(&store.snapshot()).unwrap();
    let kinds: Vec<_> = schema
        .find("v")
        .unwrap()
        .fields
        .iter()
        .map(|field| (field.name.clone(), field.kind.name()))
        .collect();
    let kinds: Vec<_> = kinds.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    assert_eq!(
        kinds,
        [
            ("id", "text"),
            ("title", "text"),
            ("n", "number"),
            ("dbl", "json"),
            ("by", "relation"),
            ("c", "number")
        ]
    );
    assert_eq!(shown(&store, "n > 1 && dbl < 5", &["id", "dbl"]), [json!(["p10000000000000", 4])]);
    assert_eq!(shown(&store, "by.name = 'Ada'", &["c"]), [json!([1]), json!([1])]);
}

#[test]
fn joins_groups_and_orders_are_as_in_sql() {
    let store = world(
        "SELECT people.id, people.name AS who, count(posts.id) AS c, coalesce(sum(posts.n), 0) AS total,
            max(posts.title) AS last FROM people LEFT JOIN posts ON posts.by = people.id
            GROUP BY people.id ORDER BY who DESC",
    );
    assert_eq!(
        shown(&store, "", &["who", "c", "total", "last"]),
        [json!(["Bob", 0, 0, null]), json!(["Ada", 2, 7, "b"])]
    );
    assert_eq!(shown(&store, "c > 0", &["who"]), [json!(["Ada"])]);
}

#[test]
fn where_limit_and_inner_joins_leave_rows_out() {
    let store = world(
        "select posts.id, cast(n as text) as t from people join posts on people.id = posts.by
            where n between 1 and 9 and title in ('a', 'b') order by n desc limit 1",
    );
    assert_eq!(shown(&store, "", &["t"]), [json!(["5"])]);
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let store = world("select id from posts");
    let snapshot = store.snapshot();
    for (query, why) in [
        ("nonsense", "sql parser error"),
        ("select title from posts", "a column named id"),
        ("select * from posts", "* is not understood here (line 1"),
        ("select id from nowhere", "no collection \"nowhere\""),
        ("select id, zz from posts", "no field \"zz\" (line 1, column 12)"),
        (
            "select id, upper(title) as u from posts",
            "upper() is not understood here (line 1, column 12)",
        ),
        ("select id, n + 1 from posts", "an expression without a name"),
        ("select distinct id from posts", "DISTINCT"),
        ("select id from posts union select id from people", "a set of queries"),
        ("select id from (select id from posts) x", "anything but a collection"),
        ("select id from posts; select 1", "one SELECT"),
        ("delete from posts", "one SELECT"),
        ("select id from posts, people", "one FROM"),
        ("select id from posts join people on 1 = 1", "could be of several tables"),
    ] {
        let Err(Error::Invalid { problems, .. }) = views::dry_run(&snapshot, query) else {
            panic!("{query} was taken")
        };
        let message = Value::Object(problems.into_json())["query"]["message"].to_string();
        assert!(message.replace("\\\"", "\"").contains(why), "{query}: {message}");
    }
}

#[test]
fn a_view_cannot_stand_on_itself() {
    let store = world("select id from posts");
    create(&store, json!({"name": "w", "type": "view", "viewQuery": "select id from v"})).unwrap();
    let changes = json!({"viewQuery": "select id from w"}).as_object().unwrap().clone();
    let changed =
        store.write(move |tx| collections::update(tx, &request().caller, "v", &changes, 0));
    assert!(matches!(changed, Err(Error::Invalid { .. })));
}
