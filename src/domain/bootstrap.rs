//! What a store has before anybody wrote to it: its own collections, and the first superuser.

use crate::config::secret::Secret;
use crate::domain::Result;
use crate::domain::accounts::superusers;
use crate::domain::collections;
use crate::domain::request::Request;
use crate::store::Tx;

/// Defines the collections of a fresh store, and sees to it that there is the superuser that the
/// settings name. Changes nothing that is there. True when the superuser is new.
pub fn bootstrap(tx: &mut Tx, request: &Request, admin: Option<(&str, &Secret)>) -> Result<bool> {
    collections::bootstrap(tx, request.now_ms)?;
    match admin {
        None => Ok(false),
        Some((email, password)) => superusers::ensure(tx, request, email, password),
    }
}
