//! Collections and records for tests, made by hand.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::fields::{Kind, RelationOptions, SelectOptions, TextOptions};
use crate::domain::record::Record;
use crate::domain::schema::{Collection, CollectionKind, Field, Layout};

/// A base collection with an `id` and `fields`, numbered and named so that ids follow from names.
pub fn collection(number: u32, name: &str, fields: &[(&str, Kind)]) -> Collection {
    let id = ("id", Kind::Text(TextOptions { primary_key: true, ..TextOptions::default() }));
    let fields = std::iter::once(&id).chain(fields).enumerate();
    let fields: Vec<_> = fields.map(|(at, (name, kind))| field(at as u32, name, kind)).collect();
    Collection {
        number,
        id: format!("{name}_id"),
        name: name.to_owned(),
        kind: CollectionKind::Base,
        system: false,
        rules: Default::default(),
        layouts: vec![Layout::of(CollectionKind::Base, &fields)],
        fields,
        indexes: Vec::new(),
        pending: Default::default(),
        auth: None,
        view_query: None,
        created: String::new(),
        updated: String::new(),
        shaped: Default::default(),
    }
}

pub fn field(slot: u32, name: &str, kind: &Kind) -> Field {
    Field {
        id: format!("{name}_id"),
        name: name.to_owned(),
        slot,
        system: false,
        hidden: false,
        presentable: false,
        required: false,
        help: String::new(),
        kind: kind.clone(),
    }
}

pub fn text() -> Kind {
    Kind::Text(TextOptions::default())
}

pub fn number() -> Kind {
    Kind::Number(Default::default())
}

pub fn select(values: &[&str], max_select: u64) -> Kind {
    Kind::Select(SelectOptions {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        max_select,
    })
}

pub fn relation(collection: &str, max_select: u64) -> Kind {
    Kind::Relation(RelationOptions {
        collection_id: format!("{collection}_id"),
        max_select,
        ..RelationOptions::default()
    })
}

/// A record of `collection` with the members of the object `values`.
pub fn record(collection: &Arc<Collection>, stamp: u64, values: Value) -> Record {
    let values = collection.fields.iter().map(|field| values.get(&field.name).cloned()).collect();
    Record::encode(collection, stamp, &values)
}
