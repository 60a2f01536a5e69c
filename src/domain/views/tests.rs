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

pub(super) fn create(store: &Store, definition: Value) -> Result<(), Error> {
    let definition = definition.as_object().unwrap().clone();
    let made = store.write(move |tx| collections::define(tx, &definition, 0));
    made.map(|_| ())
}

/// Posts of two people, and a view over them.
pub(super) fn world(query: &str) -> Store {
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

pub(super) fn shown(store: &Store, filter: &str, columns: &[&str]) -> Vec<Value> {
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
fn conditions_and_functions_are_as_in_sql() {
    let store = world(
        "select id, (case when n > 3 then 'big' else 'small' end) as size, (case title when 'a' then 1 end) as a,
            upper(title) as up, (title like 'A%') as like_a, (n in (2, 9)) as two, (n between 3 and 9) as mid,
            (title is not null) as has, n / 2 as half, strftime('%Y', '2024-05-06') as year, ifnull(nullif(title, 'a'), 'none') as other
            from posts order by n",
    );
    assert_eq!(
        shown(
            &store,
            "",
            &["size", "a", "up", "like_a", "two", "mid", "has", "half", "year", "other"]
        ),
        [
            json!(["small", null, "B", 0, 1, 0, 1, 1, 2024, "b"]),
            json!(["big", 1, "A", 1, 0, 1, 1, 2, 2024, "none"])
        ]
    );
}

#[test]
fn only_plain_columns_counts_and_casts_have_a_kind() {
    let store = world(
        "select id, (title) as t, count(*) + 1 as c, (count(*)) as d, total(n) as total, cast(n as bool) as b,
            cast(n as int) as i, cast(n as double) as f from posts group by id",
    );
    let schema = Schema::load(&store.snapshot()).unwrap();
    let kinds: Vec<_> =
        schema.find("v").unwrap().fields.iter().map(|field| field.kind.name()).collect();
    assert_eq!(kinds, ["text", "json", "number", "json", "number", "bool", "number", "json"]);
}

#[test]
fn queries_stand_in_queries() {
    let world = |query: &str, columns: &[&str]| shown(&world(query), "", columns);
    assert_eq!(
        world(
            "with t as (select by, count(*) as c from posts group by by)
                select people.id, coalesce(t.c, 0) as c from people left join t on t.by = people.id",
            &["id", "c"]
        ),
        [json!(["ada000000000000", 2]), json!(["bob000000000000", 0])]
    );
    assert_eq!(
        world(
            "select id, (select max(n) from posts where posts.by = people.id) as top from people
                where exists (select 1 from posts where by = people.id and n > 4)",
            &["id", "top"]
        ),
        [json!(["ada000000000000", 5])]
    );
    assert_eq!(
        world("select id, name from people where id not in (select by from posts)", &["name"]),
        [json!(["Bob"])]
    );
    assert_eq!(
        world(
            "select id, label from (select id, title as label from posts union all select id, name from people)
                order by label desc limit 3",
            &["label"]
        ),
        [json!(["b"]), json!(["a"]), json!(["Bob"])]
    );
    assert_eq!(
        world("select distinct by as id from posts union select id from people", &["id"]),
        [json!(["ada000000000000"]), json!(["bob000000000000"])]
    );
}

#[test]
fn rows_are_numbered_and_groups_chosen() {
    let store = world("select (row_number() over (order by n desc)) as id, title from posts");
    assert_eq!(shown(&store, "", &["id", "title"]), [json!(["1", "a"]), json!(["2", "b"])]);
    let store = world(
        "select by as id, max(n) as top, title, count(distinct title) as c, group_concat(title, '/') as all_titles
            from posts group by by having count(*) > 1",
    );
    let columns = &["id", "top", "title", "c", "all_titles"];
    assert_eq!(shown(&store, "", columns), [json!(["ada000000000000", 5, "a", 2, "b/a"])]);
}

#[test]
fn a_query_that_looks_at_too_much_is_stopped() {
    let store = world("select id from people");
    let query = "select a.id, (select count(*) from posts b, posts c, posts d, posts e, posts f, posts g, posts h, posts z
            where b.title || c.title || d.title || e.title || f.title || g.title || h.title || a.title
            in (select i.title || j.title || k.title || l.title || m.title || n.title || o.title || a.title
            from posts i, posts j, posts k, posts l, posts m, posts n, posts o, posts y)) as c from posts a";
    let answer = views::dry_run(&store.snapshot(), query, 0);
    assert!(matches!(answer, Err(Error::TooExpensive(_))), "{answer:?}");
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
            "select id, soundex(title) as u from posts",
            "soundex() is not understood here (line 1, column 12)",
        ),
        ("select id, n + 1 from posts", "an expression without a name"),
        ("select id from posts intersect select id from people", "a set of queries"),
        ("select id from posts union select id, name from people", "different columns"),
        ("select id, (select id, n from posts) as x from posts", "more than one column"),
        ("with recursive t as (select id from posts) select id from t", "RECURSIVE"),
        (
            "select id from (select id from (select zz from posts)) x",
            "no field \"zz\" (line 1, column 40)",
        ),
        ("select id, n as \"my n\" from posts", "no name of a field"),
        ("select id, (select tokenKey from users) as k from posts", "no collection"),
        ("select id from posts where sum(n) > 1", "an aggregate"),
        ("select id from posts where row_number() over () > 1", "an aggregate"),
        ("select id, max(count(*)) as x from posts", "an aggregate of an aggregate"),
        ("select id from posts order by 3", "no column 3"),
        ("select 1 as id", "without FROM"),
        ("select id from posts; select 1", "one SELECT"),
        ("delete from posts", "one SELECT"),
        ("select id from posts, people", "could be of several tables"),
        ("select posts.id from posts natural join people", "a join without ON"),
        ("select id from posts join people on 1 = 1", "could be of several tables"),
    ] {
        let Err(Error::Invalid { problems, .. }) = views::dry_run(&snapshot, query, 0) else {
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

#[test]
fn a_view_has_no_rules_of_writing_and_no_indexes() {
    let store = world("select id, title from posts");
    for (changes, member, code) in [
        (json!({"createRule": ""}), "createRule", "validation_nil"),
        (json!({"deleteRule": "id = ''"}), "deleteRule", "validation_nil"),
        (
            json!({"indexes": ["CREATE INDEX i ON v (title)"]}),
            "indexes",
            "validation_indexes_not_supported",
        ),
    ] {
        let mut definition = json!({"name": "w", "type": "view", "viewQuery": "select id from v"});
        definition.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let Err(Error::Invalid { problems, .. }) = create(&store, definition) else {
            panic!("{changes} was taken")
        };
        assert_eq!(Value::Object(problems.into_json())[member]["code"], code);
    }
}

#[test]
fn long_chains_are_refused_before_they_need_a_deep_stack() {
    let store = world("select id from posts");
    let snapshot = store.snapshot();
    for (count, taken) in [(190, true), (1000, false), (4500, false)] {
        let query = format!("select id, ({}) as x from posts", vec!["n"; count].join("+"));
        assert_eq!(views::dry_run(&snapshot, &query, 0).is_ok(), taken, "{count}");
    }
}

#[test]
fn a_view_takes_nothing_from_the_others() {
    let store = world("select id, title from posts");
    for number in 0..20 {
        let body = json!({"title": format!("post {number}")}).as_object().unwrap().clone();
        store.write(move |tx| records::create(tx, &request(), "posts", &body)).unwrap();
    }
    let listing = Listing { filter: "title ~ 'post 1'".to_owned(), ..Listing::default() };
    let page = records::list(&store.snapshot(), &request(), "posts", &listing).unwrap();
    assert!(page.plan.columns, "columns answer, as they do without views");
    assert_eq!(page.total, Some(11));
}
