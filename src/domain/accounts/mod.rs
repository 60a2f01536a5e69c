//! Accounts: records of auth collections that sign in. What they accept, and who is signed in.

pub mod accept;
pub mod find;
pub mod satellites;
pub mod sign_in;
pub mod superusers;
pub mod tokens;

pub use accept::accept;

use crate::domain::Error;
use crate::domain::Result;
use crate::domain::record::Record;
use crate::domain::records::access;
use crate::query::{self, Scope};

/// Whether the caller manages `account`: may change its address, password and state without
/// knowing the old password. Superusers do, and who passes the collection's manage rule; a blank
/// rule names nobody, and a guest never manages.
pub fn manages(scope: &Scope, account: &Record) -> Result<bool> {
    if scope.request.caller.is_superuser() {
        return Ok(true);
    }
    let auth = account.collection().auth.as_deref();
    match auth.and_then(|auth| auth.manage_rule.as_deref()) {
        None | Some("") => Ok(false),
        Some(_) if scope.request.caller.is_guest() => Ok(false),
        Some(rule) => passes(scope, rule, account),
    }
}

/// Whether `account` passes an access rule. A rule that costs too much denies, and is logged.
fn passes(scope: &Scope, rule: &str, account: &Record) -> Result<bool> {
    if rule.is_empty() {
        return Ok(true);
    }
    match query::matches(scope, rule, account) {
        Ok(matches) => Ok(matches),
        Err(query::Error::Store(error)) => Err(error.into()),
        Err(query::Error::TooExpensive { budget, .. }) => {
            access::warn(account.collection(), budget);
            Ok(false)
        }
        Err(error) => Err(Error::Broken(format!("an access rule does not compile: {error}"))),
    }
}
