//! What `@request.…` means: who asks, how, and with which values.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::domain::fields::Kind;
use crate::domain::schema::Field;
use crate::query::ast::Segment;
use crate::query::lexer::{Result, wrong};
use crate::query::resolve::{Place, Resolver, Way};
use crate::query::side::{Nature, Side, Trust, is_listable, nature};
use crate::query::tree::{Cell, Join, Value};
use crate::store::codec::Datum;

impl Resolver<'_> {
    /// What a path behind `@request` means.
    pub(super) fn of_request(
        &mut self,
        at: usize,
        path: &[Segment],
        modifier: Option<&str>,
    ) -> Result<Side> {
        let [first, rest @ ..] = path else { return wrong(at, "what of the request?") };
        let request = self.request;
        self.fleeting |= first.name != "auth";
        match first.name.as_str() {
            "method" if rest.is_empty() => {
                self.modified(text(Some(request.method.as_str())), at, modifier)
            }
            "context" if rest.is_empty() => {
                self.modified(text(Some(request.context)), at, modifier)
            }
            "query" | "headers" => {
                let [name] = rest else { return wrong(at, "expected one name") };
                let value = if first.name == "query" {
                    request.query.get(&name.name).cloned()
                } else {
                    request.headers.get(&name.name.to_ascii_lowercase())
                };
                match modifier {
                    Some("isset") => Ok(truth(value.is_some())),
                    _ => self.modified(text(value.as_deref()), at, modifier),
                }
            }
            "auth" => self.of_caller(at, rest, modifier),
            "body" => self.of_body(at, rest, modifier),
            other => wrong(at, format!("a request has no {other}")),
        }
    }

    /// Unknown names are absent: another auth collection may have them.
    fn of_caller(&mut self, at: usize, path: &[Segment], modifier: Option<&str>) -> Result<Side> {
        let [first, ..] = path else { return wrong(at, "what of the caller?") };
        let request = self.request;
        let Some(account) = request.caller.account() else { return Ok(absent()) };
        let collection = account.collection().clone();
        match (first.name.as_str(), path.len()) {
            ("collectionId", 1) => return Ok(text(Some(&collection.id))),
            ("collectionName", 1) => return Ok(text(Some(&collection.name))),
            _ => {}
        }
        let before = self.trust;
        self.trust = Trust::Full;
        let cells = Arc::new(vec![Cell::Record(account.clone())]);
        let slot = self.slot(at, 0, Way::Caller, Join::Given(cells), false)?;
        let place = Place { slot, collection, guarded: 0, levels: 0, at, rest: path };
        let side = self.field_path(place, modifier);
        self.trust = before;
        Ok(side.unwrap_or_else(|_| absent()))
    }

    fn of_body(&mut self, at: usize, path: &[Segment], modifier: Option<&str>) -> Result<Side> {
        let [first, rest @ ..] = path else { return wrong(at, "what of the body?") };
        let request = self.request;
        let value = request.body.get(&first.name);
        let collection = self.collection.clone();
        let field = collection.field(&first.name);
        if let (Some((_, field)), [_, ..]) = (field, rest)
            && let Kind::Relation(options) = &field.kind
        {
            let Some(target) = self.schema.find(&options.collection_id).cloned() else {
                return wrong(at, format!("{} points nowhere", first.name));
            };
            let slot = self.body_slot(at, &first.name, value)?;
            self.slots[slot].loads = true;
            let rest = Place { slot, collection: target, guarded: 0, levels: 1, at, rest };
            return self.field_path(rest, modifier);
        }
        let found = rest.iter().fold(value, |value, segment| inside(value?, &segment.name));
        let is_list = rest.is_empty() && field.is_some_and(|(_, field)| is_listable(&field.kind));
        if matches!(modifier, Some("length" | "each")) && !is_list {
            return wrong(at, format!("{} holds no list of values", first.name));
        }
        match modifier {
            Some("isset") => Ok(truth(found.is_some())),
            Some("changed") => match (field, found) {
                (Some((position, _)), Some(value)) if rest.is_empty() => {
                    let value = Value::Changed(position, Box::new(value.clone()));
                    Ok(Side::new(value, Nature::Number))
                }
                _ => Ok(truth(false)),
            },
            Some("length") => {
                let sent = sent(field.map(|(_, field)| field), value);
                Ok(Side::constant(Datum::Number(sent.len() as f64)))
            }
            Some("each") => {
                let slot = self.body_slot(at, &first.name, value)?;
                Ok(Side::new(Value::Element(slot), Nature::Sent))
            }
            other => {
                let nature = field.filter(|_| rest.is_empty());
                let nature = nature.map_or(Nature::Open, |(_, field)| nature_of_sent(&field.kind));
                let side = Side::new(Value::Constant(found.map_or(Datum::Null, datum)), nature);
                self.modified(side, at, other)
            }
        }
    }

    /// The submitted values of a field, one by one.
    fn body_slot(&mut self, at: usize, name: &str, value: Option<&Json>) -> Result<usize> {
        let collection = self.collection.clone();
        let field = collection.field(name).map(|(_, field)| field);
        let ids = sent(field, value);
        let many = field.is_some_and(|field| field.kind.is_multiple());
        let target = field.and_then(|field| match &field.kind {
            Kind::Relation(options) => self.schema.find(&options.collection_id).cloned(),
            _ => None,
        });
        let join = match target {
            Some(target) => Join::Ids { target, ids: Arc::new(ids) },
            None => {
                let cells = ids.into_iter().map(|id| Cell::Element(id, None)).collect();
                Join::Given(Arc::new(cells))
            }
        };
        self.slot(at, 0, Way::Body(name.to_owned()), join, many)
    }
}

/// The single values that were sent for a field.
fn sent(field: Option<&Field>, value: Option<&Json>) -> Vec<String> {
    let values = value.map(texts).unwrap_or_default();
    let is_single = field.is_some_and(|field| !field.kind.is_multiple());
    match is_single && values.is_empty() && value.is_some() {
        // One value, and a blank one.
        true => vec![String::new()],
        false => values,
    }
}

fn absent() -> Side {
    Side::constant(Datum::Null)
}

fn truth(value: bool) -> Side {
    Side::constant(Datum::Number(f64::from(value)))
}

fn text(text: Option<&str>) -> Side {
    Side::constant(text.map_or(Datum::Null, |text| Datum::Text(text.to_owned().into())))
}

/// What was sent for a number is one, and JSON keeps its null apart. A text is no column: beside it,
/// a literal number stays one.
fn nature_of_sent(kind: &Kind) -> Nature {
    match nature(kind) {
        Nature::Text => Nature::Open,
        _ if kind.is_multiple() => Nature::Open,
        other => other,
    }
}

fn inside<'a>(value: &'a Json, name: &str) -> Option<&'a Json> {
    match value {
        Json::Object(map) => map.get(name),
        Json::Array(list) => list.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// The values of a list, or the one value that is not blank.
fn texts(value: &Json) -> Vec<String> {
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Json::Array(list) => list.iter().map(text).collect(),
        Json::Null => Vec::new(),
        Json::String(text) if text.is_empty() => Vec::new(),
        other => vec![text(other)],
    }
}

fn datum(value: &Json) -> Datum<'static> {
    match value {
        Json::Null => Datum::Null,
        Json::Bool(value) => Datum::Number(f64::from(*value)),
        Json::Number(number) => number.as_f64().map_or(Datum::Null, Datum::Number),
        Json::String(text) => Datum::Text(text.clone().into()),
        Json::Array(_) | Json::Object(_) => Datum::Text(value.to_string().into()),
    }
}
