//! Chooses how the records of a query are found: by ids, along an index, or all of them.

use crate::domain::fields::Kind;
use crate::domain::record::Record;
use crate::domain::schema::{Collection, Index, IndexColumn};
use crate::query::ast::Op;
use crate::query::partial;
use crate::query::side::{Nature, nature};
use crate::query::tree::{Join, Node, SlotId, SortKey, Test, Tree, Value};
use crate::query::value;
use crate::store::codec::{self, Column, Datum};
use crate::store::{Order, Range, keys};

/// Entries of one index between two keys.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    pub index: &'a Index,
    pub range: Range,
    /// How many leading columns are held to one value, and where in the keys that ends.
    pub fixed: usize,
    pub head: usize,
    /// Which conjuncts the range answers wholly.
    pub answered: Vec<usize>,
    /// Whether the range is narrower than the whole index.
    pub narrow: bool,
}

/// How a walk meets records in the order wanted.
#[derive(Clone, Copy)]
pub struct Course {
    pub order: Order,
    /// Whether columns that were not asked for part records that are alike in those that were;
    /// else only their ids do.
    pub parts: bool,
}

/// The conditions that must all hold.
pub fn conjuncts(node: &Node) -> Vec<&Node> {
    match node {
        Node::Always(true) => Vec::new(),
        Node::And(list) => list.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// A test of a field of `slot` against a constant, seen from the field's side.
pub fn against_constant(test: &Test, slot: SlotId) -> Option<(usize, Op, &Datum<'static>)> {
    match (&test.left, &test.right) {
        (Value::Field(at, field), Value::Constant(datum)) if *at == slot => {
            Some((*field, test.op, datum))
        }
        (Value::Constant(datum), Value::Field(at, field)) if *at == slot => {
            Some((*field, test.op.mirrored()?, datum))
        }
        _ => None,
    }
}

pub fn is_text(kind: &Kind) -> bool {
    nature(kind) == Nature::Text
}

/// A constant that an equality with the field can be looked up by: what an entry would hold.
pub fn key_of<'d>(kind: &Kind, datum: &'d Datum<'static>) -> Option<&'d Datum<'static>> {
    let fits = match (nature(kind), datum) {
        (_, Datum::Null) => false,
        // Blank ones are many, and absent values are blank too.
        (_, Datum::Text(text)) if text.is_empty() => false,
        (Nature::Number, Datum::Number(_)) | (Nature::Text, Datum::Text(_)) => true,
        (Nature::Json, _) => true,
        _ => false,
    };
    fits.then_some(datum)
}

/// The constant that conjunct says the field is equal to.
fn equal_to<'d>(
    collection: &Collection,
    node: &'d Node,
    slot: SlotId,
    field: usize,
) -> Option<&'d Datum<'static>> {
    let Node::Test(test) = node else { return None };
    let (found, op, datum) = against_constant(test, slot)?;
    let kind = &collection.fields[field].kind;
    if found != field || op != Op::Equal { None } else { key_of(kind, datum) }
}

/// The value that some element of the list field must be, and whether that is all that is asked.
pub fn element_of<'d>(
    tree: &'d Tree,
    node: &'d Node,
    slot: SlotId,
    field: usize,
) -> Option<(&'d Datum<'static>, bool)> {
    let Node::Any(child, inner) = node else { return None };
    let joined = &tree.slots[*child];
    let of_field = match &joined.join {
        Join::Relation { field, .. } | Join::Each { field } => Some(*field),
        _ => None,
    };
    if joined.from != slot || of_field != Some(field) {
        return None;
    }
    let parts = conjuncts(inner);
    let found = parts.iter().find_map(|part| match part {
        Node::Test(test) if test.op == Op::Equal => match (&test.left, &test.right) {
            (Value::Element(at), Value::Constant(datum))
            | (Value::Constant(datum), Value::Element(at))
                if at == child && matches!(datum, Datum::Text(text) if !text.is_empty()) =>
            {
                Some(datum)
            }
            _ => None,
        },
        _ => None,
    })?;
    Some((found, parts.len() == 1))
}

