//! Finds rows of another collection by a value, where a condition says which one it must be.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::record::Record;
use crate::domain::schema::Collection;
use crate::query::ast::Op;
use crate::query::compare;
use crate::query::evaluate::{Evaluator, owned};
use crate::query::plan;
use crate::query::rows;
use crate::query::side::{Nature, nature};
use crate::query::tree::{Cell, Join, Node, SlotId, Test, Value};
use crate::query::value;
use crate::query::{Error, Result};
use crate::store::codec::{self, Column, Datum};
use crate::store::{Order, Range, keys};

/// The rows of a collection by the value of a field that has no index: made once for a query.
pub type Table = HashMap<Key, Vec<Record>>;

/// A value that can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    Number(u64),
    Text(String),
}

impl Key {
    /// `None` for absent and blank values: those are found by looking at all rows.
    fn of(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Null => None,
            Datum::Text(text) if text.is_empty() => None,
            Datum::Text(text) => Some(Self::Text(text.to_string())),
            // Both zeros are one.
            Datum::Number(number) => Some(Self::Number((number + 0.0).to_bits())),
        }
    }
}

/// Stands `slot` at the rows that can satisfy `condition`, as far as an equality in it tells, until
/// `visit` says stop; whether it did. `None` when nothing tells.
pub fn some<'a>(
    at: &mut Evaluator<'a>,
    slot: SlotId,
    condition: &Node,
    visit: rows::Visit<'_, 'a>,
) -> Result<Option<bool>> {
    let tree = at.tree;
    let Join::Rows { collection } = &tree.slots[slot].join else { return Ok(None) };
    for part in plan::conjuncts(condition) {
        let Node::Test(test) = part else { continue };
        let Some((field, wanted)) = asked(at, test, slot, collection, Op::Equal) else { continue };
        return along(at, slot, collection, field, &wanted, visit).map(Some);
    }
    Ok(None)
}

/// Whether every row differs from a value, if that is all that `condition` asks.
pub fn none<'a>(at: &mut Evaluator<'a>, slot: SlotId, condition: &Node) -> Result<Option<bool>> {
    let tree = at.tree;
    let Join::Rows { collection } = &tree.slots[slot].join else { return Ok(None) };
    let Node::Test(test) = condition else { return Ok(None) };
    let Some((field, wanted)) = asked(at, test, slot, collection, Op::NotEqual) else {
        return Ok(None);
    };
    let found = along(at, slot, collection, field, &wanted, &mut |at| {
        at.holds(condition).map(|differs| !differs)
    })?;
    Ok(Some(!found))
}

/// The field of the slot's row that the test compares by `op`, and the value it has beside it.
fn asked(
    at: &Evaluator,
    test: &Test,
    slot: SlotId,
    collection: &Collection,
    op: Op,
) -> Option<(usize, Datum<'static>)> {
    if test.op != op || test.numeric != [false, false] {
        return None;
    }
    let (field, other) = match (&test.left, &test.right) {
        (Value::Field(here, field), other) if *here == slot => (*field, other),
        (other, Value::Field(here, field)) if *here == slot => (*field, other),
        _ => return None,
    };
    if other.slots() >> slot & 1 == 1 {
        return None;
    }
    let wanted = owned(at.value(other));
    let fits = match (nature(&collection.fields[field].kind), &wanted) {
        (Nature::Number, Datum::Number(_)) => true,
        (Nature::Text, datum) => {
            compare::text(datum).is_some_and(|text| !text.is_empty())
                && matches!(datum, Datum::Text(_))
        }
        _ => false,
    };
    fits.then_some((field, wanted))
}

fn along<'a>(
    at: &mut Evaluator<'a>,
    slot: SlotId,
    collection: &'a Arc<Collection>,
    field: usize,
    wanted: &Datum,
    visit: rows::Visit<'_, 'a>,
) -> Result<bool> {
    let index = collection.indexes.iter().find(|index| {
        let first = &index.columns[0];
        let single = !first.each || !collection.fields[field].kind.is_multiple();
        index.condition.is_none() && first.field == Some(field) && !first.nocase && single
    });
    let Some(index) = index else { return by_table(at, slot, collection, field, wanted, visit) };
    let mut key = keys::index(collection.number, index.number);
    let descending = index.columns[0].descending;
    codec::put(&mut key, wanted, Column { descending, nocase: false });
    let (scope, spent) = (at.scope, at.spent);
    rows::entries(
        scope,
        spent,
        Some(collection),
        Range::prefix(&key),
        Order::Forward,
        &mut |entry| {
            let Some(record) = entry.record(scope, collection, spent)? else { return Ok(false) };
            at.stand(slot, Cell::Record(record));
            visit(at)
        },
    )
}

fn by_table<'a>(
    at: &mut Evaluator<'a>,
    slot: SlotId,
    collection: &Arc<Collection>,
    field: usize,
    wanted: &Datum,
    visit: rows::Visit<'_, 'a>,
) -> Result<bool> {
    if !at.tables.contains_key(&(collection.number, field)) {
        let mut table = Table::new();
        rows::scan(at.scope, collection, at.spent, &mut |record| {
            if let Some(key) = Key::of(&value::of_field(&record, field)) {
                table.entry(key).or_default().push(record);
            }
            Ok::<_, Error>(false)
        })?;
        at.tables.insert((collection.number, field), Arc::new(table));
    }
    let table = at.tables[&(collection.number, field)].clone();
    let found = Key::of(wanted).and_then(|key| table.get(&key));
    for record in found.into_iter().flatten() {
        at.spent.add(1)?;
        at.stand(slot, Cell::Record(record.clone()));
        if visit(at)? {
            return Ok(true);
        }
    }
    Ok(false)
}
