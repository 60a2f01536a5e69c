//! Turns what a client sent into the values of a record: casts, modifiers, ids, dates.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::fields::{self, Kind, autodate, pattern};
use crate::domain::record::{Record, Values};
use crate::domain::records::Body;
use crate::domain::records::ids;
use crate::domain::records::modifiers;
use crate::domain::request::Request;
use crate::domain::schema::{Collection, CollectionKind, Field};

/// A record on its way into the store.
#[derive(Debug)]
pub struct Draft {
    pub collection: Arc<Collection>,
    /// One per field: the value to store. `None` stays as it is (zero in a new record).
    pub values: Values,
    /// What access rules see as `@request.body`.
    body: Map<String, Value>,
}

impl Draft {
    /// The values of a new record.
    pub fn of_new(collection: &Arc<Collection>, request: &Request, body: &Body) -> Self {
        let mut draft = Self::take(collection, None, request, body);
        for (at, field) in collection.fields.iter().enumerate() {
            let value = &mut draft.values[at];
            match &field.kind {
                Kind::Autodate(options) => *value = autodate::value(options, true, request.now_ms),
                Kind::Text(options) if is_unset(value) => {
                    *value = match &options.autogenerate_pattern[..] {
                        ids::PATTERN if options.primary_key => Some(ids::next().into()),
                        pattern => generated(pattern),
                    };
                }
                _ => {}
            }
        }
        draft
    }

    /// What changes in `old`.
    pub fn of_change(old: &Record, request: &Request, body: &Body) -> Self {
        let collection = old.collection();
        let mut draft = Self::take(collection, Some(old), request, body);
        for (at, field) in collection.fields.iter().enumerate() {
            if let Kind::Autodate(options) = &field.kind {
                draft.values[at] = autodate::value(options, false, request.now_ms);
            }
        }
        draft
    }

    fn take(
        collection: &Arc<Collection>,
        old: Option<&Record>,
        request: &Request,
        body: &Body,
    ) -> Self {
        let mut values: Values = vec![None; collection.fields.len()];
        let mut seen = Map::new();
        // What sets a value comes before what changes it, whatever was sent first.
        let plain = |key: &str| collection.field(key).is_some();
        let setting = body.iter().filter(|(key, _)| plain(key));
        let changing = body.iter().filter(|(key, _)| !plain(key));
        for (key, given) in setting.chain(changing) {
            let Some((at, field, change)) = modifiers::read(collection, key) else {
                seen.insert(key.clone(), given.clone());
                continue;
            };
            if is_closed(collection, field, request) {
                continue;
            }
            let current = match (&values[at], old) {
                (Some(value), _) => value.clone(),
                (None, Some(old)) => old.value(at),
                (None, None) => fields::cast(&field.kind, &Value::Null),
            };
            let value = modifiers::apply(&field.kind, change, &current, given);
            seen.insert(field.name.clone(), value.clone());
            if !matches!(field.kind, Kind::Autodate(_)) {
                values[at] = Some(value);
            }
        }
        Self { collection: collection.clone(), values, body: seen }
    }

    /// `request` as access rules see it: with the submitted values.
    pub fn asked(&self, request: &Request) -> Request {
        Request { body: self.body.clone(), ..request.clone() }
    }

    /// Fills what stays as it is with the values of `old`.
    pub fn complete(&mut self, old: &Record) {
        for (at, value) in self.values.iter_mut().enumerate() {
            value.get_or_insert_with(|| old.value(at));
        }
    }

    /// What to change in the old record.
    pub fn changes(&self) -> Vec<(usize, Value)> {
        let changes = self.values.iter().enumerate();
        changes.filter_map(|(at, value)| Some((at, value.clone()?))).collect()
    }
}

/// Hidden fields are written by superusers only. The password of an account is hidden, and the one
/// exception: else nobody could sign up.
fn is_closed(collection: &Collection, field: &Field, request: &Request) -> bool {
    let is_password =
        collection.kind == CollectionKind::Auth && matches!(field.kind, Kind::Password(_));
    field.hidden && !is_password && !request.caller.is_superuser()
}

fn is_unset(value: &Option<Value>) -> bool {
    match value {
        None => true,
        Some(value) => value.as_str() == Some(""),
    }
}

fn generated(pattern: &str) -> Option<Value> {
    if pattern.is_empty() {
        return None;
    }
    pattern::generate(pattern).map(Value::String)
}