fn how(column: &IndexColumn) -> Column {
    Column { descending: column.descending, nocase: column.nocase }
}

/// The part of `index` that the conjuncts over `slot` leave.
pub fn walk<'a>(
    tree: &Tree,
    collection: &'a Collection,
    slot: SlotId,
    conjuncts: &[&Node],
    index: &'a Index,
) -> Option<Walk<'a>> {
    let partly = match &index.condition {
        None => Vec::new(),
        Some(condition) => partial::answered(collection, slot, conjuncts, condition)?,
    };
    let mut key = keys::index(collection.number, index.number);
    let range = Range::prefix(&key);
    let mut walk = Walk { index, range, fixed: 0, head: 0, answered: partly, narrow: false };
    for column in &index.columns {
        let Some(field) = column.field else { break };
        let single = !collection.fields[field].kind.is_multiple();
        let found = conjuncts.iter().enumerate().find_map(|(number, node)| {
            if column.each {
                let alone = if single { equal_to(collection, node, slot, field) } else { None };
                let found = alone
                    .map(|datum| (datum, true))
                    .or_else(|| element_of(tree, node, slot, field));
                return found.map(|(datum, whole)| (number, datum, whole));
            }
            equal_to(collection, node, slot, field).map(|datum| (number, datum, !column.nocase))
        });
        let Some((number, datum, whole)) = found else { break };
        codec::put(&mut key, datum, how(column));
        walk.fixed += 1;
        if whole {
            walk.answered.push(number);
        }
    }
    // An index of single values has no entry for an empty list: all of it is not all records.
    if index.columns.iter().any(|column| column.each) && walk.fixed < index.columns.len() {
        return None;
    }
    walk.narrow = walk.fixed > 0 || index.condition.is_some();
    walk.head = key.len();
    walk.range = Range::prefix(&key);
    if let Some(column) = index.columns.get(walk.fixed) {
        bound(&mut walk, collection, slot, conjuncts, column, &key);
    }
    Some(walk)
}

/// Narrows a walk by what is asked of the first column that has no fixed value.
fn bound(
    walk: &mut Walk,
    collection: &Collection,
    slot: SlotId,
    conjuncts: &[&Node],
    column: &IndexColumn,
    key: &[u8],
) {
    let Some(field) = column.field else { return };
    let kind = &collection.fields[field].kind;
    for (number, node) in conjuncts.iter().enumerate() {
        let Node::Test(test) = node else { continue };
        let Some((found, op, datum)) = against_constant(test, slot) else { continue };
        if found != field {
            continue;
        }
        if let (Op::Like, Some(pattern)) = (op, &test.pattern) {
            // Entries that tell upper from lower case do not lie together for `~`, which does not.
            if let Some(start) =
                pattern.beginning().filter(|_| column.nocase && nature(kind) == Nature::Text)
            {
                let mut start_key = key.to_vec();
                codec::put_beginning(&mut start_key, start, how(column));
                narrow(walk, Range::prefix(&start_key));
            }
            continue;
        }
        let ranged = matches!(
            (nature(kind), datum),
            (Nature::Number, Datum::Number(_)) | (Nature::Text, Datum::Text(_))
        );
        if !ranged || column.nocase {
            continue;
        }
        let (mut exactly, mut alike) = (key.to_vec(), key.to_vec());
        codec::put(&mut exactly, datum, how(column));
        codec::put_type(&mut alike, datum, how(column));
        let (exactly, alike) = (Range::prefix(&exactly), Range::prefix(&alike));
        // In a descending column, what is smaller comes later.
        let (before, behind) =
            if column.descending { (Op::Greater, Op::Less) } else { (Op::Less, Op::Greater) };
        let (before_or_at, behind_or_at) = match before {
            Op::Less => (Op::LessOrEqual, Op::GreaterOrEqual),
            _ => (Op::GreaterOrEqual, Op::LessOrEqual),
        };
        let range = if op == before {
            Range { from: alike.from, until: exactly.from }
        } else if op == before_or_at {
            Range { from: alike.from, until: exactly.until }
        } else if op == behind {
            Range { from: exactly.until, until: alike.until }
        } else if op == behind_or_at {
            Range { from: exactly.from, until: alike.until }
        } else {
            continue;
        };
        narrow(walk, range);
        walk.answered.push(number);
    }
}

