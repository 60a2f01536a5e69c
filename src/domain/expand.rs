//! `expand`: puts related records into a record, as far as the caller may view them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::fields::Kind;
use crate::domain::record::Record;
use crate::domain::records::{access, find};
use crate::domain::request::{Caller, Request};
use crate::domain::schema::{Collection, Schema};
use crate::domain::{Error, Result, json};
use crate::store::Read;

/// Relations that a path may follow; what lies deeper is left out.
const DEPTH_MAX: usize = 6;
/// Most entries of one back relation.
const BACK_MAX: usize = 1000;
/// Most related records in one answer: back relations of back relations multiply.
const RELATED_MAX: usize = 50_000;

/// The relations to follow, and those to follow from there.
#[derive(Debug, Default)]
pub struct Expand(Vec<(Step, Expand)>);

#[derive(Debug)]
struct Step {
    /// As the client names it.
    key: String,
    collection: Arc<Collection>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// To the records that this field names.
    Forth { field: usize, multiple: bool, hidden: bool },
    /// To the records of the step's collection whose field names this record.
    Back { field: usize, single: bool },
}

impl Expand {
    /// Reads `author,comments_via_post.by`. Paths that don't exist are left out, and so are those
    /// through fields that `caller` may not see.
    pub fn parse(
        schema: &Schema,
        caller: &Caller,
        collection: &Arc<Collection>,
        text: &str,
    ) -> Self {
        let mut expand = Self::default();
        for path in text.split(',') {
            // Points around a path are forgiven; an empty name within it is the name of nothing.
            let path = path.trim().trim_matches('.');
            let names: Vec<_> = path.split('.').map(str::trim).take(DEPTH_MAX).collect();
            let mut steps = Vec::with_capacity(names.len());
            let mut from = collection.clone();
            for name in &names {
                let step = Step::find(schema, &from, name).filter(|step| step.shows(caller));
                let Some(step) = step else { break };
                from = step.collection.clone();
                steps.push(step);
            }
            if steps.len() == names.len() {
                expand.add(steps);
            }
        }
        expand
    }

    fn add(&mut self, steps: Vec<Step>) {
        let mut level = self;
        for step in steps {
            let at = match level.0.iter().position(|(known, _)| known.key == step.key) {
                Some(at) => at,
                None => {
                    level.0.push((step, Self::default()));
                    level.0.len() - 1
                }
            };
            level = &mut level.0[at].1;
        }
    }
}

impl Step {
    fn find(schema: &Schema, from: &Arc<Collection>, name: &str) -> Option<Self> {
        let key = name.to_owned();
        if let Some((field, definition)) = from.field(name) {
            let Kind::Relation(options) = &definition.kind else { return None };
            let collection = schema.find(&options.collection_id)?.clone();
            let multiple = definition.kind.is_multiple();
            let hidden = definition.hidden;
            return Some(Self { key, collection, way: Way::Forth { field, multiple, hidden } });
        }
        let (collection, field) = name.split_once("_via_").and_then(|_| {
            // Names may hold `_via_` themselves: every place to split at is tried.
            name.match_indices("_via_").find_map(|(at, via)| {
                let collection = schema.find(&name[..at])?;
                let (field, _) = collection.field(&name[at + via.len()..])?;
                find::relations_to(collection, from)
                    .any(|relation| relation == field)
                    .then(|| (collection.clone(), field))
            })
        })?;
        let single = !collection.fields[field].kind.is_multiple() && is_unique(&collection, field);
        Some(Self { key, collection, way: Way::Back { field, single } })
    }

    /// Whether `caller` may see the field that says who is related.
    fn shows(&self, caller: &Caller) -> bool {
        let hidden = match self.way {
            Way::Forth { hidden, .. } => hidden,
            Way::Back { field, .. } => self.collection.fields[field].hidden,
        };
        !hidden || caller.is_superuser()
    }
}

