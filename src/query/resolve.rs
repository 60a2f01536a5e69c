//! Finds out what the paths of a filter mean, and which rows they look at.

use std::sync::Arc;

use crate::domain::fields::Kind;
use crate::domain::request::Request;
use crate::domain::schema::{Collection, Field, Schema};
use crate::query::ast::{Operand, Segment, Term};
use crate::query::lexer::{Result, wrong};
use crate::query::macros;
use crate::query::side::{Nature, Side, Trust, is_listable, nature};
use crate::query::tree::{Join, SLOT_LIMIT, Slot, SlotId, Slots, Tree, Value};
use crate::store::codec::Datum;

/// Most relations that one path may pass.
const LEVEL_LIMIT: usize = 6;
const MODIFIERS: [&str; 5] = ["each", "length", "lower", "isset", "changed"];

/// How slots are recognised: the same way from the same row is the same slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    Field(usize),
    Back(u32, usize),
    Rows(u32, Option<String>),
    Caller,
    Body(String),
}

/// Collects the slots of one tree while its paths are resolved.
pub struct Resolver<'a> {
    pub schema: &'a Arc<Schema>,
    pub request: &'a Request,
    pub collection: Arc<Collection>,
    pub trust: Trust,
    pub slots: Vec<Slot>,
    /// The list rules of guarded slots.
    pub guards: Vec<(SlotId, Arc<Tree>)>,
    /// Something was looked at that the same caller's next request may say otherwise.
    pub fleeting: bool,
    ways: Vec<(SlotId, Way)>,
}

/// Where a path has come to.
pub(super) struct Place<'a> {
    pub slot: SlotId,
    pub collection: Arc<Collection>,
    pub guarded: Slots,
    pub levels: usize,
    /// Where the path starts in the text.
    pub at: usize,
    pub rest: &'a [Segment],
}

impl<'a> Resolver<'a> {
    pub fn new(
        schema: &'a Arc<Schema>,
        request: &'a Request,
        collection: &Arc<Collection>,
    ) -> Self {
        let root = Slot { from: 0, join: Join::Root, many: false, loads: true };
        Self {
            schema,
            request,
            collection: collection.clone(),
            trust: Trust::Full,
            slots: vec![root],
            guards: Vec::new(),
            fleeting: false,
            ways: vec![(0, Way::Caller)],
        }
    }

    pub fn operand(&mut self, operand: &Operand) -> Result<Side> {
        let at = operand.at;
        match &operand.term {
            Term::Text(text) => Ok(Side::constant(Datum::Text(text.clone().into()))),
            Term::Number(number) => Ok(Side::constant(Datum::Number(*number))),
            Term::Bool(value) => Ok(Side::constant(Datum::Number(f64::from(*value)))),
            Term::Null => Ok(Side::constant(Datum::Null)),
            Term::Macro(name) => {
                self.fleeting = true;
                match macros::value(name, self.request.now_ms) {
                    Some(datum) => Ok(Side::new(Value::Constant(datum), Nature::Whole)),
                    None => wrong(at, format!("there is no @{name}")),
                }
            }
            Term::Call(name, operands) => self.call(at, name, operands),
            Term::Path(path) => self.path(at, path),
        }
    }

    fn call(&mut self, at: usize, name: &str, operands: &[Operand]) -> Result<Side> {
        let mut guarded = 0;
        let mut emails = Vec::new();
        let mut values = Vec::new();
        for operand in operands {
            if name == "geoDistance" && !matches!(operand.term, Term::Number(_) | Term::Path(_)) {
                return wrong(operand.at, "geoDistance takes numbers and fields");
            }
            let side = self.operand(operand)?;
            guarded |= side.guarded;
            emails.extend(side.emails);
            values.push(side.value);
        }
        let value = if name == "strftime" {
            self.fleeting = true;
            Value::Formatted(values.into_iter().map(Box::new).collect(), self.request.now_ms)
        } else {
            match <[Value; 4]>::try_from(values) {
                Ok(values) => Value::Distance(Box::new(values)),
                Err(_) => return wrong(at, "geoDistance takes four operands"),
            }
        };
        Ok(Side { value, nature: Nature::Open, guarded, emails })
    }

