//! What may be wrong with a record on its way into the store, all of it at once.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::fields::{self, Kind, Problem, RelationOptions, relation};
use crate::domain::indexes;
use crate::domain::record::Record;
use crate::domain::records::Draft;
use crate::domain::schema::{Collection, Field, Schema};
use crate::domain::{Problems, Result};
use crate::store::{Read, keys};

/// The problems of every field, also of those that a change leaves as they are: what a new schema
/// refuses has to be put right with the next change.
pub fn problems(
    read: &dyn Read,
    schema: &Arc<Schema>,
    collection: &Arc<Collection>,
    old: Option<&Record>,
    draft: &Draft,
) -> Result<Problems> {
    let mut problems = Problems::new();
    for (at, field) in collection.fields.iter().enumerate() {
        if matches!(field.kind, Kind::Password(_)) {
            continue; // Checked with the rest of an account.
        }
        let kept;
        let value = match (&draft.values[at], old) {
            (Some(value), _) => value,
            (None, old) => {
                let zero = || fields::cast(&field.kind, &Value::Null);
                kept = old.map_or_else(zero, |old| old.value(at));
                &kept
            }
        };
        if let Some(problem) = problem(read, schema, field, old.map(|old| (old, at)), value)? {
            let Problem { code, message, params } = problem;
            match params {
                Some(params) => problems.add_with(&field.name, code, &message, params),
                None => problems.add(&field.name, code, &message),
            }
        }
    }
    Ok(problems)
}

fn problem(
    read: &dyn Read,
    schema: &Arc<Schema>,
    field: &Field,
    old: Option<(&Record, usize)>,
    value: &Value,
) -> Result<Option<Problem>> {
    if let (Kind::Text(options), Some((old, at))) = (&field.kind, old)
        && options.primary_key
    {
        let changed = value.as_str() != Some(&old.text(at));
        return Ok(changed.then(|| Problem::new("validation_pk_change", "Can't be changed.")));
    }
    if let Some(problem) = fields::problem(field, value) {
        return Ok(Some(problem));
    }
    match &field.kind {
        Kind::Relation(options) => missing(read, schema, options, old, value),
        Kind::File(_) => Ok(stranger(old, value)),
        _ => Ok(None),
    }
}

/// Related records must exist; those that were related before are known to.
fn missing(
    read: &dyn Read,
    schema: &Arc<Schema>,
    options: &RelationOptions,
    old: Option<(&Record, usize)>,
    value: &Value,
) -> Result<Option<Problem>> {
    let known = old.map(|(old, at)| old.texts(at)).unwrap_or_default();
    let Some(target) = schema.find(&options.collection_id) else {
        return Ok(Some(relation::missing()));
    };
    for id in fields::texts(value) {
        let known = known.iter().any(|known| known == id);
        if !known && read.get(&keys::record(target.number, id))?.is_none() {
            return Ok(Some(relation::missing()));
        }
    }
    Ok(None)
}

/// Text in a file field names a file that the record has already.
fn stranger(old: Option<(&Record, usize)>, value: &Value) -> Option<Problem> {
    let known = old.map(|(old, at)| old.texts(at)).unwrap_or_default();
    let strange = fields::texts(value).iter().any(|name| !known.iter().any(|known| known == name));
    strange.then(|| Problem::new("validation_invalid_file", "Is not a file of this record."))
}

/// What `record` shares with another one and may not: every column of the index.
pub fn unique(read: &dyn Read, record: &Record) -> Result<Problems> {
    let mut problems = Problems::new();
    if let Some(index) = indexes::conflict(read, record)? {
        for field in index.columns.iter().filter_map(|column| column.field) {
            let name = &record.collection().fields[field].name;
            problems.add(name, "validation_not_unique", "Is taken already.");
        }
    }
    Ok(problems)
}
