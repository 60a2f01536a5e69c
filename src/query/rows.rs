//! Finds the rows that are joined to a record.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::domain::record::Record;
use crate::domain::schema::{Collection, Index};
use crate::query::budget::{Spent, VISIT};
use crate::query::evaluate::Evaluator;
use crate::query::probe;
use crate::query::tree::{Cell, Join, Node, SlotId};
use crate::query::value;
use crate::query::{Error, Result, Scope};
use crate::store::codec::{self, Column, Datum};
use crate::store::{self, Held, Order, Range, keys};

use std::collections::BTreeSet;
use std::sync::Arc;

/// How many entries are asked of the store at once.
const CHUNK: usize = 256;

/// How many records are looked for side by side: more would push each other out.
pub const AHEAD: usize = 32;

/// What is done at a row; whether that was enough.
pub type Visit<'v, 'a> = &'v mut dyn FnMut(&mut Evaluator<'a>) -> Result<bool>;

/// Stands `slot` at each of its rows in turn, until `visit` says stop; whether it did. No row at
/// all counts as one that is absent.
pub fn each<'a>(at: &mut Evaluator<'a>, slot: SlotId, visit: Visit<'_, 'a>) -> Result<bool> {
    let mut none = true;
    let stopped = present(at, slot, &mut |at| {
        none = false;
        visit(at)
    })?;
    if stopped || !none {
        return Ok(stopped);
    }
    at.stand(slot, Cell::Absent);
    visit(at)
}

/// Like `each`, for a visit that stops only where `condition` holds.
pub fn matching<'a>(
    at: &mut Evaluator<'a>,
    slot: SlotId,
    condition: &Node,
    visit: Visit<'_, 'a>,
) -> Result<bool> {
    match probe::some(at, slot, condition, visit)? {
        Some(found) => Ok(found),
        None => each(at, slot, visit),
    }
}

