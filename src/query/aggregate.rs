//! Counts, sums and extremes of the records that match, by group.

use std::sync::Arc;

use crate::domain::fields::Kind;
use crate::domain::schema::Collection;
use crate::query::bind::{self, Texts};
use crate::query::columns::{Columns, Wants};
use crate::query::evaluate::Evaluator;
use crate::query::fold;
use crate::query::gathering::Gathering;
use crate::query::plan::Walk;
use crate::query::rows;
use crate::query::search::Search;
use crate::query::tree::{SortKey, Tree, Value, chain};
use crate::query::{Aggregate, Error, Groups, Measure, Result, Scope, Summary};
use crate::store::Order;
use crate::store::codec::Datum;

/// Answers `asked` over the records of `collection`.
pub fn aggregate(scope: &Scope, collection: &Arc<Collection>, asked: &Aggregate) -> Result<Groups> {
    let fields: Vec<&str> = asked.measures.iter().filter_map(Measure::path).collect();
    let paths: Vec<&str> = asked.group.iter().map(String::as_str).chain(fields).collect();
    let odd = |path: &&&str| path.trim().is_empty() || path.contains(['-', '+', '@', ',']);
    if let Some(odd) = paths.iter().find(odd) {
        return Err(Error::Refused(format!("{odd:?} can't be measured")));
    }
    let sort = paths.join(",");
    let texts = Texts { rule: asked.rule.as_deref(), filter: &asked.filter, sort: &sort };
    let tree = bind::query(scope.schema, scope.request, collection, texts)?;
    check(&tree, &paths)?;
    let spent = scope.request.spending();
    let tree = fold::folded(&mut Evaluator::new(scope, &tree, &spent), &tree)?;
    let search = Search::new(scope, &tree, &spent);
    let advise = |error| search.advise(error, &asked.filter, &[]);
    let found = match counted(&search, asked).map_err(advise)? {
        Some(found) => found,
        None => gathered(&search, asked).map_err(advise)?,
    };
    let mut plan = search.plan(found.index, found.groups.len(), &[]);
    plan.columns = found.columns;
    let is_bool = |key: &SortKey| {
        tree.field_of(&key.value).is_some_and(|field| matches!(field.kind, Kind::Bool))
    };
    let truths = tree.sort.iter().take(asked.group.len()).map(is_bool).collect();
    Ok(Groups { groups: found.groups, truths, plan })
}

/// The groups, and what led to them.
struct Found {
    groups: Vec<Summary>,
    index: Option<String>,
    columns: bool,
}

/// One record has one value of each: which group would several belong to? And what nobody is told of
/// a record is no number about it either.
fn check(tree: &Tree, paths: &[&str]) -> Result<()> {
    for (key, path) in tree.sort.iter().zip(paths) {
        let mut value = &key.value;
        while let Value::Lower(inner) = value {
            value = inner;
        }
        if tree.place_of(value).is_some_and(|(of, field)| of.is_secret(field)) {
            return Err(Error::Refused(format!("{path} is a secret")));
        }
        let all = chain(&tree.slots, key.slots);
        if (1..tree.slots.len()).any(|slot| all >> slot & 1 == 1 && tree.slots[slot].many) {
            return Err(Error::Refused(format!("{path} has several values")));
        }
    }
    Ok(())
}

/// The count alone, where no record needs to be looked at for it.
fn counted(search: &Search, asked: &Aggregate) -> Result<Option<Found>> {
    let only_count = asked.measures.iter().all(|measure| *measure == Measure::Count);
    if !asked.group.is_empty() || !only_count || asked.measures.is_empty() {
        return Ok(None);
    }
    let found = |count: u64, index, columns| {
        let values = asked.measures.iter().map(|_| Datum::Number(count as f64)).collect();
        Ok(Some(Found { groups: vec![Summary { group: Vec::new(), values }], index, columns }))
    };
    if search.is_empty() {
        return found(0, None, false);
    }
    if search.conjuncts.is_empty() {
        return found(search.count()?, None, false);
    }
    let plain = |walk: &&Walk| {
        search.is_exact(walk)
            && walk.index.columns.iter().skip(walk.fixed).all(|column| !column.each)
    };
    if let Some(walk) = search.walks.iter().find(plain) {
        let mut count = 0;
        let range = walk.range.clone();
        rows::entries(search.scope, search.spent, None, range, Order::Forward, &mut |_| {
            count += 1;
            Ok(false)
        })?;
        return found(count, Some(walk.index.name.clone()), false);
    }
    match Columns::at_best(search, Wants::Total)? {
        Some(columns) => found(columns.mask()?.total, None, true),
        None => Ok(None),
    }
}

fn gathered(search: &Search, asked: &Aggregate) -> Result<Found> {
    let mut gathering = Gathering::new(asked.group.len(), search.tree.sort.len());
    if !search.is_empty()
        && let Some(columns) = Columns::at_best(search, Wants::Page)?
    {
        columns.values(&mut |values| gathering.add(values))?;
        return Ok(Found { groups: gathering.summaries(asked), index: None, columns: true });
    }
    read_all(search, asked, gathering)
}

