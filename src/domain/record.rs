//! A record as it lies in the store: header, public JSON, private part.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::domain::Result;
use crate::domain::schema::Collection;

/// A stored record and the collection it belongs to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Record {
    collection: Arc<Collection>,
    bytes: Bytes,
}

/// A value about to be stored: JSON text, canonical (as WIRE.md prints it), or a value to print.
pub type Values = Vec<Option<Value>>;

impl Record {
    /// The record whose bytes were found under a record key of `collection`, of whatever layout.
    pub fn from_stored(collection: Arc<Collection>, bytes: Bytes) -> Result<Self> {
        let _ = (&collection, &bytes);
        todo!()
    }

    /// Encodes `values` (one per field of the collection, in order; `None` is the zero value) in
    /// today's layout. `stamp` orders records by creation.
    pub fn encode(collection: &Arc<Collection>, stamp: u64, values: &Values) -> Self {
        let _ = (collection, stamp, values);
        todo!()
    }

    pub fn collection(&self) -> &Arc<Collection> {
        &self.collection
    }

    pub fn stored(&self) -> &Bytes {
        &self.bytes
    }

    pub fn id(&self) -> &str {
        todo!()
    }

    /// Orders records by creation, the same on every replica.
    pub fn stamp(&self) -> u64 {
        todo!()
    }

    /// The value of field number `field` (position in `Collection::fields`) as canonical JSON text,
    /// hidden ones included; the zero value where this record's layout has none.
    pub fn raw(&self, field: usize) -> &str {
        let _ = field;
        todo!()
    }

    /// The value of a field whose JSON is a string, decoded; other JSON as its text.
    pub fn text(&self, field: usize) -> Cow<'_, str> {
        let _ = field;
        todo!()
    }

    pub fn value(&self, field: usize) -> Value {
        let _ = field;
        todo!()
    }

    /// Text of the field named `name`, `""` if there is no such field.
    pub fn text_of(&self, name: &str) -> Cow<'_, str> {
        let _ = name;
        todo!()
    }
}
