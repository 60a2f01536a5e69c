//! A filter bound to a schema and a request: what the evaluator runs and the planner reads.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::record::Record;
use crate::domain::schema::{Collection, Field};
use crate::query::ast::Op;
use crate::query::pattern::Pattern;
use crate::store::codec::Datum;

/// Names a row that a condition looks at. 0 is the record itself, the others are joined to it.
pub type SlotId = usize;

/// Most joined paths of one query: sets of them are the bits of one word.
pub const SLOT_LIMIT: usize = 64;

/// A set of slots.
pub type Slots = u64;

/// A filter, a rule or both, with the rows they look at.
#[derive(Debug, Clone)]
pub struct Tree {
    pub collection: Arc<Collection>,
    pub slots: Vec<Slot>,
    pub node: Arc<Node>,
    /// What is sorted by, most significant first.
    pub sort: Vec<SortKey>,
}

impl Tree {
    /// The field that a value is of, if it is a field as it stands.
    pub fn field_of(&self, value: &Value) -> Option<&Field> {
        self.place_of(value).map(|(_, field)| field)
    }

    /// The field that a value is read from, and the collection that it is of.
    pub fn place_of(&self, value: &Value) -> Option<(&Collection, &Field)> {
        let Value::Field(slot, position) = value else { return None };
        let collection = match &self.slots[*slot].join {
            Join::Root => &self.collection,
            Join::Relation { target, .. } | Join::Ids { target, .. } => target,
            Join::Back { source, .. } => source,
            Join::Rows { collection } => collection,
            Join::Each { .. } | Join::Given(_) => return None,
        };
        Some((collection, collection.fields.get(*position)?))
    }
}

/// How a joined row is found. A parent always has a smaller number than its children.
#[derive(Debug, Clone)]
pub struct Slot {
    pub from: SlotId,
    pub join: Join,
    /// Whether there may be more than one row.
    pub many: bool,
    /// Whether the record behind a relation's id is looked at, or only the id.
    pub loads: bool,
}

#[derive(Debug, Clone)]
pub enum Join {
    /// The record that the query is about.
    Root,
    /// The records whose ids stand in a relation field of the parent.
    Relation { field: usize, target: Arc<Collection> },
    /// The single values of a multiple field of the parent.
    Each { field: usize },
    /// The records of `source` whose relation field holds the parent's id.
    Back { source: Arc<Collection>, field: usize },
    /// Every record of a collection.
    Rows { collection: Arc<Collection> },
    /// Rows that came with the request: the caller, values of its body.
    Given(Arc<Vec<Cell>>),
    /// Records by ids that came with the request.
    Ids { target: Arc<Collection>, ids: Arc<Vec<String>> },
}

/// The row that a slot stands at.
#[derive(Debug, Clone, Default)]
pub enum Cell {
    /// There is no such row: its fields are all absent.
    #[default]
    Absent,
    Record(Record),
    /// One value of a list, and the record it names when somebody asked for that.
    Element(String, Option<Record>),
}

impl Cell {
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Record(record) => Some(record),
            Self::Element(_, record) => record.as_ref(),
            Self::Absent => None,
        }
    }
}

/// A condition. Every joined row that something inside looks at is bound further out.
#[derive(Debug, Clone)]
pub enum Node {
    Always(bool),
    And(Vec<Node>),
    Or(Vec<Node>),
    /// Some row of the slot satisfies the condition.
    Any(SlotId, Box<Node>),
    /// Every row of the slot satisfies it.
    All(SlotId, Box<Node>),
    Test(Box<Test>),
    /// The slot's record is absent, or its collection's list rule lets the caller see it.
    Listable(SlotId, Arc<Tree>),
}

/// A comparison of two values.
#[derive(Debug, Clone)]
pub struct Test {
    pub left: Value,
    pub op: Op,
    pub right: Value,
    /// A side is JSON: there, null is not the empty text.
    pub json: bool,
    /// Whether a text on that side that reads as a number becomes it: the other side is a number.
    pub numeric: [bool; 2],
    /// Whether it is true of absent values that can't be compared: among all rows, they are no
    /// exception.
    pub lenient: bool,
    /// Of `~` and `!~` with a constant on the right.
    pub pattern: Option<Pattern>,
}

#[derive(Debug, Clone)]
pub enum Value {
    Constant(Datum<'static>),
    Field(SlotId, usize),
    /// The id or the option that the row stands for.
    Element(SlotId),
    /// What lies in a JSON field at a path.
    Json(SlotId, usize, Vec<String>),
    /// How many values a field has.
    Length(SlotId, usize),
    /// Whether the field of the stored record is not this value.
    Changed(usize, Box<serde_json::Value>),
    Lower(Box<Value>),
    /// Kilometres between two points, see `functions`.
    Distance(Box<[Value; 4]>),
    /// A format, a date and modifiers, see `functions`; the moment that `now` means.
    Formatted(SmallVec<[Box<Value>; 2]>, i64),
    /// When the record was created, as a number that only sorts.
    Stamp,
    /// For sorts: any order.
    Random,
    /// The value, unless the row's owner hides the e-mail address in it.
    WhenVisible(SlotId, usize, Box<Value>),
}

#[derive(Debug, Clone)]
pub struct SortKey {
    pub value: Value,
    pub slots: Slots,
    pub descending: bool,
}

impl Value {
    /// The slots that are looked at directly.
    pub fn slots(&self) -> Slots {
        match self {
            Self::Constant(_) | Self::Random => 0,
            Self::Changed(..) | Self::Stamp => 1,
            Self::Field(slot, _)
            | Self::Element(slot)
            | Self::Json(slot, ..)
            | Self::Length(slot, _) => 1 << slot,
            Self::Lower(inner) => inner.slots(),
            Self::WhenVisible(slot, _, inner) => 1 << slot | inner.slots(),
            Self::Distance(values) => values.iter().fold(0, |slots, value| slots | value.slots()),
            Self::Formatted(values, _) => {
                values.iter().fold(0, |slots, value| slots | value.slots())
            }
        }
    }
}

impl Node {
    /// Both conditions.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Always(true), node) | (node, Self::Always(true)) => node,
            (Self::And(mut list), Self::And(more)) => {
                list.extend(more);
                Self::And(list)
            }
            (Self::And(mut list), node) => {
                list.push(node);
                Self::And(list)
            }
            (node, Self::And(mut list)) => {
                list.insert(0, node);
                Self::And(list)
            }
            (node, other) => Self::And(vec![node, other]),
        }
    }
}

/// The set's slots and all that they hang on, the record itself left out.
pub fn chain(slots: &[Slot], set: Slots) -> Slots {
    let mut whole = set;
    for slot in (1..slots.len()).rev() {
        if whole >> slot & 1 == 1 {
            whole |= 1 << slots[slot].from;
        }
    }
    whole & !1
}

/// Whether what looks at `set` depends on the record that is tested.
pub fn depends_on_record(slots: &[Slot], set: Slots) -> bool {
    let mut whole = set;
    for slot in (1..slots.len()).rev() {
        let hangs = matches!(
            slots[slot].join,
            Join::Relation { .. } | Join::Each { .. } | Join::Back { .. }
        );
        if whole >> slot & 1 == 1 && hangs {
            whole |= 1 << slots[slot].from;
        }
    }
    whole & 1 == 1
}
