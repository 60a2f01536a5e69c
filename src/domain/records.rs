//! Records: create, view, list, update, delete, under the rules of their collection.

use serde_json::{Map, Value};

use crate::domain::accounts;
use crate::domain::accounts::accept::Change;
use crate::domain::cascade;
use crate::domain::fields::Kind;
use crate::domain::record::Record;
use crate::domain::request::Request;
use crate::domain::schema::{Collection, CollectionKind, Schema};
use crate::domain::views::Overlay;
use crate::domain::{Error, Problems, Result};
use crate::query;
use crate::store::{Read, Tx, keys};

pub mod access;
mod checks;
pub mod explain;
pub mod find;
mod ids;
mod intake;
mod modifiers;
mod page;

pub use intake::Draft;
pub use page::{Listing, Paging};

/// What a client sent for a record, modifiers and unknown keys included.
pub type Body = Map<String, Value>;

/// Longer passwords are refused anyway: not worth a hash.
const PASSWORD_MAX_BYTES: usize = 1024;
const CREATE_FAILED: &str = "Failed to create the record.";
const UPDATE_FAILED: &str = "Failed to update the record.";

/// Creates a record of `collection` (id or name).
pub fn create(tx: &mut Tx, request: &Request, collection: &str, body: &Body) -> Result<Record> {
    request.budget.renew();
    let (schema, collection) = find::collection(tx, collection)?;
    writable(&collection)?;
    let rule = access::gate(&collection.rules.create, &request.caller)?;

    let mut draft = Draft::of_new(&collection, request, body);
    let request = draft.asked(request);
    let candidate = Record::encode(&collection, tx.stamp(), &draft.values);
    if !access::passes(tx, &schema, &request, rule, &candidate)? {
        return Err(Error::Bad(CREATE_FAILED.to_owned()));
    }
    let mut problems = checks::problems(tx, &schema, &collection, None, &draft)?;
    let mut record = candidate;
    if has_passwords(&collection) {
        let scope = query::Scope { read: tx, schema: &schema, request: &request };
        let change = Change { scope: &scope, collection: &collection, subject: &record, old: None };
        accounts::accept(&change, &mut draft.values, &mut problems)?;
        record = Record::encode(&collection, record.stamp(), &draft.values);
    }
    problems.check(CREATE_FAILED)?;

    let key = keys::record(collection.number, record.id());
    if tx.get(&key)?.is_some() {
        let taken = Problems::one("id", "validation_not_unique", "Is taken already.");
        return taken.check(CREATE_FAILED).map(|()| record);
    }
    checks::unique(tx, &record)?.check(CREATE_FAILED)?;
    tx.put_new(&key, record.stored().clone())?;
    Ok(record)
}

/// Finds the record with this id, if the caller may see it.
pub fn view(read: &dyn Read, request: &Request, collection: &str, id: &str) -> Result<Record> {
    request.budget.renew();
    let (schema, collection) = find::collection(read, collection)?;
    let rule = access::gate(&collection.rules.view, &request.caller)?;
    let overlay = Overlay::over(read, &schema, request.now_ms);
    let read = overlay.as_ref().map_or(read, |overlay| overlay as &dyn Read);
    let record = find::record(read, &collection, id)?.ok_or(Error::NotFound("record"))?;
    if !access::passes(read, &schema, request, rule, &record)? {
        return Err(Error::NotFound("record"));
    }
    Ok(record)
}

/// Finds the records that the caller may list and wants to see.
pub fn list(
    read: &dyn Read,
    request: &Request,
    collection: &str,
    listing: &Listing,
) -> Result<Paging> {
    request.budget.renew();
    let (schema, collection) = find::collection(read, collection)?;
    let rule = access::gate(&collection.rules.list, &request.caller)?;
    let paging = Paging::of(listing);
    let overlay = Overlay::over(read, &schema, request.now_ms);
    if let Some(overlay) = &overlay {
        overlay.prepare(&collection)?;
    }
    let read = overlay.as_ref().map_or(read, |overlay| overlay as &dyn Read);
    let scope = query::Scope { read, schema: &schema, request };
    let found = query::list(&scope, &collection, &paging.query(listing, rule));
    if let (Err(query::Error::TooExpensive { budget, .. }), Some(_), "") =
        (&found, rule, listing.filter.trim())
    {
        access::warn(&collection, *budget);
    }
    let found = found?;
    Ok(paging.with(found))
}

