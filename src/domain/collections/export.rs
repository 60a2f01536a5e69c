//! The schema as files hold it: a document for each collection, the same bytes for the same schema.

use serde_json::{Map, Value};

use crate::domain::Result;
use crate::domain::collections::guard;
use crate::domain::request::Caller;
use crate::domain::schema::{CollectionKind, Schema};
use crate::store::Read;

/// The collections that are the team's own, by name: what a blueprint of today's schema says.
pub fn export(read: &dyn Read, caller: &Caller) -> Result<Vec<Map<String, Value>>> {
    guard(caller)?;
    let schema = Schema::load(read)?;
    let mut own: Vec<_> = schema.collections().filter(|collection| !collection.system).collect();
    own.sort_by(|a, b| a.name.cmp(&b.name));
    let documents = own.into_iter().map(|collection| {
        let mut members = collection.to_json();
        // Moments would make two equal schemas differ, and the rest follows from something else.
        for name in ["created", "updated", "system"] {
            members.shift_remove(name);
        }
        if collection.kind == CollectionKind::View {
            for name in ["fields", "createRule", "updateRule", "deleteRule", "indexes"] {
                members.shift_remove(name);
            }
        }
        members
    });
    Ok(documents.collect())
}
