//! Blank definitions with their defaults, for forms to start from.

use serde_json::{Map, Value};

use crate::domain::collections::system;
use crate::domain::fields::AuthOptions;
use crate::domain::schema::{Collection, CollectionKind};

/// One blank collection of each kind, as clients see collections.
pub fn scaffolds() -> Map<String, Value> {
    [CollectionKind::Base, CollectionKind::Auth, CollectionKind::View]
        .into_iter()
        .map(|kind| (kind.name().to_owned(), Value::Object(blank(kind).to_json())))
        .collect()
}

fn blank(kind: CollectionKind) -> Collection {
    Collection {
        number: 0,
        id: String::new(),
        name: String::new(),
        kind,
        system: false,
        rules: Default::default(),
        fields: system::fields(kind),
        indexes: Vec::new(),
        pending: Default::default(),
        auth: (kind == CollectionKind::Auth).then(|| Box::new(AuthOptions::default())),
        view_query: (kind == CollectionKind::View).then(String::new),
        layouts: Vec::new(),
        created: String::new(),
        updated: String::new(),
        shaped: Default::default(),
    }
}

/// A view without a query.
pub fn blank_view() -> Collection {
    blank(CollectionKind::View)
}