/// Reads the records, in whatever order they come.
fn read_all(search: &Search, asked: &Aggregate, mut gathering: Gathering) -> Result<Found> {
    let index = search.each(&mut |at, record| {
        gathering.add(&at.sort_values(&record, 0)?)?;
        Ok(false)
    })?;
    Ok(Found { groups: gathering.summaries(asked), index, columns: false })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::samples;
    use crate::query::observed::indexed;
    use crate::query::world::World;

    fn world(with_indexes: bool) -> World {
        let owner = samples::collection(1, "owner", &[("name", samples::text())]);
        let item = samples::collection(
            2,
            "item",
            &[
                ("kind", samples::text()),
                ("price", samples::number()),
                ("owner", samples::relation("owner", 1)),
                ("all", samples::relation("owner", 5)),
            ],
        );
        let collections = [owner, item].map(|one| if with_indexes { indexed(one) } else { one });
        World::new(
            collections.into(),
            &[
                ("owner", json!({"id": "o1", "name": "Ann"})),
                ("item", json!({"id": "i1", "kind": "a", "price": 0.1, "owner": "o1"})),
                ("item", json!({"id": "i2", "kind": "a", "price": 0.2, "owner": ""})),
                ("item", json!({"id": "i3", "kind": "b", "price": -5, "owner": "o1"})),
            ],
        )
    }

    fn check(filter: &str, group: &[&str], measures: &[Measure], wanted: &[&str]) {
        for with_indexes in [false, true] {
            let world = world(with_indexes);
            let request = World::superuser();
            let scope = Scope { read: &world.snapshot, schema: &world.schema, request: &request };
            let asked = Aggregate {
                rule: None,
                filter: filter.to_owned(),
                group: group.iter().map(|path| (*path).to_owned()).collect(),
                measures: measures.to_vec(),
            };
            let found = aggregate(&scope, world.schema.find("item").unwrap(), &asked).unwrap();
            let line = |summary: &Summary| {
                let data = summary.group.iter().chain(&summary.values);
                let words = data.map(|datum| {
                    crate::query::compare::text(datum).unwrap_or("-".into()).into_owned()
                });
                words.collect::<Vec<_>>().join(" ")
            };
            assert_eq!(
                found.groups.iter().map(line).collect::<Vec<_>>(),
                wanted,
                "{filter} {group:?}"
            );
        }
    }

    fn on(path: &str, measure: fn(String) -> Measure) -> Measure {
        measure(path.to_owned())
    }

    #[test]
    fn measures_are_of_what_matches() {
        let all = [
            Measure::Count,
            on("price", Measure::Sum),
            on("price", Measure::Min),
            on("price", Measure::Max),
            on("price", Measure::Average),
        ];
        check("kind = 'a'", &[], &all, &["2 0.30000000000000004 0.1 0.2 0.15000000000000002"]);
        check("kind = 'z'", &[], &all, &["0 0 - - -"]);
        check("", &[], &[Measure::Count], &["3"]);
        check("kind = 'a'", &[], &[Measure::Count], &["2"]);
        check("1 = 2", &[], &[Measure::Count], &["0"]);
        check("", &[], &[on("kind", Measure::Max), Measure::Count], &["b 3"]);
    }

    #[test]
    fn groups_come_sorted() {
        check("", &["kind"], &[Measure::Count], &["a 2", "b 1"]);
        check("", &["owner.name", "kind"], &[Measure::Count], &["- a 1", "Ann a 1", "Ann b 1"]);
        check("kind = 'z'", &["kind"], &[Measure::Count], &[]);
    }

    #[test]
    fn many_are_measured_by_columns() {
        let fields = [("kind", samples::text()), ("price", samples::number())];
        let kinds = ["", "a", "b"];
        let item = |number: usize| {
            let id = format!("i{number:03}");
            ("item", json!({"id": id, "kind": kinds[number % 3], "price": number}))
        };
        let items: Vec<_> = (0..90).map(item).collect();
        let world = World::new(vec![samples::collection(1, "item", &fields)], &items);
        let request = World::superuser();
        let scope = Scope { read: &world.snapshot, schema: &world.schema, request: &request };
        let answer = |filter: &str, group: &[&str], measures: &[Measure]| {
            let asked = Aggregate {
                rule: Some("price >= 3".to_owned()),
                filter: filter.to_owned(),
                group: group.iter().map(|path| (*path).to_owned()).collect(),
                measures: measures.to_vec(),
            };
            let found = aggregate(&scope, world.schema.find("item").unwrap(), &asked).unwrap();
            assert!(found.plan.columns, "{filter}");
            let values = found.groups.into_iter().flat_map(|one| [one.group, one.values].concat());
            let text =
                |datum| crate::query::compare::text(&datum).unwrap_or("-".into()).into_owned();
            values.map(text).collect::<Vec<_>>().join(" ")
        };
        let all = [Measure::Count, on("price", Measure::Sum), on("price", Measure::Max)];

        assert_eq!(answer("price < 9", &[], &all[..1]), "6");
        assert_eq!(answer("price < 9", &[], &all), "6 33 8");
        assert_eq!(answer("price < 9", &["kind"], &all), " 2 9 6 a 2 11 7 b 2 13 8");
        assert_eq!(answer("price > 99", &[], &all), "0 0 -");
        assert_eq!(answer("price > 99", &["kind"], &all), "");
    }

    #[test]
    fn several_values_have_no_group() {
        let world = world(false);
        let request = World::superuser();
        let scope = Scope { read: &world.snapshot, schema: &world.schema, request: &request };
        for path in ["all.name", "all:each", "zz", "-kind", "@rowid", "", "kind,price,kind"] {
            let asked = Aggregate {
                group: vec![path.to_owned()],
                measures: vec![Measure::Count],
                ..Aggregate::default()
            };
            let found = aggregate(&scope, world.schema.find("item").unwrap(), &asked);
            assert!(found.is_err(), "{path}");
        }
    }
}