    /// What a path means.
    pub fn path(&mut self, at: usize, path: &[Segment]) -> Result<Side> {
        let modifier = path.last().and_then(|last| last.suffix.as_deref());
        if let Some(unknown) = modifier.filter(|modifier| !MODIFIERS.contains(modifier)) {
            let alias = path.len() == 2 && path[0].name == "@collection";
            if !alias {
                return wrong(at, format!("there is no modifier :{unknown}"));
            }
        }
        match path[0].name.as_str() {
            "@request" => self.of_request(at, &path[1..], modifier),
            "@collection" => self.of_collection(at, &path[1..], modifier),
            _ => {
                if let Some(early) =
                    path[..path.len() - 1].iter().find_map(|part| part.suffix.as_ref())
                {
                    return wrong(at, format!(":{early} must stand at the end of the path"));
                }
                let collection = self.collection.clone();
                let place = Place { slot: 0, collection, guarded: 0, levels: 0, at, rest: path };
                self.field_path(place, modifier)
            }
        }
    }

    fn of_collection(
        &mut self,
        at: usize,
        path: &[Segment],
        modifier: Option<&str>,
    ) -> Result<Side> {
        let [first, rest @ ..] = path else { return wrong(at, "which collection?") };
        let Some(collection) = self.schema.find(&first.name).cloned() else {
            return wrong(at, format!("there is no collection {}", first.name));
        };
        if rest.is_empty() {
            return wrong(at, format!("which field of {}?", collection.name));
        }
        let way = Way::Rows(collection.number, first.suffix.clone());
        let join = Join::Rows { collection: collection.clone() };
        let slot = self.slot(at, 0, way, join, true)?;
        self.slots[slot].loads = true;
        self.field_path(Place { slot, collection, guarded: 0, levels: 0, at, rest }, modifier)
    }

    /// Follows fields and relations from a place.
    pub(super) fn field_path(&mut self, mut place: Place, modifier: Option<&str>) -> Result<Side> {
        loop {
            let collection = place.collection.clone();
            let at = place.at;
            let [first, rest @ ..] = place.rest else {
                return wrong(at, "the path ends too early");
            };
            let Some((position, field)) = collection.field(&first.name) else {
                place = self.back(place)?;
                continue;
            };
            if self.trust == Trust::Client
                && (field.hidden || matches!(field.kind, Kind::Password(_)))
            {
                return wrong(at, format!("there is no field {}", first.name));
            }
            if rest.is_empty() {
                return self.leaf(&place, position, field, modifier);
            }
            match &field.kind {
                Kind::Relation(options) => {
                    let id_only =
                        rest.len() == 1 && rest[0].name == "id" && rest[0].suffix.is_none();
                    if id_only && !field.kind.is_multiple() {
                        return self.leaf(&place, position, field, modifier);
                    }
                    let Some(target) = self.schema.find(&options.collection_id).cloned() else {
                        return wrong(at, format!("{} points nowhere", first.name));
                    };
                    let join = Join::Relation { field: position, target: target.clone() };
                    let many = field.kind.is_multiple();
                    let slot = self.slot(at, place.slot, Way::Field(position), join, many)?;
                    if id_only {
                        // The record shows it: what it names need not be listable, if anything is.
                        if self.trust == Trust::Client && target.rules.list.is_none() {
                            return wrong(at, format!("{} can't be looked into", target.name));
                        }
                        let side = Side::new(Value::Element(slot), Nature::Text);
                        return self.modified(
                            Side { guarded: place.guarded, ..side },
                            at,
                            modifier,
                        );
                    }
                    place = self.enter(place, slot, target, rest)?;
                    self.slots[slot].loads = true;
                }
                Kind::Json(_) | Kind::GeoPoint => {
                    let path: Vec<String> =
                        rest.iter().map(|segment| segment.name.clone()).collect();
                    let geo = field.kind == Kind::GeoPoint;
                    if geo && (path.len() != 1 || !matches!(path[0].as_str(), "lon" | "lat")) {
                        return wrong(at, format!("{} has lon and lat", first.name));
                    }
                    let nature = if geo { Nature::Number } else { Nature::Json };
                    let side = Side::new(Value::Json(place.slot, position, path), nature);
                    return self.modified(Side { guarded: place.guarded, ..side }, at, modifier);
                }
                _ => return wrong(at, format!("{} has no parts", first.name)),
            }
        }
    }

