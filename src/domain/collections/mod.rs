//! Collections: what may be defined, changed and dropped.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::accounts::satellites;
use crate::domain::cascade;
use crate::domain::record::Record;
use crate::domain::request::Caller;
use crate::domain::schema::{Collection, CollectionKind, Schema};
use crate::domain::{Error, Result};
use crate::store::{Order, Range, Read, Tx, keys};

mod ahead;
mod auth_options;
pub mod blueprint;
pub mod build;
mod change;
mod difference;
mod draft;
mod export;
mod import;
pub mod list;
pub mod providers;
mod scaffolds;
mod stored;
mod system;
#[cfg(test)]
mod tests;
mod validate;

pub use ahead::{Ahead, take_back};
pub use draft::Fields;
pub use export::export;
pub use import::{foresee_import, import, import_ahead, refuse as refuse_import};
pub use scaffolds::{blank_view, scaffolds};
pub use system::{bootstrap, field_id, fields as system_fields};

pub const NOT_CHANGED: &str = "The collection cannot be changed.";

type Definition = Map<String, Value>;

/// Collections are for superusers.
pub fn guard(caller: &Caller) -> Result<()> {
    match caller {
        caller if caller.is_superuser() => Ok(()),
        Caller::Guest => Err(Error::SignedOut),
        Caller::Account(_) | Caller::Operator(_) => {
            Err(Error::Forbidden("only superusers may do this"))
        }
    }
}

pub fn find(read: &dyn Read, caller: &Caller, id_or_name: &str) -> Result<Arc<Collection>> {
    guard(caller)?;
    let schema = Schema::load(read)?;
    schema.find(id_or_name).cloned().ok_or(Error::NotFound("collection"))
}

pub fn create(
    tx: &mut Tx,
    caller: &Caller,
    definition: &Definition,
    now_ms: i64,
) -> Result<Arc<Collection>> {
    guard(caller)?;
    define(tx, definition, now_ms)
}

/// Creates a collection, whoever asks.
pub fn define(tx: &mut Tx, definition: &Definition, now_ms: i64) -> Result<Arc<Collection>> {
    let schema = Schema::load(tx)?;
    let change = change::prepare(tx, &schema, None, definition, Fields::Replace, now_ms)?;
    let mut changed = change::apply(tx, vec![change], &[], |_, problems| {
        problems.check("The collection cannot be created.")
    })?;
    Ok(changed.remove(0))
}

pub fn update(
    tx: &mut Tx,
    caller: &Caller,
    id_or_name: &str,
    definition: &Definition,
    now_ms: i64,
) -> Result<Arc<Collection>> {
    let id = find(tx, caller, id_or_name)?.id.clone();
    let mut change = prepared(tx, caller, id_or_name, definition, now_ms)?;
    // Relations and tokens name the collection by it.
    if definition.get("id").and_then(Value::as_str).is_some_and(|new| !new.is_empty() && new != id)
    {
        change.problems.add("id", "validation_values_mismatch", "The id can't be changed.");
    }
    let mut changed =
        change::apply(tx, vec![change], &[], |_, problems| problems.check(NOT_CHANGED))?;
    Ok(changed.remove(0))
}

/// Refuses an update that cannot be, for the records of a large collection or otherwise. To be run
/// before it, on a transaction that is not committed: looking through all records takes a while.
pub fn foresee(
    tx: &mut Tx,
    caller: &Caller,
    id_or_name: &str,
    definition: &Definition,
    now_ms: i64,
) -> Result<()> {
    let change = prepared(tx, caller, id_or_name, definition, now_ms)?;
    change.foresee(tx)?.check(NOT_CHANGED)?;
    update(tx, caller, id_or_name, definition, now_ms).map(drop)
}

/// Begins what has to come ahead of an update.
pub fn update_ahead(
    tx: &mut Tx,
    caller: &Caller,
    id_or_name: &str,
    definition: &Definition,
    now_ms: i64,
) -> Result<Vec<Ahead>> {
    let change = prepared(tx, caller, id_or_name, definition, now_ms)?;
    ahead::begin(tx, &[change])
}

/// What `definition` makes of a collection.
fn prepared(
    tx: &mut Tx,
    caller: &Caller,
    id_or_name: &str,
    definition: &Definition,
    now_ms: i64,
) -> Result<change::Change> {
    let old = find(tx, caller, id_or_name)?;
    let schema = Schema::load(tx)?;
    change::prepare(tx, &schema, Some(old), definition, Fields::Replace, now_ms)
}

/// Deletes a collection with all its records.
pub fn delete(tx: &mut Tx, caller: &Caller, id_or_name: &str) -> Result<()> {
    let collection = find(tx, caller, id_or_name)?;
    if collection.system {
        return Err(Error::Bad("a system collection cannot be deleted".to_owned()));
    }
    let schema = Schema::load(tx)?;
    if let Some(other) = schema.collections().find(|other| refers(other, &collection)) {
        let name = &other.name;
        return Err(Error::Bad(format!("the collection {name} refers to this one")));
    }
    change::remove(tx, &collection)
}

/// Whether `other` could not be without `collection`.
fn refers(other: &Collection, collection: &Collection) -> bool {
    other.number != collection.number
        && (other.relations().any(|(_, relation)| relation.collection_id == collection.id)
            || other.view_query.as_deref().is_some_and(|query| names(query, &collection.name)))
}

/// Whether `name` stands in the SQL text as a word.
fn names(query: &str, name: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    query.split(|letter| !word(letter)).any(|found| found.eq_ignore_ascii_case(name))
}

/// Deletes all records of a collection, and what cannot be without them.
pub fn truncate(tx: &mut Tx, caller: &Caller, id_or_name: &str, now_ms: i64) -> Result<()> {
    let collection = find(tx, caller, id_or_name)?;
    if collection.kind == CollectionKind::View {
        return Err(Error::Bad("a view has no records of its own".to_owned()));
    }
    let schema = Schema::load(tx)?;
    let pointed_at = schema.collections().any(|other| {
        other.relations().any(|(_, relation)| relation.collection_id == collection.id)
    });
    if !pointed_at && collection.name != crate::domain::request::SUPERUSERS {
        satellites::clear(tx, &schema, &collection)?;
        return tx.clear(&keys::records(collection.number)).map_err(Error::from);
    }
    loop {
        let range = Range::prefix(&keys::records(collection.number));
        let Some((_, value)) = tx.scan(&range, Order::Forward, 1)?.pop() else { return Ok(()) };
        let record = Record::from_stored(collection.clone(), value)?;
        cascade::delete(tx, &schema, &record, now_ms)?;
    }
}