fn narrow(walk: &mut Walk, range: Range) {
    walk.narrow = true;
    if range.from > walk.range.from {
        walk.range.from = range.from;
    }
    if range.until < walk.range.until {
        walk.range.until = range.until;
    }
    if walk.range.until < walk.range.from {
        walk.range.until.clone_from(&walk.range.from);
    }
}

/// In which order the walk meets the records as `sort` wants them; `None`: in neither.
pub fn course(walk: &Walk, collection: &Collection, sort: &[SortKey]) -> Option<Course> {
    let fixed = |field: usize| {
        walk.index.columns[..walk.fixed]
            .iter()
            .any(|column| column.field == Some(field) && !column.nocase)
    };
    let mut columns = walk.index.columns[walk.fixed..].iter();
    let mut order = None;
    let id = collection.field("id").map(|(position, _)| position);
    let by_creation = [SortKey { value: Value::Stamp, slots: 1, descending: false }];
    let sort = if sort.is_empty() { &by_creation[..] } else { sort };
    for key in sort {
        let field = match key.value {
            Value::Stamp => None,
            Value::Field(0, field) if fixed(field) => continue,
            Value::Field(0, field) => Some(field),
            _ => return None,
        };
        let column = columns.next();
        let (descending, last) = match column {
            Some(column) if column.field == field && !column.nocase && !column.each => {
                (column.descending, field.is_none())
            }
            // Behind the last column stands the id, and there is one record to an id.
            None if field.is_some() && field == id => (false, true),
            _ => return None,
        };
        let wanted = if descending == key.descending { Order::Forward } else { Order::Backward };
        if order.is_some_and(|order| order != wanted) {
            return None;
        }
        order = Some(wanted);
        if last {
            // No two are alike in this one.
            columns = [].iter();
            break;
        }
    }
    Some(Course { order: order.unwrap_or(Order::Forward), parts: columns.len() > 0 })
}

/// Whether a record has a place in the order of a walk's entries: it is what they are all held to, or
/// that is not sorted by.
pub fn has_place(walk: &Walk, collection: &Collection, sort: &[SortKey], record: &Record) -> bool {
    let held = &walk.index.columns[..walk.fixed];
    let is_sorted_by = |field: Option<usize>| {
        sort.iter().any(|key| matches!(key.value, Value::Field(0, by) if Some(by) == field))
    };
    if !held.iter().any(|column| is_sorted_by(column.field)) {
        return true;
    }
    let start = keys::index(collection.number, walk.index.number).len();
    walk.range.from.get(start..walk.head) == Some(&entry_part(held, record)[..])
}

/// What the key of a record's entry in an index without lists ends with, behind `fixed` columns.
pub fn entry_end(index: &Index, fixed: usize, record: &Record) -> Vec<u8> {
    let mut key = entry_part(&index.columns[fixed..], record);
    key.extend_from_slice(record.id().as_bytes());
    key
}

/// What these columns put into the key of a record's entry.
fn entry_part(columns: &[IndexColumn], record: &Record) -> Vec<u8> {
    let mut key = Vec::new();
    for column in columns {
        match column.field {
            None => codec::put_stamp(&mut key, record.stamp(), how(column)),
            Some(field) => codec::put(&mut key, &value::of_field(record, field), how(column)),
        }
    }
    key
}
