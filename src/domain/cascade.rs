//! Deletes a record and does what the relations to it ask for, however deep.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::accounts::satellites;
use crate::domain::accounts::superusers;
use crate::domain::fields::{Kind, RelationOptions, autodate};
use crate::domain::record::Record;
use crate::domain::records::find;
use crate::domain::schema::{Field, Schema};
use crate::domain::{Error, Result};
use crate::store::{Read, Tx, keys};

/// What becomes of a record that refers to a deleted one.
enum Fate {
    /// The reference is taken out.
    Loses(Value),
    /// It goes too.
    Goes,
    /// It may not lose the reference: nothing is deleted.
    Forbids,
}

/// Deletes `record`. Who refers to it loses the reference, goes too, or forbids all of it. What an
/// account has in the system's collections goes with it.
pub fn delete(tx: &mut Tx, schema: &Arc<Schema>, record: &Record, now_ms: i64) -> Result<()> {
    tx.allow_bulk();
    // A list instead of recursion: chains of records may be longer than the stack is deep.
    let mut doomed = vec![record.clone()];
    let mut forbidding = Vec::new();
    while let Some(record) = doomed.pop() {
        let key = keys::record(record.collection().number, record.id());
        if tx.get(&key)?.is_none() {
            continue;
        }
        superusers::may_delete(tx, &record)?;
        tx.take_away(&key, record.stored().clone())?;
        doomed.extend(satellites::of(tx, schema, &record)?);
        for collection in schema.collections() {
            for field in find::relations_to(collection, record.collection()) {
                for referring in find::referring(tx, collection, field, record.id(), usize::MAX)? {
                    match fate(&collection.fields[field], &referring, field, record.id()) {
                        Fate::Goes => doomed.push(referring),
                        Fate::Forbids => forbidding.push(referring),
                        Fate::Loses(rest) => lose(tx, &referring, field, rest, now_ms)?,
                    }
                }
            }
        }
    }
    // Only now: a record that forbids may have gone itself, by another of its relations.
    for record in forbidding {
        let collection = record.collection();
        if tx.get(&keys::record(collection.number, record.id()))?.is_some() {
            return Err(blocked(&collection.name));
        }
    }
    Ok(())
}

fn fate(field: &Field, referring: &Record, at: usize, id: &str) -> Fate {
    let Kind::Relation(RelationOptions { cascade_delete, .. }) = field.kind else {
        return Fate::Forbids;
    };
    let rest: Vec<_> = referring.texts(at).into_iter().filter(|other| other != id).collect();
    match (rest.is_empty(), cascade_delete, field.required) {
        (true, true, _) => Fate::Goes,
        (true, false, true) => Fate::Forbids,
        _ if field.kind.is_multiple() => Fate::Loses(rest.into()),
        _ => Fate::Loses("".into()),
    }
}

fn lose(tx: &mut Tx, referring: &Record, field: usize, rest: Value, now_ms: i64) -> Result<()> {
    let mut changes = vec![(field, rest)];
    for (at, field) in referring.collection().fields.iter().enumerate() {
        if let Kind::Autodate(options) = &field.kind {
            changes.extend(autodate::value(options, false, now_ms).map(|now| (at, now)));
        }
    }
    let changed = referring.with(&changes);
    let key = keys::record(referring.collection().number, referring.id());
    tx.replace_with(&key, changed.stored().clone(), referring.undo(&changed))?;
    Ok(())
}

fn blocked(collection: &str) -> Error {
    Error::Bad(format!("Can't be deleted: a record of {collection} requires it."))
}