fn present<'a>(at: &mut Evaluator<'a>, slot: SlotId, visit: Visit<'_, 'a>) -> Result<bool> {
    let tree = at.tree;
    let found = &tree.slots[slot];
    let loads = found.loads;
    match &found.join {
        Join::Root => Ok(false),
        Join::Each { field } => {
            let Some(parent) = at.record(found.from).cloned() else { return Ok(false) };
            for element in listed(&parent, *field) {
                at.spent.add(1)?;
                at.stand(slot, Cell::Element(element, None));
                if visit(at)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Join::Relation { field, target } => {
            let Some(parent) = at.record(found.from).cloned() else { return Ok(false) };
            by_ids(at, slot, target.clone(), listed(&parent, *field), loads, visit)
        }
        Join::Ids { target, ids } => {
            by_ids(at, slot, target.clone(), ids.iter().cloned(), loads, visit)
        }
        Join::Given(cells) => {
            for cell in cells.iter() {
                at.spent.add(1)?;
                at.stand(slot, cell.clone());
                if visit(at)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Join::Back { source, field } => {
            let Some(parent) = at.record(found.from).cloned() else { return Ok(false) };
            back(at, slot, source, *field, parent.id(), visit)
        }
        Join::Rows { collection } => {
            let (scope, spent) = (at.scope, at.spent);
            scan(scope, collection, spent, &mut |record| {
                at.stand(slot, Cell::Record(record));
                visit(at)
            })
        }
    }
}

fn by_ids<'a>(
    at: &mut Evaluator<'a>,
    slot: SlotId,
    target: Arc<Collection>,
    ids: impl Iterator<Item = String>,
    loads: bool,
    visit: Visit<'_, 'a>,
) -> Result<bool> {
    for id in ids {
        at.spent.add(1)?;
        let record = if loads { find(at.scope, &target, &id, at.spent)? } else { None };
        at.stand(slot, Cell::Element(id, record));
        if visit(at)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn back<'a>(
    at: &mut Evaluator<'a>,
    slot: SlotId,
    source: &Arc<Collection>,
    field: usize,
    id: &str,
    visit: Visit<'_, 'a>,
) -> Result<bool> {
    let (scope, spent) = (at.scope, at.spent);
    let Some(index) = relation_index(source, field) else {
        return scan(scope, source, spent, &mut |record| {
            if !listed(&record, field).any(|element| element == id) {
                return Ok(false);
            }
            at.stand(slot, Cell::Record(record));
            visit(at)
        });
    };
    let mut key = keys::index(source.number, index.number);
    codec::put(&mut key, &Datum::Text(id.into()), Column::default());
    entries(scope, spent, Some(source), Range::prefix(&key), Order::Forward, &mut |entry| {
        let Some(record) = entry.record(scope, source, spent)? else { return Ok(false) };
        at.stand(slot, Cell::Record(record));
        visit(at)
    })
}

/// The index by which the records that point to another one are found.
pub fn relation_index(source: &Collection, field: usize) -> Option<&Index> {
    source.indexes.iter().find(|index| {
        let alone = index.columns.len() == 1 && index.columns[0].field == Some(field);
        alone && index.columns[0].each && index.condition.is_none() && !index.columns[0].descending
    })
}

/// The values of a field that holds ids or options; none when it is blank.
pub fn listed(record: &Record, field: usize) -> impl Iterator<Item = String> {
    let raw = record.raw(field);
    let (many, one) = if raw.starts_with('[') {
        (Some(value::elements(raw)), None)
    } else {
        (None, Some(value::unquoted(raw)).filter(|text| !text.is_empty()))
    };
    many.into_iter().flatten().chain(one).map(|text| text.into_owned())
}

/// The record of an id.
pub fn find(
    scope: &Scope,
    collection: &Arc<Collection>,
    id: &str,
    spent: &Spent,
) -> Result<Option<Record>> {
    Entry { id, held: None }.record(scope, collection, spent)
}

/// A record that is led to, by its id.
pub struct Entry<'e> {
    pub id: &'e str,
    /// What the record is stored as, if memory held it.
    pub held: Option<Bytes>,
}

impl Entry<'_> {
    pub fn record(
        self,
        scope: &Scope,
        collection: &Arc<Collection>,
        spent: &Spent,
    ) -> Result<Option<Record>> {
        spent.add(VISIT)?;
        let bytes = match self.held {
            Some(bytes) => Some(bytes),
            None => scope.read.get(&keys::record(collection.number, self.id))?,
        };
        bytes.map(|bytes| decoded(collection, bytes)).transpose()
    }
}

/// What memory holds of the records of these ids, which are read next.
pub fn held(scope: &Scope, collection: &Collection, ids: &[&[u8]]) -> Held {
    scope.read.held(&keys::records(collection.number), ids)
}

/// Every record of these ids, until `visit` says stop.
pub fn each_of(
    scope: &Scope,
    collection: &Arc<Collection>,
    ids: &BTreeSet<String>,
    spent: &Spent,
    visit: &mut dyn FnMut(Record) -> Result<bool>,
) -> Result<()> {
    let ids: Vec<&[u8]> = ids.iter().map(String::as_bytes).collect();
    for ids in ids.chunks(AHEAD) {
        for (id, held) in ids.iter().zip(held(scope, collection, ids)) {
            let entry = Entry { id: text(id)?, held };
            if let Some(record) = entry.record(scope, collection, spent)?
                && visit(record)?
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Every record of a collection by its key, until `visit` says stop; whether it did.
pub fn scan(
    scope: &Scope,
    collection: &Arc<Collection>,
    spent: &Spent,
    visit: &mut dyn FnMut(Record) -> Result<bool>,
) -> Result<bool> {
    let mut range = Range::prefix(&keys::records(collection.number));
    loop {
        let rows = scope.read.scan(&range, Order::Forward, CHUNK)?;
        let (full, last) = (rows.len() == CHUNK, rows.last().map(|(key, _)| key.clone()));
        for (_, bytes) in rows {
            spent.add(VISIT)?;
            if visit(decoded(collection, bytes)?)? {
                return Ok(true);
            }
        }
        match last {
            Some(last) if full => range.from = behind(&last),
            _ => return Ok(false),
        }
    }
}

/// Every entry of a range of an index, until `visit` says stop; whether it did.
/// `reads`: the collection whose records `visit` reads, if it does.
pub fn entries(
    scope: &Scope,
    spent: &Spent,
    reads: Option<&Collection>,
    mut range: Range,
    order: Order,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<bool>,
) -> Result<bool> {
    let mut chunk = 32;
    loop {
        let rows = scope.read.scan(&range, order, chunk)?;
        for some in rows.chunks(AHEAD) {
            let ids: SmallVec<[&[u8]; AHEAD]> = some.iter().map(|(_, id)| &id[..]).collect();
            let held = reads.map(|collection| held(scope, collection, &ids));
            let mut held = held.into_iter().flatten();
            for (_, id) in some {
                spent.add(1)?;
                let entry = Entry { id: text(id)?, held: held.next().flatten() };
                if visit(entry)? {
                    return Ok(true);
                }
            }
        }
        match rows.last() {
            Some((last, _)) if rows.len() == chunk => match order {
                Order::Forward => range.from = behind(last),
                Order::Backward => range.until = last.to_vec(),
            },
            _ => return Ok(false),
        }
        chunk = (chunk * 2).min(4096);
    }
}

pub fn decoded(collection: &Arc<Collection>, bytes: Bytes) -> Result<Record> {
    Record::from_stored(collection.clone(), bytes).map_err(|error| broken(&error.to_string()))
}

fn text(id: &[u8]) -> Result<&str> {
    std::str::from_utf8(id).map_err(|_| broken("an index entry is no id"))
}

fn broken(what: &str) -> Error {
    Error::Store(store::Error::Broken(what.to_owned()))
}

/// The first key behind `key`.
pub fn behind(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}