fn is_unique(collection: &Collection, field: usize) -> bool {
    collection.indexes.iter().any(|index| match &index.columns[..] {
        [column] => index.unique && column.field == Some(field),
        _ => false,
    })
}

/// Writes records as one caller sees them. What was looked up for one is known for the next.
pub struct Writer<'a> {
    read: &'a dyn Read,
    schema: &'a Arc<Schema>,
    request: &'a Request,
    /// Records that relations name, by collection and id; `None`: not for this caller.
    known: HashMap<(u32, String), Option<Record>>,
    related: usize,
}

impl<'a> Writer<'a> {
    pub fn new(read: &'a dyn Read, schema: &'a Arc<Schema>, request: &'a Request) -> Self {
        Self { read, schema, request, known: HashMap::new(), related: 0 }
    }

    /// Appends `record` with everything that `expand` asks for.
    pub fn put(&mut self, out: &mut Vec<u8>, record: &Record, expand: &Expand) -> Result<()> {
        let sight = access::sight(self.read, self.schema, self.request, record)?;
        record.put_open_json(out, sight);
        let mut opening: &[u8] = br#","expand":{"#;
        for (step, inner) in &expand.0 {
            let before = out.len();
            out.extend_from_slice(opening);
            json::put_string(out, &step.key);
            out.push(b':');
            if self.put_related(out, record, step, inner)? {
                opening = b",";
            } else {
                out.truncate(before);
            }
        }
        out.extend_from_slice(if opening == b"," { b"}}" } else { b"}" });
        Ok(())
    }

    /// Appends what one step leads to; false when that is nothing.
    fn put_related(
        &mut self,
        out: &mut Vec<u8>,
        record: &Record,
        step: &Step,
        inner: &Expand,
    ) -> Result<bool> {
        let (related, list) = match step.way {
            Way::Forth { field, multiple, .. } => (self.named(record, step, field)?, multiple),
            Way::Back { field, single } => (self.referring(record, step, field)?, !single),
        };
        self.related += related.len();
        if self.related > RELATED_MAX {
            let message = format!("expand would add more than {RELATED_MAX} records");
            return Err(Error::TooExpensive(message));
        }
        if related.is_empty() {
            return Ok(false);
        }
        if !list {
            return self.put(out, &related[0], inner).map(|()| true);
        }
        for (at, related) in related.iter().enumerate() {
            out.push(if at == 0 { b'[' } else { b',' });
            self.put(out, related, inner)?;
        }
        out.push(b']');
        Ok(true)
    }

    /// The records that a field names, in its order.
    fn named(&mut self, record: &Record, step: &Step, field: usize) -> Result<Vec<Record>> {
        let mut related = Vec::new();
        for id in record.texts(field) {
            let key = (step.collection.number, id);
            let found = match self.known.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let found = find::record(self.read, &step.collection, &key.1)?;
                    let found = self.visible(found)?;
                    self.known.insert(key, found.clone());
                    found
                }
            };
            related.extend(found);
        }
        Ok(related)
    }

    /// The records that name this one, oldest first.
    fn referring(&mut self, record: &Record, step: &Step, field: usize) -> Result<Vec<Record>> {
        let found = find::referring(self.read, &step.collection, field, record.id(), BACK_MAX)?;
        let mut related = Vec::with_capacity(found.len());
        for found in found {
            related.extend(self.visible(Some(found))?);
        }
        related.sort_by_key(Record::stamp);
        Ok(related)
    }

    fn visible(&self, record: Option<Record>) -> Result<Option<Record>> {
        let Some(record) = record else { return Ok(None) };
        let collection = record.collection().clone();
        let Ok(rule) = access::gate(&collection.rules.view, &self.request.caller) else {
            return Ok(None);
        };
        let visible = access::passes(self.read, self.schema, self.request, rule, &record)?;
        Ok(visible.then_some(record))
    }
}
