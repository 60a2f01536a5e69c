//! Conditions over columns: which rows of a block satisfy them, one bit each.

use std::cell::RefCell;
use std::sync::Arc;

use crate::domain::schema::Collection;
use crate::query::ast::Op;
use crate::query::columns::bits::Bits;
use crate::query::columns::block::{Codes, Data, Source, Taken, is_columnar, text_of};
use crate::query::columns::find::Needle;
use crate::query::columns::taking::Held;
use crate::query::compare;
use crate::query::pattern::commonness;
use crate::query::tree::{Node, Test, Value};
use crate::store::BLOCK;
use crate::store::codec::Datum;

/// Up to so many rows are looked at one by one: no more work than a look at the whole block.
const FEW_ROWS: usize = 96;
/// What may be expected of a column that tells nothing.
const UNKNOWN: usize = 300;
/// Up to so many accepted words are compared with each row; more are looked up.
const FEW_WORDS: usize = 3;

/// A condition that columns answer.
pub enum Condition<'a> {
    And(Vec<Condition<'a>>),
    Or(Vec<Condition<'a>>),
    Test(Asked<'a>),
}

/// A comparison of one column with a constant.
pub struct Asked<'a> {
    pub test: &'a Test,
    /// Number of the column among those that are taken.
    pub column: usize,
    /// The constant, and whether it stands on the left.
    pub constant: &'a Datum<'static>,
    pub turned: bool,
    /// Which words satisfy it, as far as anybody asked.
    verdicts: RefCell<Verdicts>,
}

/// Which words satisfy a comparison.
#[derive(Default)]
struct Verdicts {
    all: Vec<bool>,
    accepted: Vec<usize>,
}

impl<'a> Condition<'a> {
    /// `None` when it looks at something that is in no column. What it looks at is added to `sources`.
    pub fn of(node: &'a Node, collection: &Collection, sources: &mut Vec<Source>) -> Option<Self> {
        let mut all = |list: &'a [Node]| {
            list.iter().map(|node| Self::of(node, collection, sources)).collect::<Option<Vec<_>>>()
        };
        match node {
            Node::And(list) => all(list).map(Self::And),
            Node::Or(list) => all(list).map(Self::Or),
            Node::Test(test) => {
                let (field, constant, turned) = match (&test.left, &test.right) {
                    (Value::Field(0, field), Value::Constant(datum)) => (*field, datum, false),
                    (Value::Constant(datum), Value::Field(0, field)) => (*field, datum, true),
                    _ => return None,
                };
                if !is_columnar(collection, field) {
                    return None;
                }
                let column = place(sources, Source::Field(field));
                let verdicts = RefCell::default();
                Some(Self::Test(Asked { test, column, constant, turned, verdicts }))
            }
            Node::Always(_) | Node::Any(..) | Node::All(..) | Node::Listable(..) => None,
        }
    }

    /// Leaves of `hits`, rows of a block, those that satisfy it. `taken` are the columns' values in
    /// that block.
    pub fn narrow(&self, hits: &mut Bits, taken: &[Held], words: &[Arc<Vec<Datum<'static>>>]) {
        match self {
            Self::And(list) => {
                for condition in list {
                    condition.narrow(hits, taken, words);
                }
            }
            Self::Or(list) => {
                let mut left = *hits;
                for condition in list {
                    let mut some = left;
                    condition.narrow(&mut some, taken, words);
                    left.without(&some);
                }
                hits.without(&left);
            }
            Self::Test(asked) => {
                let (taken, words) = (&taken[asked.column], &words[asked.column]);
                if !hits.is_empty() {
                    asked.narrow(hits, taken, words);
                }
            }
        }
    }

    /// How many of a thousand rows may be expected to satisfy it, as far as that is easily told.
    pub fn expected(&self, words: &[Arc<Vec<Datum<'static>>>]) -> usize {
        match self {
            Self::And(list) => list.iter().map(|one| one.expected(words)).min().unwrap_or(1000),
            Self::Or(list) => list.iter().map(|one| one.expected(words)).sum::<usize>().min(1000),
            Self::Test(asked) => asked.expected(&words[asked.column]),
        }
    }
}

/// The number of `source` among the columns to take.
pub fn place(sources: &mut Vec<Source>, source: Source) -> usize {
    sources.iter().position(|known| *known == source).unwrap_or_else(|| {
        sources.push(source);
        sources.len() - 1
    })
}

impl Asked<'_> {
    fn holds(&self, value: Datum) -> bool {
        let constant = match self.constant {
            Datum::Null => Datum::Null,
            Datum::Number(number) => Datum::Number(*number),
            Datum::Text(text) => Datum::Text(text.as_ref().into()),
        };
        if self.turned {
            compare::holds(self.test, constant, value)
        } else {
            compare::holds(self.test, value, constant)
        }
    }

    fn bits(&self, taken: &Taken, words: &[Datum<'static>]) -> Bits {
        match &taken.data {
            Data::Words(codes) => self.of_words(codes, words),
            Data::Numbers(numbers) => self.of_numbers(numbers, taken),
            Data::Texts { text, starts } => match self.needle() {
                Some(needle) => found(&needle, text, starts),
                None => {
                    self.row_by_row(taken, |row| Datum::Text(text_of(text, starts, row).into()))
                }
            },
            Data::Stamps(_) => Bits::NONE,
        }
    }

    fn row_by_row<'t>(&self, taken: &Taken, value: impl Fn(usize) -> Datum<'t>) -> Bits {
        let mut bits = Bits::NONE;
        (0..taken.rows).filter(|row| self.holds(value(*row))).for_each(|row| bits.set(row));
        bits
    }

    fn narrow(&self, hits: &mut Bits, taken: &Taken, words: &[Datum<'static>]) {
        let is_quick = matches!(&taken.data, Data::Words(codes) if codes.is_quick());
        if is_quick || !hits.is_few(FEW_ROWS) {
            return hits.and(&self.bits(taken, words));
        }
        match &taken.data {
            Data::Words(codes) => {
                self.judge(words);
                let verdicts = self.verdicts.borrow();
                hits.retain(|row| verdicts.all[codes.of_row(row)]);
            }
            _ => hits.retain(|row| self.holds(taken.value(row, words))),
        }
    }

    fn expected(&self, words: &[Datum<'static>]) -> usize {
        if words.is_empty() {
            return UNKNOWN;
        }
        self.judge(words);
        let verdicts = self.verdicts.borrow();
        verdicts.accepted.len() * 1000 / verdicts.all.len()
    }

    /// Finds out which of the words satisfy it.
    fn judge(&self, words: &[Datum<'static>]) {
        if self.verdicts.borrow().all.len() == words.len() {
            return;
        }
        let mut verdicts = self.verdicts.borrow_mut();
        while verdicts.all.len() < words.len() {
            let number = verdicts.all.len();
            let word = match &words[number] {
                Datum::Null => Datum::Null,
                Datum::Number(number) => Datum::Number(*number),
                Datum::Text(text) => Datum::Text(text.as_ref().into()),
            };
            let holds = self.holds(word);
            verdicts.all.push(holds);
            if holds {
                verdicts.accepted.push(number);
            }
        }
    }

    fn of_words(&self, codes: &Codes, words: &[Datum<'static>]) -> Bits {
        self.judge(words);
        let verdicts = self.verdicts.borrow();
        if verdicts.accepted.len() <= FEW_WORDS {
            let mut bits = Bits::NONE;
            verdicts.accepted.iter().for_each(|word| bits.or(&codes.equal(*word)));
            return bits;
        }
        let mut bytes = [0; BLOCK];
        for (row, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from(verdicts.all[codes.of_row(row)]);
        }
        Bits::of_bytes(&bytes)
    }

    fn of_numbers(&self, numbers: &[f64; BLOCK], taken: &Taken) -> Bits {
        let value = |row: usize| match numbers[row] {
            number if number.is_nan() => Datum::Null,
            number => Datum::Number(number),
        };
        let Datum::Number(constant) = self.constant else {
            return self.row_by_row(taken, value);
        };
        let op = if self.turned { self.test.op.mirrored() } else { Some(self.test.op) };
        // What is none (NaN) is equal to no number; for an order, it depends.
        let ordered = !self.test.lenient && self.test.numeric == [false, false];
        let compared = match op {
            Some(Op::Equal) if ordered => bytes_of(numbers, |number| number == *constant),
            Some(Op::NotEqual) if ordered => bytes_of(numbers, |number| number != *constant),
            Some(Op::Greater) if ordered => bytes_of(numbers, |number| number > *constant),
            Some(Op::GreaterOrEqual) if ordered => bytes_of(numbers, |number| number >= *constant),
            Some(Op::Less) if ordered => bytes_of(numbers, |number| number < *constant),
            Some(Op::LessOrEqual) if ordered => bytes_of(numbers, |number| number <= *constant),
            _ => return self.row_by_row(taken, value),
        };
        Bits::of_bytes(&compared)
    }

    /// What is looked for anywhere in a text, if that is all that is asked.
    fn needle(&self) -> Option<Needle<'_>> {
        let pattern = self.test.pattern.as_ref()?;
        let text = pattern.anywhere().filter(|_| self.test.op == Op::Like && !self.turned)?;
        Some(Needle::new(text, commonness))
    }
}

fn bytes_of(numbers: &[f64; BLOCK], holds: impl Fn(f64) -> bool) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    bytes.iter_mut().zip(numbers).for_each(|(byte, number)| *byte = u8::from(holds(*number)));
    bytes
}

fn found(needle: &Needle, text: &[u8], starts: &[u32]) -> Bits {
    let mut bits = Bits::NONE;
    let mut row = 0;
    needle.each(text, |at| {
        while starts[row + 1] as usize <= at {
            row += 1;
        }
        bits.set(row);
        // One is enough: on with the next text.
        starts[row + 1] as usize
    });
    bits
}
