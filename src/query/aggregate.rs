//! Counts, sums and extremes of the records that match, by group.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::schema::Collection;
use crate::query::bind::{self, Texts};
use crate::query::evaluate::Evaluator;
use crate::query::fold;
use crate::query::plan::Walk;
use crate::query::rows;
use crate::query::search::Search;
use crate::query::tree::{Tree, chain};
use crate::query::{Aggregate, Error, Groups, Measure, Result, Scope, Summary};
use crate::store::Order;
use crate::store::codec::{self, Column, Datum};

/// Most groups of one answer.
const GROUP_LIMIT: usize = 1000;

/// What has been seen of one measured value.
#[derive(Debug, Clone)]
struct Sum {
    count: u64,
    total: f64,
    /// What rounding took from the total: a million small numbers add up.
    lost: f64,
    min: Datum<'static>,
    max: Datum<'static>,
}

/// Answers `asked` over the records of `collection`.
pub fn aggregate(scope: &Scope, collection: &Arc<Collection>, asked: &Aggregate) -> Result<Groups> {
    let fields: Vec<&str> = asked.measures.iter().filter_map(Measure::path).collect();
    let paths: Vec<&str> = asked.group.iter().map(String::as_str).chain(fields).collect();
    let odd = |path: &&&str| path.trim().is_empty() || path.contains(['-', '+', '@', ',']);
    if let Some(odd) = paths.iter().find(odd) {
        return Err(Error::Invalid { at: 0, problem: format!("{odd:?} can't be measured") });
    }
    let sort = paths.join(",");
    let texts = Texts { rule: asked.rule.as_deref(), filter: &asked.filter, sort: &sort };
    let tree = bind::query(scope.schema, scope.request, collection, texts)?;
    single(&tree, &paths)?;
    let spent = scope.request.spending();
    let tree = fold::folded(&mut Evaluator::new(scope, &tree, &spent), &tree)?;
    let search = Search::new(scope, &tree, &spent);
    let advise = |error| search.advise(error, &asked.filter);
    let (groups, index) = match counted(&search, asked).map_err(advise)? {
        Some((count, index)) => {
            let values = asked.measures.iter().map(|_| Datum::Number(count as f64)).collect();
            (vec![Summary { group: Vec::new(), values }], index)
        }
        None => gathered(&search, asked).map_err(advise)?,
    };
    let plan = search.plan(index, groups.len());
    Ok(Groups { groups, plan })
}

/// One record has one value of each: which group would several belong to?
fn single(tree: &Tree, paths: &[&str]) -> Result<()> {
    for (key, path) in tree.sort.iter().zip(paths) {
        let all = chain(&tree.slots, key.slots);
        if (1..tree.slots.len()).any(|slot| all >> slot & 1 == 1 && tree.slots[slot].many) {
            return Err(Error::Invalid { at: 0, problem: format!("{path} has several values") });
        }
    }
    Ok(())
}

/// The count alone, where no record needs to be looked at for it.
fn counted(search: &Search, asked: &Aggregate) -> Result<Option<(u64, Option<String>)>> {
    let only_count = asked.measures.iter().all(|measure| *measure == Measure::Count);
    if !asked.group.is_empty() || !only_count || asked.measures.is_empty() {
        return Ok(None);
    }
    if search.is_empty() {
        return Ok(Some((0, None)));
    }
    if search.conjuncts.is_empty() {
        return search.count().map(|count| Some((count, None)));
    }
    let plain = |walk: &&Walk| {
        search.is_exact(walk)
            && walk.index.columns.iter().skip(walk.fixed).all(|column| !column.each)
    };
    let Some(walk) = search.walks.iter().find(plain) else { return Ok(None) };
    let mut count = 0;
    let range = walk.range.clone();
    rows::entries(search.scope, search.spent, None, range, Order::Forward, &mut |_, _| {
        count += 1;
        Ok(false)
    })?;
    Ok(Some((count, Some(walk.index.name.clone()))))
}

type Gathered = (Vec<Summary>, Option<String>);

fn gathered(search: &Search, asked: &Aggregate) -> Result<Gathered> {
    let grouped = asked.group.len();
    let measured = search.tree.sort.len() - grouped;
    // By the bytes of its values, so that groups come sorted.
    let mut groups: BTreeMap<Vec<u8>, (Vec<Datum<'static>>, u64, Vec<Sum>)> = BTreeMap::new();
    let index = search.each(&mut |at, record| {
        let mut values = at.sort_values(&record, 0)?;
        let measures = values.split_off(grouped);
        let mut key = Vec::new();
        for value in &values {
            codec::put(&mut key, value, Column::default());
        }
        if !groups.contains_key(&key) && groups.len() == GROUP_LIMIT {
            let problem = format!("there are more than {GROUP_LIMIT} groups");
            return Err(Error::Invalid { at: 0, problem });
        }
        let (_, count, sums) =
            groups.entry(key).or_insert_with(|| (values, 0, vec![Sum::new(); measured]));
        *count += 1;
        for (sum, value) in sums.iter_mut().zip(measures) {
            sum.add(value);
        }
        Ok(false)
    })?;
    if groups.is_empty() && grouped == 0 {
        groups.insert(Vec::new(), (Vec::new(), 0, vec![Sum::new(); measured]));
    }
    let groups = groups.into_values().map(|(group, count, sums)| {
        let mut sums = sums.iter();
        let values = asked.measures.iter().map(|measure| measure.of(count, &mut sums)).collect();
        Summary { group, values }
    });
    Ok((groups.collect(), index))
}

impl Measure {
    /// The path that is measured; `None` of the count.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Count => None,
            Self::Sum(path) | Self::Min(path) | Self::Max(path) | Self::Average(path) => Some(path),
        }
    }

    fn of<'s>(&self, count: u64, sums: &mut impl Iterator<Item = &'s Sum>) -> Datum<'static> {
        if *self == Self::Count {
            return Datum::Number(count as f64);
        }
        let Some(sum) = sums.next() else { return Datum::Null };
        match self {
            Self::Count => Datum::Number(count as f64),
            Self::Sum(_) => Datum::Number(sum.total + sum.lost),
            Self::Min(_) => sum.min.clone(),
            Self::Max(_) => sum.max.clone(),
            Self::Average(_) if sum.count == 0 => Datum::Null,
            Self::Average(_) => Datum::Number((sum.total + sum.lost) / sum.count as f64),
        }
    }
}

impl Sum {
    fn new() -> Self {
        Self { count: 0, total: 0.0, lost: 0.0, min: Datum::Null, max: Datum::Null }
    }

    /// Absent and blank values are not counted; texts have extremes, but no sum.
    fn add(&mut self, value: Datum<'static>) {
        match &value {
            Datum::Null => return,
            Datum::Text(text) if text.is_empty() => return,
            Datum::Text(_) => {}
            Datum::Number(number) => {
                self.count += 1;
                let total = self.total + number;
                self.lost += if self.total.abs() >= number.abs() {
                    (self.total - total) + number
                } else {
                    (number - total) + self.total
                };
                self.total = total;
            }
        }
        if matches!(self.min, Datum::Null) || value.order(&self.min).is_lt() {
            self.min = value.clone();
        }
        if matches!(self.max, Datum::Null) || value.order(&self.max).is_gt() {
            self.max = value;
        }
    }
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

    #[test]
    fn small_numbers_add_up() {
        let mut sum = Sum::new();
        for number in [1e16, 1.0, 1.0, -1e16] {
            sum.add(Datum::Number(number));
        }
        assert_eq!(sum.total + sum.lost, 2.0);
    }
}
