//! Finds accounts: by id, and by what they sign in with.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::record::Record;
use crate::domain::schema::{Collection, IndexColumn};
use crate::store::codec::{self, Column, Datum};
use crate::store::{Order, Range, Read, keys};

/// The account with this id.
pub fn by_id(read: &dyn Read, collection: &Arc<Collection>, id: &str) -> Result<Option<Record>> {
    if id.is_empty() {
        return Ok(None);
    }
    let Some(bytes) = read.get(&keys::record(collection.number, id))? else { return Ok(None) };
    Record::from_stored(collection.clone(), bytes).map(Some)
}

/// The account whose value in the first of `fields` that knows it is `identity`. Compares as the
/// unique index of the field does: exactly, or without case.
pub fn by_identity(
    read: &dyn Read,
    collection: &Arc<Collection>,
    fields: &[&str],
    identity: &str,
) -> Result<Option<Record>> {
    for field in fields {
        if let Some(account) = by_unique(read, collection, field, identity)? {
            return Ok(Some(account));
        }
    }
    Ok(None)
}

fn by_unique(
    read: &dyn Read,
    collection: &Arc<Collection>,
    field: &str,
    value: &str,
) -> Result<Option<Record>> {
    let Some((field, _)) = collection.field(field) else { return Ok(None) };
    let of_field = |columns: &[IndexColumn]| match columns {
        [column] if column.field == Some(field) => {
            Some(Column { descending: column.descending, nocase: column.nocase })
        }
        _ => None,
    };
    // A field to sign in with always has one: the collection could not be stored without.
    let unique = collection.indexes.iter().filter(|index| index.unique);
    let mut found = unique.filter_map(|index| Some((index, of_field(&index.columns)?)));
    let Some((index, column)) = found.next() else { return Ok(None) };
    let mut prefix = keys::index(collection.number, index.number);
    codec::put(&mut prefix, &Datum::Text(value.into()), column);
    let entries = read.scan(&Range::prefix(&prefix), Order::Forward, 1)?;
    match entries.first() {
        None => Ok(None),
        Some((_, id)) => by_id(read, collection, std::str::from_utf8(id).unwrap_or_default()),
    }
}
