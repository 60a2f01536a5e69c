//! A record as it lies in the store: header, public JSON, private part.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::domain::json;
use crate::domain::schema::Collection;
use crate::domain::{Error, Result};

mod encoding;
mod shape;
mod undo;
mod upgrade;

pub use shape::{Shape, Shaped};

/// A stored record and the collection it belongs to. Cheap to clone.
#[derive(Clone)]
pub struct Record {
    collection: Arc<Collection>,
    bytes: Bytes,
}

/// The values of a record about to be stored, one per field of its collection, in order.
/// `None` is the zero value.
pub type Values = Vec<Option<Value>>;

/// Which parts of a record a caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Hidden fields too: superusers.
    pub hidden: bool,
    /// The `email` of an account that does not show it to everyone.
    pub email: bool,
}

impl Sight {
    pub const STRANGER: Self = Self { hidden: false, email: false };
    pub const SUPERUSER: Self = Self { hidden: true, email: true };
}

impl Record {
    /// The record whose bytes were found under a record key of `collection`, of whatever layout:
    /// an older one is brought up to today's.
    pub fn from_stored(collection: Arc<Collection>, bytes: Bytes) -> Result<Self> {
        let layout = encoding::check(&collection, &bytes)?;
        if layout + 1 == collection.layouts.len() {
            return Ok(Self { collection, bytes });
        }
        let bytes = upgrade::upgrade(&collection, layout, &bytes);
        Ok(Self { collection, bytes })
    }

    /// Refuses a record that is not text throughout.
    pub fn check(&self) -> Result<()> {
        if encoding::is_text(&self.bytes, self.collection.shape().separators.len()) {
            return Ok(());
        }
        Err(Error::Broken(format!("record of {}: not text", self.collection.id)))
    }

    /// Encodes `values` in today's layout. `stamp` orders records by creation.
    pub fn encode(collection: &Arc<Collection>, stamp: u64, values: &Values) -> Self {
        let mut builder = encoding::Builder::new(collection, stamp);
        builder.fill(collection, |field, out| match values.get(field) {
            Some(Some(value)) => json::put(out, value),
            _ => out.extend_from_slice(collection.fields[field].kind.zero().as_bytes()),
        });
        Self { collection: collection.clone(), bytes: builder.finish() }
    }

    /// This record with some values changed; the others are copied as they are.
    pub fn with(&self, changes: &[(usize, Value)]) -> Self {
        let mut builder = encoding::Builder::new(&self.collection, self.stamp());
        builder.fill(&self.collection, |field, out| {
            match changes.iter().rev().find(|(changed, _)| *changed == field) {
                Some((_, value)) => json::put(out, value),
                None => out.extend_from_slice(self.raw(field).as_bytes()),
            }
        });
        Self { collection: self.collection.clone(), bytes: builder.finish() }
    }

    pub fn collection(&self) -> &Arc<Collection> {
        &self.collection
    }

    /// About how long its JSON is.
    pub fn length(&self) -> usize {
        self.collection.shape().prefix.len() + self.bytes.len()
    }

    /// The bytes to put under the record's key.
    pub fn stored(&self) -> &Bytes {
        &self.bytes
    }

    pub fn id(&self) -> &str {
        // Ids never hold a quote or a backslash: what lies between the quotes is the id.
        self.collection.shape().id.map_or("", |field| self.raw(field).trim_matches('"'))
    }

    /// Orders records by creation, the same on every replica.
    pub fn stamp(&self) -> u64 {
        encoding::stamp(&self.bytes)
    }

    /// The value of field number `field` (position in `Collection::fields`) as canonical JSON text,
    /// hidden ones included; the zero value where this record's layout has none.
    pub fn raw(&self, field: usize) -> &str {
        let shape = self.collection.shape();
        match shape.position.get(field) {
            Some(Some(position)) => encoding::value(&self.bytes, &shape.separators, *position),
            Some(None) => self.collection.fields[field].kind.zero(),
            None => "null",
        }
    }

