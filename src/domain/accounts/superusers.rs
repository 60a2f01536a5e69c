//! Superusers: the first is made from the settings or the command line, and one always remains.

use serde_json::json;

use crate::config::secret::Secret;
use crate::domain::Error;
use crate::domain::Problems;
use crate::domain::Result;
use crate::domain::accounts::find;
use crate::domain::accounts::sign_in::auth_collection;
use crate::domain::collections;
use crate::domain::fields;
use crate::domain::record::Record;
use crate::domain::records;
use crate::domain::request::{Request, SUPERUSERS};
use crate::domain::schema::{Collection, CollectionKind};
use crate::store::{Order, Range, Read, Tx, keys};

/// Creates the superuser `email` if there is none; never changes one that is there. True when it
/// is new. The caller must be the operator: nobody else comes before the first superuser.
pub fn ensure(tx: &mut Tx, request: &Request, email: &str, password: &Secret) -> Result<bool> {
    let (_, collection) = auth_collection(tx, SUPERUSERS)?;
    if find::by_identity(tx, &collection, &["email"], email)?.is_some() {
        return Ok(false);
    }
    let password = password.expose_text().unwrap_or_default();
    let body = json!({ "email": email, "password": password, "passwordConfirm": password });
    let body = body.as_object().cloned().unwrap_or_default();
    records::create(tx, request, SUPERUSERS, &body)?;
    Ok(true)
}

/// What the collection of superusers, as every store gets it, refuses of these.
pub fn problems(email: &str, password: &Secret) -> Problems {
    let password = password.expose_text().unwrap_or_default();
    let mut problems = Problems::new();
    for field in collections::system_fields(CollectionKind::Auth) {
        let value = match &field.name[..] {
            "email" => json!(email),
            "password" => json!(password),
            _ => continue,
        };
        if let Some(problem) = fields::problem(&field, &fields::cast(&field.kind, &value)) {
            problems.add(&field.name, problem.code, &problem.message);
        }
    }
    problems
}

/// Gives the superuser `email` another password; its tokens end.
pub fn change_password(
    tx: &mut Tx,
    request: &Request,
    email: &str,
    password: &Secret,
) -> Result<()> {
    let (_, collection) = auth_collection(tx, SUPERUSERS)?;
    let found = find::by_identity(tx, &collection, &["email"], email)?;
    let account = found.ok_or(Error::NotFound("superuser"))?;
    let password = password.expose_text().unwrap_or_default();
    let body = json!({ "password": password, "passwordConfirm": password });
    let body = body.as_object().cloned().unwrap_or_default();
    records::update(tx, request, SUPERUSERS, account.id(), &body)?;
    Ok(())
}

/// Refuses to delete the last superuser. Called before any record is deleted.
pub fn may_delete(read: &dyn Read, record: &Record) -> Result<()> {
    if record.collection().name != SUPERUSERS {
        return Ok(());
    }
    // Two rows are read, not counted, so that two superusers can't delete each other.
    let range = Range::prefix(&keys::records(record.collection().number));
    match read.scan(&range, Order::Forward, 2)?.len() {
        0 | 1 => Err(Error::Bad("The last superuser cannot be deleted.".to_owned())),
        _ => Ok(()),
    }
}

/// Refuses to empty the collection of superusers.
pub fn may_truncate(collection: &Collection) -> Result<()> {
    if collection.name == SUPERUSERS {
        return Err(Error::Bad("The superusers cannot be deleted all at once.".to_owned()));
    }
    Ok(())
}
