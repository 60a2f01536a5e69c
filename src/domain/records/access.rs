//! Who may do what: the access rules of a collection, and how much of a record a caller sees.

use std::sync::Arc;

use crate::domain::accounts;
use crate::domain::record::{Record, Sight};
use crate::domain::request::{Caller, Request};
use crate::domain::schema::{Collection, Schema};
use crate::domain::{Error, Result};
use crate::query;
use crate::store::Read;

/// The expression that this caller has to satisfy; `None` when there is none to satisfy.
/// Refuses at once where the action is for superusers only.
pub fn gate<'a>(rule: &'a Option<String>, caller: &Caller) -> Result<Option<&'a str>> {
    if caller.is_superuser() {
        return Ok(None);
    }
    match rule.as_deref() {
        None => Err(Error::Forbidden("Only superusers may do this.")),
        Some("") => Ok(None),
        Some(rule) => Ok(Some(rule)),
    }
}

/// Whether `record` satisfies `rule`. A rule that costs more than a request may spend is not met.
pub fn passes(
    read: &dyn Read,
    schema: &Arc<Schema>,
    request: &Request,
    rule: Option<&str>,
    record: &Record,
) -> Result<bool> {
    let Some(rule) = rule.filter(|rule| !rule.trim().is_empty()) else { return Ok(true) };
    match query::matches(&query::Scope { read, schema, request }, rule, record) {
        Ok(matches) => Ok(matches),
        Err(query::Error::TooExpensive { budget, .. }) => {
            warn(record.collection(), budget);
            Ok(false)
        }
        Err(query::Error::Store(error)) => Err(error.into()),
        Err(error) => Err(Error::Broken(format!("an access rule does not compile: {error}"))),
    }
}

/// Logs that a rule costs more than a request may spend: who made it should know.
pub fn warn(collection: &Collection, budget: u64) {
    let name = &collection.name;
    tracing::warn!(
        collection = name,
        "an access rule of {name} needs more than {budget} row visits: denied"
    );
}

/// Which parts of `record` the caller may see.
pub fn sight(
    read: &dyn Read,
    schema: &Arc<Schema>,
    request: &Request,
    record: &Record,
) -> Result<Sight> {
    if request.caller.is_superuser() {
        return Ok(Sight::SUPERUSER);
    }
    if !record.collection().is_auth() || record.shows_email() {
        return Ok(Sight::STRANGER);
    }
    let own = request.caller.account().is_some_and(|account| {
        account.collection().number == record.collection().number && account.id() == record.id()
    });
    let scope = query::Scope { read, schema, request };
    let email = own || accounts::manages(&scope, record)?;
    Ok(Sight { hidden: false, email })
}
