//! How today's records of a collection look: what `record` needs to know, worked out once.

use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::domain::fields::Kind;
use crate::domain::json;
use crate::domain::schema::{Collection, CollectionKind, Field, Layout, Slot};
use crate::query::ast::Expr;

/// The name of the field that is last of the public part, so that it can be cut off.
const EMAIL: &str = "email";
const EMAIL_VISIBILITY: &str = "emailVisibility";
/// Never sent, not even to superusers.
const TOKEN_KEY: &str = "tokenKey";

#[derive(Debug)]
pub struct Shape {
    /// `{"collectionId":"…","collectionName":"…",`: every record in JSON begins so.
    pub prefix: Vec<u8>,
    /// Where the value of each field lies: position in today's layout.
    pub position: Vec<Option<usize>>,
    /// Which field lies at each position.
    pub field: Vec<Option<usize>>,
    /// Length of `,"name":` before each value, by position.
    pub separators: Vec<usize>,
    /// How many values are public.
    pub public: usize,
    /// Position of the `email` of an auth collection.
    pub email: Option<usize>,
    /// Field that says whether everyone may see the e-mail.
    pub email_visibility: Option<usize>,
    /// Hidden fields that superusers may see, as positions.
    pub hidden: Vec<usize>,
    pub id: Option<usize>,
}

/// The shape of a collection, made when first asked for. A copy starts anew: it is about to change.
#[derive(Debug, Default)]
pub struct Shaped {
    shape: OnceLock<Arc<Shape>>,
    parsed: RwLock<Vec<Parsed>>,
}

/// The text of an access rule, and what it says.
type Parsed = (String, Arc<Option<Expr>>);

/// Rules remembered of one collection: it has seven.
const PARSED_MAX: usize = 16;

impl Clone for Shaped {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Collection {
    /// How its records lie in the store today.
    pub fn shape(&self) -> &Shape {
        self.shaped.shape.get_or_init(|| Arc::new(Shape::of(self)))
    }

    /// What `rule` says, parsed once per version of the collection.
    pub fn parsed<E>(
        &self,
        rule: &str,
        parse: impl FnOnce(&str) -> Result<Option<Expr>, E>,
    ) -> Result<Arc<Option<Expr>>, E> {
        let known = |parsed: &[Parsed]| {
            parsed.iter().find(|(text, _)| text == rule).map(|(_, expr)| expr.clone())
        };
        if let Some(expr) = known(&self.shaped.parsed.read()) {
            return Ok(expr);
        }
        let expr = Arc::new(parse(rule)?);
        let mut parsed = self.shaped.parsed.write();
        if parsed.len() < PARSED_MAX && known(&parsed).is_none() {
            parsed.push((rule.to_owned(), expr.clone()));
        }
        Ok(expr)
    }

    /// The layout in which new records are written.
    pub fn layout(&self) -> Option<&Layout> {
        self.layouts.last()
    }
}

impl Layout {
    /// The layout for records with these fields: public values in order, the e-mail of an auth
    /// collection last of them, then the private ones.
    pub fn of(kind: CollectionKind, fields: &[Field]) -> Self {
        let is_email = |field: &&Field| kind == CollectionKind::Auth && field.name == EMAIL;
        let private = |field: &&Field| field.hidden || matches!(field.kind, Kind::Password(_));
        let slot = |field: &Field| Slot {
            slot: field.slot,
            name: field.name.clone(),
            multiple: field.kind.is_multiple(),
            hidden: private(&field),
        };
        let public = fields.iter().filter(|field| !private(field));
        let slots = public
            .clone()
            .filter(|field| !is_email(field))
            .chain(public.filter(is_email))
            .chain(fields.iter().filter(private))
            .map(slot)
            .collect();
        Self { slots }
    }
}

impl Shape {
    fn of(collection: &Collection) -> Self {
        let slots = collection.layout().map_or(&[][..], |layout| &layout.slots);
        let place = |field: &Field| slots.iter().position(|slot| slot.slot == field.slot);
        let is_auth = collection.is_auth();
        let named = |name: &str| collection.field(name).map(|(at, _)| at);
        let position: Vec<_> = collection.fields.iter().map(place).collect();
        let email = if is_auth { named(EMAIL).and_then(|field| position[field]) } else { None };
        let shown = |field: &&Field| {
            let secret = is_auth && field.name == TOKEN_KEY;
            !secret && !matches!(field.kind, Kind::Password(_))
        };
        let hidden = |position: &usize| slots[*position].hidden;
        let field =
            |slot: &Slot| collection.fields.iter().position(|field| field.slot == slot.slot);
        Self {
            prefix: prefix(collection),
            field: slots.iter().map(field).collect(),
            separators: slots.iter().map(|slot| separator(&slot.name)).collect(),
            public: slots.iter().take_while(|slot| !slot.hidden).count(),
            email: email.filter(|position| !hidden(position)),
            email_visibility: named(EMAIL_VISIBILITY),
            hidden: collection
                .fields
                .iter()
                .filter(shown)
                .filter_map(place)
                .filter(hidden)
                .collect(),
            id: named("id"),
            position,
        }
    }
}

/// Length of `,"name":`. Names are made of word characters: none is ever escaped.
pub fn separator(name: &str) -> usize {
    name.len() + r#","":"#.len()
}

fn prefix(collection: &Collection) -> Vec<u8> {
    let mut prefix = br#"{"collectionId":"#.to_vec();
    json::put_string(&mut prefix, &collection.id);
    prefix.extend_from_slice(br#","collectionName":"#);
    json::put_string(&mut prefix, &collection.name);
    prefix.push(b',');
    prefix
}
