//! Columns find what reading every record finds, at every position, whatever changes meanwhile.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::collections;
use crate::domain::derive::Derive;
use crate::domain::fields::Kind;
use crate::domain::record::Record;
use crate::domain::records::{self, Listing};
use crate::domain::samples;
use crate::query::best::Best;
use crate::query::bind::{self, Texts};
use crate::query::budget::Spent;
use crate::query::columns::{Columns, Wants};
use crate::query::evaluate::Evaluator;
use crate::query::rows;
use crate::query::search::Search;
use crate::query::world::World;
use crate::query::{List, Scope};
use crate::store::codec::Datum;
use crate::store::{Snapshot, Store, keys};

/// Rows at first: three blocks, the last one not full.
const ROWS: usize = 2500;
const COLORS: [&str; 4] = ["", "red", "green", "blue"];
const WORDS: [&str; 6] = ["", "Red", "reD wine", "blue", "a\"b", "weiß"];

fn world() -> World {
    let colors = samples::select(&["red", "green", "blue"], 1);
    let fields = [
        ("title", samples::text()),
        ("word", samples::text()),
        ("n", samples::number()),
        ("open", Kind::Bool),
        ("same", samples::text()),
        ("color", colors),
        ("at", Kind::Date(Default::default())),
        ("tags", samples::select(&["a", "b"], 2)),
    ];
    let records: Vec<_> = (0..ROWS).map(|number| ("thing", thing(number, number as u64))).collect();
    World::new(vec![samples::collection(1, "thing", &fields)], &records)
}

fn thing(number: usize, seed: u64) -> Value {
    let dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let pick = |shift: u32, of: u64| (dice >> shift) % of;
    json!({
        "id": format!("id{number:05}"),
        "title": format!("{} {}", WORDS[pick(3, 6) as usize], pick(7, 1000)),
        "word": WORDS[pick(11, 6) as usize],
        "n": pick(17, 50) as f64 / 4.0 - 3.0,
        "open": pick(23, 3) == 0,
        "same": if pick(23, 3000) == 7 { "b" } else { "a" },
        "color": COLORS[pick(29, 4) as usize],
        "at": match pick(37, 40) {
            0 => String::new(),
            day => format!("2026-0{}-1{} 10:00:0{}.00{}Z", 1 + day % 3, day % 9, day % 7, pick(41, 3)),
        },
        "tags": if pick(31, 2) == 0 { json!(["a"]) } else { json!([]) },
    })
}

fn change(world: &World, number: usize, seed: u64) {
    let collection = world.schema.find("thing").unwrap();
    let record = samples::record(collection, 10_000 + seed, thing(number, seed));
    let key = keys::record(collection.number, record.id());
    world
        .store
        .write(|tx| match seed % 4 {
            0 => tx.delete(&key),
            _ => tx.put(&key, record.stored().clone()),
        })
        .unwrap();
}

fn ids(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.id().to_owned()).collect()
}

/// Total and page by columns, and by reading every record.
/// `None` where the snapshot is older than the columns.
fn both(world: &World, snapshot: &Snapshot, list: &List) -> Option<[(u64, Vec<String>); 2]> {
    let request = World::superuser();
    let scope = Scope { read: snapshot, schema: &world.schema, request: &request };
    let collection = world.schema.find("thing").unwrap();
    let texts = Texts { rule: None, filter: &list.filter, sort: &list.sort };
    let tree = bind::query(scope.schema, scope.request, collection, texts).unwrap();
    let spent = Spent::new(None);
    let search = Search::new(&scope, &tree, &spent);
    let columns = Columns::of(&search, true, Wants::Page).unwrap()?;
    let found = columns.page(list).unwrap();
    if let Some(columns) = Columns::of(&search, true, Wants::Total).unwrap() {
        // Made the first time, known the second.
        for _ in 0..2 {
            assert_eq!(columns.mask().unwrap().total, found.total, "{}", list.filter);
        }
    }

    let mut at = Evaluator::new(&scope, &tree, &spent);
    let mut best = Best::new(&tree.sort, search.ties(), list.offset + list.limit);
    let mut total = 0;
    let mut values = Vec::new();
    rows::scan(&scope, collection, &spent, &mut |record| {
        if at.matches(&record)? {
            total += 1;
            let sorted_by = at.sort_values(&record, 0)?;
            values.push(format!("{sorted_by:?}"));
            best.add(sorted_by, record);
        }
        Ok(false)
    })
    .unwrap();
    let mut seen = Vec::new();
    let see = &mut |values: &[Datum<'_>]| {
        seen.push(format!("{values:?}"));
        Ok(())
    };
    columns.values(see).unwrap();
    values.sort();
    seen.sort();
    assert_eq!(seen, values, "{} by {}", list.filter, list.sort);
    let wanted: Vec<_> = best.sorted().into_iter().skip(list.offset as usize).collect();
    Some([(found.total, ids(&found.records)), (total, ids(&wanted))])
}