    /// Follows `{collection}_via_{field}`.
    fn back<'p>(&mut self, place: Place<'p>) -> Result<Place<'p>> {
        let (name, rest) = (&place.rest[0].name, &place.rest[1..]);
        let found = name.match_indices("_via_").find_map(|(at, via)| {
            let source = self.schema.find(&name[..at])?;
            let (position, field) = source.field(&name[at + via.len()..])?;
            match &field.kind {
                Kind::Relation(options) if options.collection_id == place.collection.id => {
                    let hidden = self.trust == Trust::Client && field.hidden;
                    (!hidden).then(|| (source.clone(), position))
                }
                _ => None,
            }
        });
        let Some((source, field)) = found else {
            return wrong(place.at, format!("there is no field {name}"));
        };
        if rest.is_empty() {
            return wrong(place.at, format!("which field of {}?", source.name));
        }
        let join = Join::Back { source: source.clone(), field };
        let slot = self.slot(place.at, place.slot, Way::Back(source.number, field), join, true)?;
        self.slots[slot].loads = true;
        self.enter(place, slot, source, rest)
    }

    /// Steps into another collection, where a stranger needs its list rule.
    fn enter<'p>(
        &mut self,
        place: Place<'p>,
        slot: SlotId,
        collection: Arc<Collection>,
        rest: &'p [Segment],
    ) -> Result<Place<'p>> {
        let levels = place.levels + 1;
        if levels > LEVEL_LIMIT {
            return wrong(place.at, format!("more than {LEVEL_LIMIT} relations in a path"));
        }
        let mut guarded = place.guarded;
        if self.trust == Trust::Client {
            match collection.rules.list.as_deref() {
                None => {
                    return wrong(place.at, format!("{} can't be looked into", collection.name));
                }
                Some(rule) if rule.trim().is_empty() => {}
                Some(rule) => {
                    guarded |= 1 << slot;
                    self.slots[slot].loads = true;
                    if self.guards.iter().all(|(known, _)| *known != slot) {
                        let tree = super::bind::rule(self.schema, self.request, &collection, rule);
                        let Ok(tree) = tree else {
                            return wrong(
                                place.at,
                                format!("{} can't be looked into", collection.name),
                            );
                        };
                        self.guards.push((slot, Arc::new(tree)));
                    }
                }
            }
        }
        Ok(Place { slot, collection, guarded, levels, at: place.at, rest })
    }

    /// The value of a field itself.
    fn leaf(
        &mut self,
        place: &Place,
        position: usize,
        field: &Field,
        modifier: Option<&str>,
    ) -> Result<Side> {
        let kind = &field.kind;
        let listable = is_listable(kind);
        let whole = Value::Field(place.slot, position);
        let mut side = match (modifier, listable) {
            (Some("length"), true) => Side::new(Value::Length(place.slot, position), Nature::Open),
            (Some("each"), true) => {
                let join = match kind {
                    Kind::Relation(options) => self
                        .schema
                        .find(&options.collection_id)
                        .map(|target| Join::Relation { field: position, target: target.clone() }),
                    _ => None,
                };
                let join = join.unwrap_or(Join::Each { field: position });
                let many = kind.is_multiple();
                let slot = self.slot(place.at, place.slot, Way::Field(position), join, many)?;
                Side::new(Value::Element(slot), Nature::Text)
            }
            (Some("length" | "each"), false) => {
                return wrong(place.at, format!("{} holds no list of values", field.name));
            }
            (other, _) => self.modified(Side::new(whole, nature(kind)), place.at, other)?,
        };
        side.guarded = place.guarded;
        let private = place.collection.is_auth() && field.name == "email";
        if private
            && self.trust == Trust::Client
            && let Some((visibility, _)) = place.collection.field("emailVisibility")
        {
            side.emails.push((place.slot, visibility));
        }
        Ok(side)
    }

    pub(super) fn modified(&self, side: Side, at: usize, modifier: Option<&str>) -> Result<Side> {
        match modifier {
            None => Ok(side),
            Some("lower") => {
                Ok(Side { value: Value::Lower(Box::new(side.value)), nature: Nature::Open, ..side })
            }
            Some(other) => wrong(at, format!(":{other} can't be used here")),
        }
    }

    /// The slot that lies this way from another one: a known one, or a new one.
    pub(super) fn slot(
        &mut self,
        at: usize,
        from: SlotId,
        way: Way,
        join: Join,
        many: bool,
    ) -> Result<SlotId> {
        let known = (1..self.slots.len()).find(|slot| self.ways[*slot] == (from, way.clone()));
        if let Some(slot) = known {
            return Ok(slot);
        }
        if self.slots.len() == SLOT_LIMIT {
            return wrong(at, "too many different relation paths");
        }
        self.slots.push(Slot { from, join, many, loads: false });
        self.ways.push((from, way));
        Ok(self.slots.len() - 1)
    }
}