    /// The value of a field whose JSON is a string, decoded; other JSON as its text.
    pub fn text(&self, field: usize) -> Cow<'_, str> {
        let raw = self.raw(field);
        let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Cow::Borrowed(raw);
        };
        if !self.has_escapes(field) {
            return Cow::Borrowed(inner);
        }
        serde_json::from_str::<String>(raw).map_or(Cow::Borrowed(inner), Cow::Owned)
    }

    /// Whether the text of the value has a backslash: then it must be decoded before it is compared.
    pub fn has_escapes(&self, field: usize) -> bool {
        match self.collection.shape().position.get(field) {
            Some(Some(position)) => encoding::has_escapes(&self.bytes, *position),
            _ => false,
        }
    }

    pub fn value(&self, field: usize) -> Value {
        serde_json::from_str(self.raw(field)).unwrap_or(Value::Null)
    }

    /// The values of a field: of a multiple one its elements, of a single one itself unless blank.
    pub fn texts(&self, field: usize) -> Vec<String> {
        match self.value(field) {
            Value::Array(items) => items
                .into_iter()
                .filter_map(|item| match item {
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect(),
            Value::String(text) if !text.is_empty() => vec![text],
            _ => Vec::new(),
        }
    }

    /// Text of the field named `name`, `""` if there is no such field.
    pub fn text_of(&self, name: &str) -> Cow<'_, str> {
        self.collection.field(name).map_or(Cow::Borrowed(""), |(field, _)| self.text(field))
    }

    /// Whether everyone may see the e-mail of this account.
    pub fn shows_email(&self) -> bool {
        self.collection.shape().email_visibility.is_some_and(|field| self.raw(field) == "true")
    }

    /// Appends the record as clients see it, all but the closing brace: `expand` may follow.
    pub fn put_open_json(&self, out: &mut Vec<u8>, sight: Sight) {
        let shape = self.collection.shape();
        let public = encoding::public(&self.bytes, shape.separators.len());
        out.reserve(shape.prefix.len() + public.len() + 2);
        out.extend_from_slice(&shape.prefix);
        match shape.email {
            Some(email) if !sight.email && !self.shows_email() => {
                let start = encoding::start(&self.bytes, email);
                let end = start.saturating_sub(shape.separators[email]);
                out.extend_from_slice(public.get(..end).unwrap_or(public));
            }
            _ => out.extend_from_slice(public),
        }
        if sight.hidden {
            let data = encoding::data(&self.bytes, shape.separators.len());
            for position in &shape.hidden {
                let start = encoding::start(&self.bytes, *position);
                let from = start.saturating_sub(shape.separators[*position]);
                let value = encoding::value(&self.bytes, &shape.separators, *position);
                out.extend_from_slice(&data[from..start]);
                out.extend_from_slice(value.as_bytes());
            }
        }
    }

    /// Appends the record as clients see it.
    pub fn put_json(&self, out: &mut Vec<u8>, sight: Sight) {
        self.put_open_json(out, sight);
        out.push(b'}');
    }

    /// Appends those members of the record as clients see it whose names are `wanted`.
    pub fn put_picked(&self, out: &mut Vec<u8>, sight: Sight, wanted: impl Fn(&str) -> bool) {
        let shape = self.collection.shape();
        let start = out.len();
        let names =
            [("collectionId", &self.collection.id), ("collectionName", &self.collection.name)];
        for (name, text) in names.into_iter().filter(|(name, _)| wanted(name)) {
            put_name(out, start, name);
            json::put_string(out, text);
        }
        let email = sight.email || shape.email.is_none() || self.shows_email();
        for (at, field) in self.collection.fields.iter().enumerate() {
            let visible = shape.position[at].is_some_and(|position| {
                let public = position < shape.public && (email || shape.email != Some(position));
                public || (sight.hidden && shape.hidden.contains(&position))
            });
            if visible && wanted(&field.name) {
                put_name(out, start, &field.name);
                out.extend_from_slice(self.raw(at).as_bytes());
            }
        }
        out.extend_from_slice(if out.len() == start { b"{}" } else { b"}" });
    }

    /// The record as clients see it, as a value.
    pub fn to_value(&self, sight: Sight) -> Value {
        let mut out = Vec::new();
        self.put_json(&mut out, sight);
        serde_json::from_slice(&out).unwrap_or(Value::Null)
    }
}

impl std::fmt::Debug for Record {
    /// Names the record; its values are nobody's business in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({}/{})", self.collection.name, self.id())
    }
}

/// Begins a member of the object that begins at `start`. Names of fields are never escaped.
fn put_name(out: &mut Vec<u8>, start: usize, name: &str) {
    out.push(if out.len() == start { b'{' } else { b',' });
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests;
