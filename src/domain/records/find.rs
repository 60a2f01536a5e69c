//! Finds collections and records by name, by id, and by what refers to what.

use std::sync::Arc;

use crate::domain::fields::Kind;
use crate::domain::record::Record;
use crate::domain::schema::{Collection, Index, Schema};
use crate::domain::{Error, Result};
use crate::store::codec::{self, Column, Datum};
use crate::store::{Order, Range, Read, keys};

/// The collection with this id or name, and the schema it is of.
pub fn collection(read: &dyn Read, id_or_name: &str) -> Result<(Arc<Schema>, Arc<Collection>)> {
    let schema = Schema::load(read)?;
    let collection = schema.find(id_or_name).ok_or(Error::NotFound("collection"))?.clone();
    Ok((schema, collection))
}

/// The record with this id, whoever asks.
pub fn record(read: &dyn Read, collection: &Arc<Collection>, id: &str) -> Result<Option<Record>> {
    if id.is_empty() {
        return Ok(None);
    }
    let Some(bytes) = read.get(&keys::record(collection.number, id))? else { return Ok(None) };
    Record::from_stored(collection.clone(), bytes).map(Some)
}

/// The relation fields of `collection` that point to records of `target`, by position.
pub fn relations_to<'a>(
    collection: &'a Collection,
    target: &'a Collection,
) -> impl Iterator<Item = usize> + 'a {
    collection.fields.iter().enumerate().filter_map(|(at, field)| match &field.kind {
        Kind::Relation(options) if options.collection_id == target.id => Some(at),
        _ => None,
    })
}

/// Up to `limit` records of `collection` whose relation field number `field` names the record `id`.
pub fn referring(
    read: &dyn Read,
    collection: &Arc<Collection>,
    field: usize,
    id: &str,
    limit: usize,
) -> Result<Vec<Record>> {
    let Some(index) = reference_index(collection, field) else {
        return referring_by_scan(read, collection, field, id, limit);
    };
    let mut prefix = keys::index(collection.number, index.number);
    codec::put(&mut prefix, &Datum::Text(id.into()), Column::default());
    let entries = read.scan(&Range::prefix(&prefix), Order::Forward, limit)?;
    let mut found = Vec::with_capacity(entries.len());
    for (_, referring) in entries {
        let referring = std::str::from_utf8(&referring).unwrap_or_default();
        let missing = || Error::Broken(format!("index {} names no record", index.name));
        found.push(record(read, collection, referring)?.ok_or_else(missing)?);
    }
    Ok(found)
}

/// The index that the server keeps for look-ups by this relation.
fn reference_index(collection: &Collection, field: usize) -> Option<&Index> {
    collection.indexes.iter().find(|index| match &index.columns[..] {
        [column] => index.internal && column.field == Some(field),
        _ => false,
    })
}

fn referring_by_scan(
    read: &dyn Read,
    collection: &Arc<Collection>,
    field: usize,
    id: &str,
    limit: usize,
) -> Result<Vec<Record>> {
    let range = Range::prefix(&keys::records(collection.number));
    let mut found = Vec::new();
    for (_, bytes) in read.scan(&range, Order::Forward, usize::MAX)? {
        let record = Record::from_stored(collection.clone(), bytes)?;
        if found.len() < limit && record.texts(field).iter().any(|named| named == id) {
            found.push(record);
        }
    }
    Ok(found)
}
