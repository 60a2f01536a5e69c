//! Many collections at once, all or nothing.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::collections::ahead::{self, Ahead};
use crate::domain::collections::change::{self, Change};
use crate::domain::collections::{Fields, guard};
use crate::domain::request::Caller;
use crate::domain::schema::{Collection, Schema};
use crate::domain::{Error, Problems, Result};
use crate::store::Tx;

const CODE: &str = "validation_collections_import_failure";

/// Makes the collections of `definitions` what they say. Without `delete_missing` it only adds and
/// changes; with it, what is not listed goes, except system collections and fields.
pub fn import(
    tx: &mut Tx,
    caller: &Caller,
    definitions: &[Map<String, Value>],
    delete_missing: bool,
    now_ms: i64,
) -> Result<Vec<Arc<Collection>>> {
    let schema = Schema::load(tx)?;
    let changes = changes(tx, caller, definitions, delete_missing, now_ms)?;
    let kept = |collection: &&Arc<Collection>| {
        collection.system || changes.iter().any(|change| change.new.number == collection.number)
    };
    let mut gone: Vec<_> = Vec::new();
    if delete_missing {
        gone.extend(schema.collections().filter(|collection| !kept(collection)).cloned());
    }
    let numbers: Vec<u32> = gone.iter().map(|collection| collection.number).collect();
    let changed = change::apply(tx, changes, &numbers, refuse)?;
    for collection in gone {
        change::remove(tx, &collection)?;
    }
    Ok(changed)
}

/// Refuses an import that cannot be, for the records of large collections or otherwise. To be run
/// before it, on a transaction that is not committed.
pub fn foresee_import(
    tx: &mut Tx,
    caller: &Caller,
    definitions: &[Map<String, Value>],
    delete_missing: bool,
    now_ms: i64,
) -> Result<()> {
    for change in changes(tx, caller, definitions, delete_missing, now_ms)? {
        refuse(&change.new, change.foresee(tx)?)?;
    }
    import(tx, caller, definitions, delete_missing, now_ms).map(drop)
}

/// Begins what has to come ahead of an import.
pub fn import_ahead(
    tx: &mut Tx,
    caller: &Caller,
    definitions: &[Map<String, Value>],
    delete_missing: bool,
    now_ms: i64,
) -> Result<Vec<Ahead>> {
    let changes = changes(tx, caller, definitions, delete_missing, now_ms)?;
    ahead::begin(tx, &changes)
}

fn changes(
    tx: &mut Tx,
    caller: &Caller,
    definitions: &[Map<String, Value>],
    delete_missing: bool,
    now_ms: i64,
) -> Result<Vec<Change>> {
    guard(caller)?;
    if definitions.is_empty() {
        let problems = Problems::one("collections", "validation_required", "Cannot be blank.");
        return Err(refusal(problems));
    }
    let schema = Schema::load(tx)?;
    let fields = if delete_missing { Fields::Replace } else { Fields::Add };
    // Views last: they speak of the others.
    let is_view = |definition: &&Map<String, Value>| definition.contains_key("viewQuery");
    let plain = definitions.iter().filter(|definition| !is_view(definition));
    let ordered = plain.chain(definitions.iter().filter(is_view));
    prepare(tx, &schema, ordered, fields, now_ms)
}

/// Works out what each definition makes of the collection with its id, or else with its name. Each
/// may speak of those before it.
pub fn prepare<'d>(
    tx: &mut Tx,
    schema: &Schema,
    definitions: impl Iterator<Item = &'d Map<String, Value>>,
    fields: Fields,
    now_ms: i64,
) -> Result<Vec<Change>> {
    let mut changes: Vec<Change> = Vec::new();
    for definition in definitions {
        let text = |name| definition.get(name).and_then(Value::as_str).unwrap_or_default();
        let old = schema.by_id(text("id")).or_else(|| schema.by_name(text("name"))).cloned();
        let again =
            |change: &Change| old.as_ref().is_some_and(|old| change.new.number == old.number);
        if changes.iter().any(again) {
            return Err(refused(text("name"), "stands in the list twice"));
        }
        let new: Vec<_> = changes.iter().map(|change| change.new.clone()).collect();
        let known = Schema::of(schema.collections().cloned().chain(new));
        let change = change::prepare(tx, &known, old, definition, fields, now_ms);
        let change = change.map_err(|error| match error {
            Error::Bad(why) => refused(text("name"), &why),
            other => other,
        })?;
        let twin = |other: &Change| {
            other.new.id == change.new.id || other.new.name.eq_ignore_ascii_case(&change.new.name)
        };
        if changes.iter().any(twin) {
            return Err(refused(text("name"), "its id or name stands in the list twice"));
        }
        changes.push(change);
    }
    Ok(changes)
}

/// Says of a collection with problems that it cannot be imported.
pub fn refuse(collection: &Collection, problems: Problems) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let why = Value::Object(problems.into_json()).to_string();
    Err(refused(&collection.name, &why))
}

fn refused(name: &str, why: &str) -> Error {
    let message = format!("The collection {name:?} cannot be imported: {why}");
    refusal(Problems::one("collections", CODE, &message))
}

fn refusal(problems: Problems) -> Error {
    Error::Invalid { message: "The collections cannot be imported.".to_owned(), problems }
}
