//! Every collection as of one position, compiled once per schema version.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::fields::{Kind, RelationOptions};
use crate::domain::record::Shaped;
use crate::domain::{Error, Result};
use crate::query::Prepared;
use crate::store::{self, Read, keys};

/// All collections, by id and by name.
#[derive(Debug, Default)]
pub struct Schema {
    by_id: HashMap<String, Arc<Collection>>,
    by_name: HashMap<String, Arc<Collection>>,
    by_number: HashMap<u32, Arc<Collection>>,
    /// What rules and lists come to, worked out when first asked for.
    pub prepared: Prepared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CollectionKind {
    Base,
    Auth,
    View,
}

/// One collection: what clients see of it, and how its records lie in the store.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Names its keys in the store; never reused, never shown.
    pub number: u32,
    pub id: String,
    pub name: String,
    pub kind: CollectionKind,
    pub system: bool,
    pub rules: Rules,
    pub fields: Vec<Field>,
    /// Those that are there: whole, and looked things up in.
    pub indexes: Vec<Index>,
    pub pending: Pending,
    /// Only of auth collections.
    pub auth: Option<Box<crate::domain::fields::AuthOptions>>,
    /// Only of views: the SELECT.
    pub view_query: Option<String>,
    /// The layouts that records of this collection may have on disk, oldest first; the last is today's.
    pub layouts: Vec<Layout>,
    pub created: String,
    pub updated: String,
    /// How its records look, worked out when first asked for: `Default::default()` in a literal.
    pub shaped: Shaped,
}

/// Access rules: `None` is for superusers only, `""` for everyone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    pub list: Option<String>,
    pub view: Option<String>,
    pub create: Option<String>,
    pub update: Option<String>,
    pub delete: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub id: String,
    pub name: String,
    /// Names the field's value inside records; never reused within its collection, never shown.
    pub slot: u32,
    pub system: bool,
    pub hidden: bool,
    pub presentable: bool,
    pub required: bool,
    pub help: String,
    pub kind: Kind,
}

/// Which slots a record on disk has, in the order of their values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Layout {
    pub slots: Vec<Slot>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub slot: u32,
    /// The key in the record's JSON when it was written.
    pub name: String,
    /// A list of values (a multiple select, relation or file).
    pub multiple: bool,
    /// In the private part: hidden when it was written.
    pub hidden: bool,
}

/// Indexes that are being made or dropped, see `collections::build`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    pub builds: Vec<Build>,
    /// Numbers of indexes that are gone; their entries may be there still.
    pub dropped: Vec<u32>,
}

/// An index on its way: what is written has its entries there, what was there gets them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    pub index: Index,
    /// Its place among the others.
    pub at: usize,
    /// Every record has its entries. If unique, no write may break that any more.
    pub complete: bool,
}

/// A parsed `CREATE INDEX` statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Names its entries in the store; never reused within its collection.
    pub number: u32,
    pub name: String,
    pub unique: bool,
    pub columns: Vec<IndexColumn>,
    /// Of a partial index: the condition over the record's own fields, as a filter expression.
    pub condition: Option<String>,
    /// The statement as clients see it.
    pub statement: String,
    /// Kept by the server itself (relation look-ups, creation order); clients don't see it.
    pub internal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexColumn {
    /// Position in `Collection::fields`; `None` is the creation stamp (`@rowid`).
    pub field: Option<usize>,
    pub descending: bool,
    /// `COLLATE NOCASE`: ASCII letters compare without case.
    pub nocase: bool,
    /// One entry per value of a multiple field (else a multiple field is its JSON text).
    pub each: bool,
}

impl Schema {
    pub fn new(collections: impl IntoIterator<Item = Collection>) -> Self {
        Self::of(collections.into_iter().map(Arc::new))
    }

    pub fn of(collections: impl IntoIterator<Item = Arc<Collection>>) -> Self {
        let mut schema = Self::default();
        for collection in collections {
            schema.by_number.insert(collection.number, collection.clone());
            schema.by_id.insert(collection.id.clone(), collection.clone());
            schema.by_name.insert(collection.name.to_lowercase(), collection);
        }
        schema
    }

    /// The schema as `read` sees it, compiled once per version.
    pub fn load(read: &dyn Read) -> Result<Arc<Self>> {
        store::memo(read, keys::SCHEMA, |read| {
            let range = store::Range::prefix(keys::COLLECTIONS);
            let rows = read.scan(&range, store::Order::Forward, usize::MAX)?;
            let collections = rows.iter().map(|(_, value)| Collection::from_stored(value));
            Ok::<_, Error>(Self::new(collections.collect::<Result<Vec<_>>>()?))
        })
    }

    /// Finds a collection by id or by name.
    pub fn find(&self, id_or_name: &str) -> Option<&Arc<Collection>> {
        self.by_id.get(id_or_name).or_else(|| self.by_name.get(&id_or_name.to_lowercase()))
    }

    pub fn by_id(&self, id: &str) -> Option<&Arc<Collection>> {
        self.by_id.get(id)
    }

    /// Names are the same in whatever case.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Collection>> {
        self.by_name.get(&name.to_lowercase())
    }

    pub fn by_number(&self, number: u32) -> Option<&Arc<Collection>> {
        self.by_number.get(&number)
    }

    pub fn collections(&self) -> impl Iterator<Item = &Arc<Collection>> {
        self.by_id.values()
    }
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.builds.is_empty() && self.dropped.is_empty()
    }
}

impl Collection {
    /// The collection as its schema states it: with the indexes that are on their way.
    pub fn whole(&self) -> Self {
        let mut whole = self.clone();
        for build in std::mem::take(&mut whole.pending.builds) {
            let at = build.at.min(whole.indexes.len());
            whole.indexes.insert(at, build.index);
        }
        whole
    }

    /// The indexes in which records have entries.
    pub fn kept_indexes(&self) -> impl Iterator<Item = &Index> {
        self.indexes.iter().chain(self.pending.builds.iter().map(|build| &build.index))
    }

    /// The unique indexes that no write may break.
    pub fn enforced_indexes(&self) -> impl Iterator<Item = &Index> {
        let complete = self.pending.builds.iter().filter(|build| build.complete);
        let all = self.indexes.iter().chain(complete.map(|build| &build.index));
        all.filter(|index| index.unique)
    }

    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// Its relation fields, with their positions.
    pub fn relations(&self) -> impl Iterator<Item = (usize, &RelationOptions)> {
        self.fields.iter().enumerate().filter_map(|(at, field)| match &field.kind {
            Kind::Relation(options) => Some((at, options)),
            _ => None,
        })
    }

    pub fn is_auth(&self) -> bool {
        self.kind == CollectionKind::Auth
    }

    /// Whether what a field holds is told to nobody, whoever asks.
    pub fn is_secret(&self, field: &Field) -> bool {
        matches!(field.kind, Kind::Password(_)) || (self.is_auth() && field.name == "tokenKey")
    }
}
