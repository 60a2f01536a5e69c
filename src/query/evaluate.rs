//! Runs a tree on one record after the other.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::record::Record;
use crate::query::budget::Spent;
use crate::query::compare;
use crate::query::functions;
use crate::query::json;
use crate::query::probe::{self, Table};
use crate::query::rows;
use crate::query::sort::shuffled;
use crate::query::strftime::strftime;
use crate::query::tree::{Cell, Node, SlotId, Slots, Tree, Value, chain};
use crate::query::value;
use crate::query::{Result, Scope};
use crate::store::codec::Datum;

/// A tree at work: the rows that its slots stand at now.
pub struct Evaluator<'a> {
    pub scope: &'a Scope<'a>,
    pub tree: &'a Tree,
    pub spent: &'a Spent,
    root: Option<Record>,
    cells: Vec<Cell>,
    /// Which related records the caller may list, as found so far.
    listable: HashMap<(SlotId, String), bool>,
    /// Rows of other collections by the value of a field.
    pub tables: HashMap<(u32, usize), Arc<Table>>,
}

impl<'a> Evaluator<'a> {
    pub fn new(scope: &'a Scope<'a>, tree: &'a Tree, spent: &'a Spent) -> Self {
        let cells = vec![Cell::Absent; tree.slots.len()];
        Self {
            scope,
            tree,
            spent,
            root: None,
            cells,
            listable: HashMap::new(),
            tables: HashMap::new(),
        }
    }

    /// Whether `record` satisfies the whole tree.
    pub fn matches(&mut self, record: &Record) -> Result<bool> {
        self.root = Some(record.clone());
        let tree = self.tree;
        self.holds(&tree.node)
    }

    /// Whether `record` satisfies these parts of the tree.
    pub fn satisfies(&mut self, record: &Record, parts: &[&Node]) -> Result<bool> {
        self.root = Some(record.clone());
        for part in parts {
            if !self.holds(part)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What `record` is sorted by.
    pub fn sort_values(&mut self, record: &Record, seed: u64) -> Result<Vec<Datum<'static>>> {
        self.root = Some(record.clone());
        let tree = self.tree;
        let mut values = Vec::with_capacity(tree.sort.len());
        for key in &tree.sort {
            values.push(match key.value {
                Value::Random => Datum::Number(shuffled(record, seed)),
                _ => self.first(key.slots, &key.value)?,
            });
        }
        Ok(values)
    }

    /// A value, through the first row of every slot on its way.
    pub fn first(&mut self, slots: Slots, value: &Value) -> Result<Datum<'static>> {
        let all = chain(&self.tree.slots, slots);
        for slot in (1..self.tree.slots.len()).filter(|slot| all >> slot & 1 == 1) {
            rows::each(self, slot, &mut |_| Ok(true))?;
        }
        Ok(owned(self.value(value)))
    }

    /// The record that a slot stands at.
    pub fn record(&self, slot: SlotId) -> Option<&Record> {
        if slot == 0 { self.root.as_ref() } else { self.cells[slot].record() }
    }

    pub fn stand(&mut self, slot: SlotId, cell: Cell) {
        self.cells[slot] = cell;
    }

