//! Several changes of records as one: all of them, or none.

use std::collections::BTreeMap;

use crate::domain::answer::{self, Look};
use crate::domain::records::{self, Body, find};
use crate::domain::request::Request;
use crate::domain::{Error, Result};
use crate::store::Tx;

/// One change of a batch.
#[derive(Debug, Clone)]
pub struct Entry {
    pub action: Action,
    pub collection: String,
    pub body: Body,
    /// The parameters of its own address.
    pub query: BTreeMap<String, String>,
    /// Added to those of the whole request.
    pub headers: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub enum Action {
    Create,
    Update(String),
    /// Update if the id in the body exists, else create.
    Upsert,
    Delete(String),
}

/// The record of a change as JSON; `None` when it was deleted.
pub type Done = Option<Vec<u8>>;

/// Runs `entries` in order: later ones see what earlier ones did. An entry that could not be read is
/// `None`, and fails when its turn comes.
pub fn run(tx: &mut Tx, request: &Request, entries: &[Option<Entry>]) -> Result<Vec<Done>> {
    tx.allow_bulk();
    let mut done = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        match change(tx, request, entry.as_ref()) {
            Ok(answer) => done.push(answer),
            // Not the entry's fault: the store decides whether all of it runs again.
            Err(error @ (Error::Store(_) | Error::Broken(_))) => return Err(error),
            Err(cause) => return Err(Error::Entry { index, cause: Box::new(cause) }),
        }
    }
    Ok(done)
}

fn change(tx: &mut Tx, request: &Request, entry: Option<&Entry>) -> Result<Done> {
    let unknown = "Only creates, updates, upserts and deletes of records may stand in a batch.";
    let entry = entry.ok_or_else(|| Error::Bad(unknown.to_owned()))?;
    let parameter = |name| entry.query.get(name).map_or("", String::as_str);
    let look = Look::parse(parameter("expand"), parameter("fields"))?;
    let mut request = request.clone();
    request.query = entry.query.clone();
    request.headers.state(entry.headers.clone());

    let Entry { collection, body, .. } = entry;
    let known;
    let action = match &entry.action {
        Action::Upsert => {
            known = existing(tx, collection, body)?.map_or(Action::Create, Action::Update);
            &known
        }
        action => action,
    };
    let record = match action {
        Action::Create | Action::Upsert => {
            request.method = "POST".to_owned();
            records::create(tx, &request, collection, body)?
        }
        Action::Update(id) => {
            request.method = "PATCH".to_owned();
            records::update(tx, &request, collection, id, body)?
        }
        Action::Delete(id) => {
            request.method = "DELETE".to_owned();
            records::delete(tx, &request, collection, id)?;
            return Ok(None);
        }
    };
    answer::record(tx, &request, &record, &look).map(Some)
}

/// The id in `body`, if there is a record with it.
fn existing(tx: &Tx, collection: &str, body: &Body) -> Result<Option<String>> {
    let Some(id) = body.get("id").and_then(serde_json::Value::as_str) else { return Ok(None) };
    let (_, collection) = find::collection(tx, collection)?;
    Ok(find::record(tx, &collection, id)?.map(|record| record.id().to_owned()))
}
