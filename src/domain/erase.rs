//! Erases people, or other records: who is meant, and what goes with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::record::Record;
use crate::domain::records;
use crate::domain::request::Request;
use crate::domain::schema::{Collection, Schema};
use crate::domain::{Error, Result};
use crate::store::{Order, Range, Read, Tx, keys};

/// Records read at a time where an address is looked for.
const PAGE: usize = 1_000;

/// A record that somebody named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub id: String,
    /// The address, of an account that has one.
    pub email: String,
}

/// Finds the records of `collection` with these ids, and the accounts with these addresses in
/// whatever case. Refuses if any of them is not there, or could be several.
pub fn find(read: &dyn Read, collection: &str, who: &[String]) -> Result<Vec<Named>> {
    let (_, collection) = records::find::collection(read, collection)?;
    let mut found: Vec<Named> = Vec::new();
    let mut problems = Vec::new();
    for name in who {
        let named = match records::find::record(read, &collection, name)? {
            Some(record) => vec![record],
            None => by_email(read, &collection, name)?,
        };
        match &named[..] {
            [record] if found.iter().any(|other| other.id == record.id()) => {}
            [record] => found.push(Named {
                id: record.id().to_owned(),
                email: record.text_of("email").into_owned(),
            }),
            [] => problems.push(format!("{} has no record {name}.", collection.name)),
            several => {
                let ids: Vec<_> = several.iter().map(Record::id).collect();
                problems.push(format!("{name} may be any of {}: name one.", ids.join(", ")));
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Error::Bad(problems.join(" "))) }
}

/// Deletes records with all that goes with them, and says how many went, by collection.
pub fn erase(
    tx: &mut Tx,
    request: &Request,
    collection: &str,
    ids: &[String],
) -> Result<BTreeMap<String, u64>> {
    let (schema, found) = records::find::collection(tx, collection)?;
    for id in ids {
        let key = keys::record(found.number, id);
        // One of the others may have taken it along.
        if !tx.deleted().any(|gone| *gone == key) {
            records::delete(tx, request, collection, id)?;
        }
    }
    Ok(counted(tx, &schema))
}

fn counted(tx: &Tx, schema: &Schema) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (number, _) in tx.deleted().filter_map(|key| keys::as_record(key)) {
        if let Some(collection) = schema.by_number(number) {
            *counts.entry(collection.name.clone()).or_default() += 1;
        }
    }
    counts
}

fn by_email(read: &dyn Read, collection: &Arc<Collection>, email: &str) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    if !collection.is_auth() || email.is_empty() {
        return Ok(found);
    }
    let email = email.to_lowercase();
    let mut rest = Range::prefix(&keys::records(collection.number));
    loop {
        let page = read.scan(&rest, Order::Forward, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        rest.from = [last, &b"\0"[..]].concat();
        for (_, bytes) in page {
            let record = Record::from_stored(collection.clone(), bytes)?;
            if record.text_of("email").to_lowercase() == email {
                found.push(record);
            }
        }
    }
}