    pub fn holds(&mut self, node: &Node) -> Result<bool> {
        match node {
            Node::Always(answer) => Ok(*answer),
            Node::And(list) => {
                for node in list {
                    if !self.holds(node)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Or(list) => {
                for node in list {
                    if self.holds(node)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::Test(test) => {
                Ok(compare::holds(test, self.value(&test.left), self.value(&test.right)))
            }
            Node::Any(slot, inner) => rows::matching(self, *slot, inner, &mut |at| at.holds(inner)),
            Node::All(slot, inner) => {
                // A plain condition never disturbs a chosen row.
                let chosen = self.cells.clone();
                if let Some(answer) = probe::none(self, *slot, inner)? {
                    self.cells = chosen;
                    return Ok(answer);
                }
                let broken = rows::each(self, *slot, &mut |at| Ok(!at.holds(inner)?))?;
                self.cells = chosen;
                Ok(!broken)
            }
            Node::Listable(slot, tree) => self.listable(*slot, tree),
        }
    }

    fn listable(&mut self, slot: SlotId, tree: &Tree) -> Result<bool> {
        let Some(record) = self.record(slot) else { return Ok(true) };
        let key = (slot, record.id().to_owned());
        if let Some(known) = self.listable.get(&key) {
            return Ok(*known);
        }
        let answer = Evaluator::new(self.scope, tree, self.spent).matches(record)?;
        self.listable.insert(key, answer);
        Ok(answer)
    }

    /// The value, of the rows that the slots stand at.
    pub fn value<'v>(&'v self, value: &'v Value) -> Datum<'v> {
        match value {
            Value::Constant(datum) => borrowed(datum),
            Value::Field(slot, field) => {
                self.record(*slot).map_or(Datum::Null, |record| value::of_field(record, *field))
            }
            Value::Element(slot) => match &self.cells[*slot] {
                Cell::Absent => Datum::Null,
                Cell::Element(text, _) => Datum::Text(text.as_str().into()),
                Cell::Record(record) => Datum::Text(record.id().into()),
            },
            Value::Json(slot, field, path) => {
                let found =
                    self.record(*slot).and_then(|record| json::at(record.raw(*field), path));
                found.map_or(Datum::Null, value::of_json)
            }
            // Nobody has no values.
            Value::Length(slot, field) => self.record(*slot).map_or(Datum::Number(0.0), |record| {
                let raw = record.raw(*field);
                let many = raw.starts_with('[');
                let length =
                    if many { value::elements(raw).count() } else { usize::from(raw != "\"\"") };
                Datum::Number(length as f64)
            }),
            Value::Changed(field, sent) => {
                let changed =
                    self.record(0).is_some_and(|record| !json::same(record.raw(*field), sent));
                Datum::Number(f64::from(changed))
            }
            Value::Lower(inner) => match compare::text(&self.value(inner)) {
                None => Datum::Null,
                Some(text) => Datum::Text(text.to_ascii_lowercase().into()),
            },
            Value::Distance(points) => {
                let degrees = |number: usize| match self.value(&points[number]) {
                    Datum::Number(degrees) => Some(degrees),
                    Datum::Null | Datum::Text(_) => None,
                };
                match (degrees(0), degrees(1), degrees(2), degrees(3)) {
                    (Some(a), Some(b), Some(c), Some(d)) => {
                        Datum::Number(functions::geo_distance(a, b, c, d))
                    }
                    _ => Datum::Null,
                }
            }
            Value::Formatted(values, now_ms) => {
                self.formatted(values, *now_ms).unwrap_or(Datum::Null)
            }
            Value::Stamp => {
                self.record(0).map_or(Datum::Null, |record| Datum::Number(record.stamp() as f64))
            }
            Value::Random => Datum::Null,
            Value::WhenVisible(slot, visibility, inner) => {
                let shown =
                    self.record(*slot).is_some_and(|record| record.raw(*visibility) == "true");
                if shown { self.value(inner) } else { Datum::Null }
            }
        }
    }

    fn formatted(&self, values: &[Box<Value>], now_ms: i64) -> Option<Datum<'static>> {
        let texts = values.iter().map(|value| {
            let datum = self.value(value);
            compare::text(&datum).map(|text| text.into_owned())
        });
        let texts = texts.collect::<Option<Vec<String>>>()?;
        let [format, rest @ ..] = &texts[..] else { return None };
        let date = rest.first().map_or("now", String::as_str);
        let modifiers = rest.iter().skip(1).map(String::as_str);
        strftime(format, date, modifiers, now_ms).map(|text| Datum::Text(text.into()))
    }
}

fn borrowed<'v>(datum: &'v Datum) -> Datum<'v> {
    match datum {
        Datum::Null => Datum::Null,
        Datum::Number(number) => Datum::Number(*number),
        Datum::Text(text) => Datum::Text(text.as_ref().into()),
    }
}

pub fn owned(datum: Datum) -> Datum<'static> {
    match datum {
        Datum::Null => Datum::Null,
        Datum::Number(number) => Datum::Number(number),
        Datum::Text(text) => Datum::Text(text.into_owned().into()),
    }
}
