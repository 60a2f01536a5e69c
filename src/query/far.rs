//! A page that lies far along an index: what comes before it is passed over by number, without
//! reading a record or even an entry, as long as columns say which records match.

use crate::domain::record::Record;
use crate::query::Result;
use crate::query::columns::{Columns, Mask};
use crate::query::evaluate::Evaluator;
use crate::query::plan::Walk;
use crate::query::rows;
use crate::query::search::Search;
use crate::store::{Order, Passing, Range};

/// Entries that are told where memory does not know them, before it does.
const CHUNK: usize = 64;
/// Most entries to pass over: beyond, the columns themselves are quicker to sort.
const ENTRIES_MAX: u64 = 16_384;

/// The page behind `offset` matches of `walk`, and how many matches there are in all; `None` if too
/// many entries lie before it.
pub fn page(
    search: &Search,
    columns: &Columns,
    (walk, order): (&Walk, Order),
    (offset, limit): (u64, u64),
) -> Result<Option<(Vec<Record>, u64)>> {
    let mask = columns.mask()?;
    let mut ahead = Ahead { search, columns, mask: &mask, order, range: walk.range.clone() };
    if offset >= mask.total || limit == 0 {
        return Ok(Some((Vec::new(), mask.total)));
    }
    if !ahead.pass(offset)? {
        return Ok(None);
    }
    Ok(Some((ahead.records(limit)?, mask.total)))
}

/// What is left of a walk.
struct Ahead<'a> {
    search: &'a Search<'a>,
    columns: &'a Columns<'a>,
    mask: &'a Mask,
    order: Order,
    range: Range,
}

impl Ahead<'_> {
    /// Passes over so many matches; false if that takes too long.
    fn pass(&mut self, count: u64) -> Result<bool> {
        let read = self.search.scope.read;
        let counts = |number| self.mask.has(number);
        let roll = self.columns.roll();
        let mut passing = Passing { roll, counts: &counts, left: count, passed: 0 };
        while passing.left > 0 && passing.passed <= ENTRIES_MAX {
            let before = passing.passed;
            read.pass(&mut self.range, self.order, &mut passing);
            if passing.left == 0 {
                break;
            }
            let entries = read.scan(&self.range, self.order, CHUNK)?;
            for (key, name) in &entries {
                match self.order {
                    Order::Forward => self.range.from = rows::behind(key),
                    Order::Backward => self.range.until = key.to_vec(),
                }
                passing.passed += 1;
                passing.left -= u64::from(roll.number(name).is_some_and(counts));
                if passing.left == 0 {
                    break;
                }
            }
            self.search.spent.add(passing.passed - before)?;
            if entries.len() < CHUNK {
                break;
            }
        }
        Ok(passing.left == 0)
    }

    fn records(&self, limit: u64) -> Result<Vec<Record>> {
        let (search, range) = (self.search, self.range.clone());
        let mut found = Vec::new();
        let mut at = Evaluator::new(search.scope, search.tree, search.spent);
        let collection = search.collection;
        rows::entries(
            search.scope,
            search.spent,
            Some(collection),
            range,
            self.order,
            &mut |entry| {
                let record = entry.record(search.scope, collection, search.spent)?;
                if let Some(record) = record
                    && at.matches(&record)?
                {
                    found.push(record);
                }
                Ok(found.len() as u64 >= limit)
            },
        )?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::fields::Kind;
    use crate::domain::samples;
    use crate::domain::schema::{Index, IndexColumn};
    use crate::query::List;
    use crate::query::world::World;
    use crate::store::{Home, keys};

    const ROWS: u64 = 1_500;

    fn thing(number: u64, seed: u64) -> serde_json::Value {
        let kind = ["odd", "even"][(seed % 2) as usize];
        json!({ "id": format!("id{number:05}"), "kind": kind, "n": seed % 97, "open": !seed.is_multiple_of(5) })
    }

    /// The ids of a page, and whether an index and columns led to it.
    fn page(world: &World, list: &List) -> (Vec<String>, Option<u64>, bool) {
        let request = World::superuser();
        let scope = crate::query::Scope {
            read: &world.store.snapshot(),
            schema: &world.schema,
            request: &request,
        };
        let found = crate::query::list(&scope, world.schema.find("thing").unwrap(), list).unwrap();
        let ids = found.records.iter().map(|record| record.id().to_owned()).collect();
        (ids, found.total, found.plan.columns && found.plan.index.is_some())
    }

    #[test]
    fn far_pages_are_those_that_all_rows_have_while_rows_change() {
        // Many are alike in both columns: their ids part them, or a column more.
        pages_of_an_index_by(&["kind", "n"]);
        pages_of_an_index_by(&["kind", "n", "open"]);
    }

    fn pages_of_an_index_by(columns: &[&str]) {
        let home = tempfile::tempdir().unwrap();
        let fields = [("kind", samples::text()), ("n", samples::number()), ("open", Kind::Bool)];
        let mut collection = samples::collection(1, "thing", &fields);
        let column = |field: usize| IndexColumn {
            field: Some(field),
            descending: false,
            nocase: false,
            each: false,
        };
        let place = |name: &str| collection.fields.iter().position(|f| f.name == name).unwrap();
        let columns = columns.iter().map(|name| column(place(name))).collect();
        collection.indexes = vec![Index {
            number: 1,
            name: "by_kind".to_owned(),
            unique: false,
            columns,
            condition: None,
            statement: String::new(),
            internal: false,
        }];
        let rows: Vec<_> = (0..ROWS).map(|n| ("thing", thing(n, n * 7_919 % 10_007))).collect();
        let world = World::at(Home::Files(home.path().to_owned()), vec![collection], &rows);
        let mut far = 0;
        for round in 0..12 {
            for (sort, total) in [("n", true), ("-n", false)] {
                let list = |offset, limit| List {
                    filter: "kind = 'even' && open = true".to_owned(),
                    sort: sort.to_owned(),
                    offset,
                    limit,
                    total,
                    ..List::default()
                };
                let (all, count, _) = page(&world, &list(0, ROWS));
                for offset in [120, 250, 399, all.len() as u64 - 10, 5_000] {
                    let (ids, told, is_far) = page(&world, &list(offset, 30));
                    let skipped = all.iter().skip(offset as usize).take(30);
                    assert_eq!(ids, skipped.cloned().collect::<Vec<_>>(), "{sort}, {offset}");
                    assert_eq!(told, count);
                    far += u32::from(is_far);
                }
            }
            // Some of it in the window still, some in the state.
            let collection = world.schema.find("thing").unwrap();
            for step in 0..40_u64 {
                let number = (round * 131 + step * 37) % (ROWS + 50);
                let record = samples::record(
                    collection,
                    ROWS + round * 40 + step,
                    thing(number, step * round),
                );
                let key = keys::record(collection.number, record.id());
                let stored = record.stored().clone();
                world
                    .store
                    .write(|tx| match step % 4 {
                        0 => tx.delete(&key),
                        _ => tx.put(&key, stored.clone()),
                    })
                    .unwrap();
            }
            if round % 3 == 2 {
                std::thread::sleep(std::time::Duration::from_millis(400));
            }
        }
        assert!(far >= 60, "{far} pages were far");
    }
}