/// Changes some values of a record.
pub fn update(
    tx: &mut Tx,
    request: &Request,
    collection: &str,
    id: &str,
    body: &Body,
) -> Result<Record> {
    request.budget.renew();
    let (schema, collection) = find::collection(tx, collection)?;
    writable(&collection)?;
    let rule = access::gate(&collection.rules.update, &request.caller)?;
    let old = find::record(tx, &collection, id)?.ok_or(Error::NotFound("record"))?;

    let mut draft = Draft::of_change(&old, request, body);
    let request = draft.asked(request);
    if !access::passes(tx, &schema, &request, rule, &old)? {
        return Err(Error::NotFound("record"));
    }
    let mut problems = checks::problems(tx, &schema, &collection, Some(&old), &draft)?;
    if has_passwords(&collection) {
        draft.complete(&old);
        let scope = query::Scope { read: tx, schema: &schema, request: &request };
        let (collection, subject, old) = (&*collection, &old, Some(&old));
        let change = Change { scope: &scope, collection, subject, old };
        accounts::accept(&change, &mut draft.values, &mut problems)?;
    }
    problems.check(UPDATE_FAILED)?;

    let record = old.with(&draft.changes());
    checks::unique(tx, &record)?.check(UPDATE_FAILED)?;
    let key = keys::record(collection.number, record.id());
    tx.replace_with(&key, record.stored().clone(), old.undo(&record))?;
    Ok(record)
}

/// Deletes a record, and what the relations to it ask for.
pub fn delete(tx: &mut Tx, request: &Request, collection: &str, id: &str) -> Result<()> {
    request.budget.renew();
    let (schema, collection) = find::collection(tx, collection)?;
    writable(&collection)?;
    let rule = access::gate(&collection.rules.delete, &request.caller)?;
    let record = find::record(tx, &collection, id)?.ok_or(Error::NotFound("record"))?;
    if !access::passes(tx, &schema, request, rule, &record)? {
        return Err(Error::NotFound("record"));
    }
    cascade::delete(tx, &schema, &record, request.now_ms)
}

fn has_passwords(collection: &Collection) -> bool {
    collection.fields.iter().any(|field| matches!(field.kind, Kind::Password(_)))
}

fn writable(collection: &Collection) -> Result<()> {
    match collection.kind {
        CollectionKind::Base | CollectionKind::Auth => Ok(()),
        CollectionKind::View => Err(Error::Bad("Records of a view can't be changed.".to_owned())),
    }
}

/// Whether writing a record of `collection` may cost a hash.
pub fn may_hash(read: &dyn Read, collection: &str) -> Result<bool> {
    Ok(Schema::load(read)?.find(collection).is_some_and(|collection| has_passwords(collection)))
}

/// A password on its way to become a hash.
pub struct Password {
    /// Sets apart two accounts that chose the same one: the address the account will have.
    pub owner: String,
    pub plain: String,
}

/// The password that `body` would give an account (with `id`, or a new one), so that it can be
/// hashed before the rule runs. A hint: the rule hashes what it doesn't find hashed, and whoever
/// will be refused for want of an access rule costs no hash.
pub fn password(
    read: &dyn Read,
    request: &Request,
    collection: &str,
    id: Option<&str>,
    body: &Body,
) -> Result<Option<Password>> {
    let text = |name| body.get(name).and_then(Value::as_str);
    let Some(plain) = text("password").filter(|plain| plain.len() <= PASSWORD_MAX_BYTES) else {
        return Ok(None);
    };
    let Some(collection) = Schema::load(read)?.find(collection).cloned() else { return Ok(None) };
    if !collection.is_auth() || plain.is_empty() || text("passwordConfirm") != Some(plain) {
        return Ok(None);
    }
    let rules = &collection.rules;
    let rule = if id.is_none() { &rules.create } else { &rules.update };
    if rule.is_none() && !request.caller.is_superuser() {
        return Ok(None);
    }
    let owner = match (text("email"), id) {
        (Some(email), _) => email.to_owned(),
        (None, None) => String::new(),
        (None, Some(id)) => match find::record(read, &collection, id)? {
            Some(account) => account.text_of("email").into_owned(),
            None => return Ok(None),
        },
    };
    Ok(Some(Password { owner, plain: plain.to_owned() }))
}

#[cfg(test)]
mod tests;
