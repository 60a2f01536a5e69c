//! One side of a comparison: its value, and what is needed to be allowed to look at it.

use crate::domain::fields::Kind;
use crate::query::tree::{SlotId, Slots, Value};
use crate::store::codec::Datum;

/// Whose words are being resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A rule, or a superuser's filter.
    Full,
    /// A filter of anybody else: nothing hidden, nothing that a list rule denies.
    Client,
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub struct Side {
    pub value: Value,
    pub nature: Nature,
    /// Slots whose record the caller must be able to list.
    pub guarded: Slots,
    /// Accounts (slot and position of the field) whose e-mail address must be visible.
    pub emails: Vec<(SlotId, usize)>,
}

/// What a side is compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    Text,
    Number,
    Json,
    /// Of the single values that were sent: where there are none, not even a blank is one.
    Sent,
    /// Of macros that count: beside a text, they have no fraction.
    Whole,
    /// Of literals and what came with the request: as the other side is.
    Open,
}

impl Side {
    pub fn new(value: Value, nature: Nature) -> Self {
        Self { value, nature, guarded: 0, emails: Vec::new() }
    }

    pub fn constant(datum: Datum<'static>) -> Self {
        Self::new(Value::Constant(datum), Nature::Open)
    }
}

/// Whether a field of this kind may hold a list, whose length and single values can be asked for.
pub fn is_listable(kind: &Kind) -> bool {
    matches!(kind, Kind::Select(_) | Kind::Relation(_) | Kind::File(_))
}

/// What values of a kind of field are compared as.
pub fn nature(kind: &Kind) -> Nature {
    match kind {
        Kind::Number(_) | Kind::Bool => Nature::Number,
        Kind::Json(_) | Kind::GeoPoint => Nature::Json,
        Kind::Text(_)
        | Kind::Email(_)
        | Kind::Url(_)
        | Kind::Editor(_)
        | Kind::Date(_)
        | Kind::Autodate(_)
        | Kind::Select(_)
        | Kind::File(_)
        | Kind::Relation(_)
        | Kind::Password(_) => Nature::Text,
    }
}
