//! Unique indexes: who else has the same values.

use bytes::Bytes;

use crate::domain::Result;
use crate::domain::derive;
use crate::domain::record::Record;
use crate::domain::schema::{Collection, Index};
use crate::store::codec::{self, Datum};
use crate::store::{Order, Range, Read, keys};

/// Entries that are looked at in one go when a whole index is checked.
const CHUNK: usize = 1000;

/// The first unique index in which another record has the values that `record` (not stored yet, or
/// stored in an older version) would have.
pub fn conflict<'a>(read: &dyn Read, record: &'a Record) -> Result<Option<&'a Index>> {
    let collection = record.collection();
    for index in collection.enforced_indexes() {
        for key in keys_of(read, index, record)? {
            let entries = read.scan(&Range::prefix(&key), Order::Forward, 2)?;
            if entries.iter().any(|(_, id)| id[..] != *record.id().as_bytes()) {
                return Ok(Some(index));
            }
        }
    }
    Ok(None)
}

/// The beginnings of entries in `index` that only `record` may have.
pub fn keys_of(read: &dyn Read, index: &Index, record: &Record) -> Result<Vec<Vec<u8>>> {
    if !derive::covers(read, index, record)? {
        return Ok(Vec::new());
    }
    let mut found = derive::entry_keys(record.collection(), index, record);
    found.retain(|key| !has_null(index, &key[keys::index(0, 0).len()..]));
    Ok(found)
}

/// The id of a record whose values another one has too in `index`, as stored now.
pub fn duplicate(
    read: &dyn Read,
    collection: &Collection,
    index: &Index,
) -> Result<Option<String>> {
    let mut range = Range::prefix(&keys::index(collection.number, index.number));
    let skip = range.from.len();
    let mut before: Option<Bytes> = None;
    loop {
        let entries = read.scan(&range, Order::Forward, CHUNK)?;
        for (key, id) in &entries {
            let columns = key.slice(skip..key.len() - id.len());
            if before.as_ref() == Some(&columns) && !has_null(index, &columns) {
                return Ok(Some(String::from_utf8_lossy(id).into_owned()));
            }
            before = Some(columns);
        }
        match entries.last() {
            Some((key, _)) if entries.len() == CHUNK => {
                range.from = key.to_vec();
                range.from.push(0);
            }
            _ => return Ok(None),
        }
    }
}

/// Nothing equals nothing: rows that lack a value don't collide.
fn has_null(index: &Index, mut columns: &[u8]) -> bool {
    for column in &index.columns {
        match codec::take(columns, derive::how(column)) {
            Some((Datum::Null, _)) | None => return true,
            Some((_, rest)) => columns = rest,
        }
    }
    false
}
