//! Satellites: rows of the system's collections that belong to an account and go with it.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::record::Record;
use crate::domain::schema::{Collection, Schema};
use crate::store::codec::{self, Column, Datum};
use crate::store::{Order, Range, Read, Tx, keys};

/// The collections of satellites, and the two fields that name an account.
const COLLECTIONS: [&str; 4] = ["_externalAuths", "_mfas", "_otps", "_authOrigins"];
const FIELDS: [&str; 2] = ["collectionRef", "recordRef"];

/// Everything that belongs to `account`; nothing if that is no account.
pub fn of(read: &dyn Read, schema: &Schema, account: &Record) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    if account.collection().is_auth() {
        let account = [account.collection().id.as_str(), account.id()];
        for collection in COLLECTIONS.iter().filter_map(|name| schema.by_name(name)) {
            found.extend(in_collection(read, collection, &account)?);
        }
    }
    Ok(found)
}

/// Removes what belongs to any account of a collection that is emptied or goes.
pub fn clear(tx: &mut Tx, schema: &Schema, accounts: &Collection) -> Result<()> {
    if !accounts.is_auth() {
        return Ok(());
    }
    tx.allow_bulk();
    for collection in COLLECTIONS.iter().filter_map(|name| schema.by_name(name)) {
        for satellite in in_collection(tx, collection, &[&accounts.id])? {
            let key = keys::record(collection.number, satellite.id());
            tx.take_away(&key, satellite.stored().clone())?;
        }
    }
    Ok(())
}

/// Those of an account, named by collection and id, or of all accounts of a collection.
fn in_collection(
    read: &dyn Read,
    collection: &Arc<Collection>,
    account: &[&str],
) -> Result<Vec<Record>> {
    let Some(prefix) = index_prefix(collection, account) else {
        return by_scan(read, collection, account);
    };
    let mut found = Vec::new();
    for (_, id) in read.scan(&Range::prefix(&prefix), Order::Forward, usize::MAX)? {
        let id = std::str::from_utf8(&id).unwrap_or_default();
        if let Some(bytes) = read.get(&keys::record(collection.number, id))? {
            found.push(Record::from_stored(collection.clone(), bytes)?);
        }
    }
    Ok(found)
}

/// Where the index that begins with both fields has the entries of `account`.
fn index_prefix(collection: &Collection, account: &[&str]) -> Option<Vec<u8>> {
    let fields = FIELDS.map(|name| collection.field(name).map(|(at, _)| at));
    let index = collection.indexes.iter().find(|index| {
        let columns = index.columns.iter().take(2).map(|column| column.field);
        index.condition.is_none() && columns.eq(fields.iter().copied())
    })?;
    let mut prefix = keys::index(collection.number, index.number);
    for (column, value) in index.columns.iter().zip(account) {
        let column = Column { descending: column.descending, nocase: column.nocase };
        codec::put(&mut prefix, &Datum::Text((*value).into()), column);
    }
    Some(prefix)
}

fn by_scan(read: &dyn Read, collection: &Arc<Collection>, account: &[&str]) -> Result<Vec<Record>> {
    let range = Range::prefix(&keys::records(collection.number));
    let mut found = Vec::new();
    for (_, bytes) in read.scan(&range, Order::Forward, usize::MAX)? {
        let record = Record::from_stored(collection.clone(), bytes)?;
        if FIELDS.iter().zip(account).all(|(name, wanted)| record.text_of(name) == **wanted) {
            found.push(record);
        }
    }
    Ok(found)
}