fn filter() -> impl Strategy<Value = String> {
    let comparison = prop_oneof![
        (
            prop::sample::select(vec!["title", "word", "id", "color", "same"]),
            prop::sample::select(vec!["=", "!=", "~", "!~", ">", "<=", "?="]),
            prop::sample::select(vec![
                "'red'", "'RED W%'", "'%1'", "'id01'", "'a'", "''", "'9'", "null", "5"
            ]),
        ),
        (
            prop::sample::select(vec!["n", "open"]),
            prop::sample::select(vec!["=", "!=", "<", ">=", "~", "<=", ">"]),
            prop::sample::select(vec!["1", "0", "-2.5", "'3'", "true", "null", "''"]),
        ),
        (Just("tags:each"), prop::sample::select(vec!["?=", "="]), Just("'a'")),
    ];
    let comparison = (comparison, any::<bool>()).prop_map(|((field, op, value), turned)| {
        let turned = turned && !op.contains('~') && !op.starts_with('?');
        if turned { format!("{value} {op} {field}") } else { format!("{field} {op} {value}") }
    });
    let joined = (comparison.clone(), comparison.clone(), comparison.clone());
    prop_oneof![
        comparison.prop_map(|one| format!("n > -99 && {one}")),
        joined.prop_map(|(a, b, c)| format!("word != 'x' && ({a} || {b}) && {c}")),
    ]
}

fn sort() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "-n",
        "title",
        "-color,n,id",
        "@rowid",
        "-@rowid",
        "open,-title",
        "-at",
        "at,title",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn columns_find_what_reading_finds(
        asked in prop::collection::vec((filter(), sort(), 0..3u64, 0..40u64), 6),
        changes in prop::collection::vec((0..ROWS + 200, any::<u64>()), 0..120),
    ) {
        let world = world();
        let mut held = Vec::new();
        let mut first = None;
        for (round, (filter, sort, page, limit)) in asked.into_iter().enumerate() {
            let list = List {
                filter,
                sort: sort.to_owned(),
                offset: page * limit,
                limit,
                total: true,
                ..List::default()
            };
            held.push(world.store.snapshot());
            for (number, seed) in changes.iter().skip(round * 20).take(20) {
                change(&world, *number, *seed);
            }
            held.push(world.store.snapshot());
            // Newest first: older ones then meet columns that were taken after them.
            // And what was asked first again: that was known before the changes.
            let first = first.get_or_insert_with(|| list.clone());
            for (age, snapshot) in held.iter().rev().take(3).enumerate() {
                for list in [&list, first] {
                    let answers = both(&world, snapshot, list);
                    prop_assert!(answers.is_some() || age > 0, "columns serve the newest snapshot");
                    let Some([found, wanted]) = answers else { continue };
                    prop_assert_eq!(found, wanted, "{} sorted by {}", list.filter, list.sort);
                }
            }
        }
    }
}

/// Another query takes columns with rows that came after this one began.
#[test]
fn rows_that_came_meanwhile_are_not_seen() {
    let world = world();
    let snapshot = world.store.snapshot();
    let request = World::superuser();
    let scope = Scope { read: &snapshot, schema: &world.schema, request: &request };
    let collection = world.schema.find("thing").unwrap();
    for sort in ["title", "n,title"] {
        let texts = Texts { rule: None, filter: "n > -99", sort };
        let tree = bind::query(scope.schema, scope.request, collection, texts).unwrap();
        let spent = Spent::new(None);
        let search = Search::new(&scope, &tree, &spent);
        let columns = Columns::of(&search, true, Wants::Page).unwrap().unwrap();
        for number in 0..5 {
            change(&world, ROWS + number, 1 + 4 * number as u64);
        }
        let list = List {
            filter: "n > -99".to_owned(),
            sort: "title".to_owned(),
            limit: 3_000,
            total: true,
            ..List::default()
        };
        let [found, wanted] = both(&world, &world.store.snapshot(), &list).unwrap();
        assert_eq!((found.0, &found), (ROWS as u64 + 5, &wanted));

        let page = columns.page(&list).unwrap();
        let mut values = 0;
        let count = &mut |_: &[Datum<'_>]| {
            values += 1;
            Ok(())
        };
        columns.values(count).unwrap();

        assert_eq!((page.total, page.records.len(), values), (ROWS as u64, ROWS, ROWS), "{sort}");
    }
}

#[test]
fn columns_are_made_once_reading_has_cost_as_much() {
    let store = Store::memory(Arc::new(Derive));
    let request = World::superuser();
    let definition = json!({"name": "things", "fields": [{"name": "kind", "type": "text"},
        {"name": "n", "type": "number"}], "indexes": ["CREATE INDEX by_kind ON things (kind)"]});
    let definition = definition.as_object().unwrap().clone();
    store.write(|tx| collections::define(tx, &definition, 0)).unwrap();
    for number in 0..200 {
        let body = json!({"kind": if number % 2 == 0 { "even" } else { "odd" }, "n": number});
        let body = body.as_object().unwrap().clone();
        store.write(|tx| records::create(tx, &request, "things", &body)).unwrap();
    }
    let (filter, sort) = ("kind = 'even'".to_owned(), "-n".to_owned());
    let listing = Listing { filter, sort, ..Listing::default() };
    let by_columns = [(); 3].map(|()| {
        let page = records::list(&store.snapshot(), &request, "things", &listing).unwrap();
        assert_eq!(page.total, Some(100));
        page.plan.columns
    });
    // An index leads to 100 of 200: two such reads cost what columns do.
    assert_eq!(by_columns, [false, true, true]);
}
