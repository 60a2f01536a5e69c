//! The values that one field has in one block of rows, as of a position.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use parking_lot::RwLock;

use crate::domain::fields::Kind;
use crate::domain::record::Record;
use crate::domain::schema::Collection;
use crate::query::columns::bits::Bits;
use crate::query::side::{Nature, nature};
use crate::query::value;
use crate::store::BLOCK;
use crate::store::codec::Datum;

/// More different texts than this in a block are kept as texts, not as numbers of words.
const WORDS_PER_BLOCK: usize = 256;
/// Most words of a column.
const WORDS_MAX: usize = 4096;
/// Stands between texts: no byte of any text.
pub const BORDER: u8 = 0xff;

/// What a column holds of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    Field(usize),
    /// When it was created.
    Stamp,
}

/// The values of a column, block by block.
pub type Blocks = Arc<Vec<Option<Arc<Taken>>>>;

/// One field of all rows.
#[derive(Default)]
pub struct Column {
    /// A query works on what it finds here at its beginning: one look for all blocks.
    pub blocks: RwLock<Blocks>,
    pub words: RwLock<Words>,
    /// What the blocks take in memory.
    pub bytes: AtomicUsize,
}

/// The different values of a column that has few. Grows only: the number of a word never changes.
#[derive(Default)]
pub struct Words {
    numbers: HashMap<String, u16>,
    pub texts: Arc<Vec<Datum<'static>>>,
}

/// The values of one block.
pub struct Taken {
    /// As of when.
    pub at: u64,
    /// How many rows the block had then.
    pub rows: usize,
    /// Which of them were there.
    pub exists: Bits,
    pub data: Data,
}

pub enum Data {
    /// Numbers; NaN stands for none.
    Numbers(Box<[f64; BLOCK]>),
    Stamps(Box<[u64; BLOCK]>),
    /// Which of the column's words.
    Words(Codes),
    /// Texts one behind the other, with a border behind each.
    Texts {
        text: Vec<u8>,
        starts: Vec<u32>,
    },
}

/// Numbers of words. A scan takes the time in which its bytes come: no more of them than it takes.
pub enum Codes {
    /// The same word in every row.
    One(u16),
    /// The first word, or where the bit is set the second.
    Two([u16; 2], Bits),
    Narrow(Box<[u8; BLOCK]>),
    Wide(Box<[u16; BLOCK]>),
}

impl Codes {
    fn of(codes: &[u16; BLOCK]) -> Self {
        let first = codes[0];
        let Some(second) = codes.iter().copied().find(|code| *code != first) else {
            return Self::One(first);
        };
        if codes.iter().all(|code| [first, second].contains(code)) {
            return Self::Two([first, second], Bits::equal_words(codes, second));
        }
        if codes.iter().any(|code| *code > 0xff) {
            return Self::Wide(Box::new(*codes));
        }
        let mut narrow = Box::new([0; BLOCK]);
        narrow.iter_mut().zip(codes).for_each(|(narrow, code)| *narrow = *code as u8);
        Self::Narrow(narrow)
    }

    pub fn of_row(&self, row: usize) -> usize {
        match self {
            Self::One(word) => usize::from(*word),
            Self::Two(words, bits) => usize::from(words[usize::from(bits.has(row))]),
            Self::Narrow(codes) => usize::from(codes[row]),
            Self::Wide(codes) => usize::from(codes[row]),
        }
    }

    /// Whether a whole block is looked at as quickly as a few rows.
    pub fn is_quick(&self) -> bool {
        matches!(self, Self::One(_) | Self::Two(..))
    }

    /// The rows that have this word.
    pub fn equal(&self, word: usize) -> Bits {
        match self {
            Self::One(one) if usize::from(*one) == word => Bits::first(BLOCK),
            Self::Two([first, _], bits) if usize::from(*first) == word => {
                let mut others = Bits::first(BLOCK);
                others.without(bits);
                others
            }
            Self::Two([_, second], bits) if usize::from(*second) == word => *bits,
            Self::One(_) | Self::Two(..) => Bits::NONE,
            Self::Narrow(codes) => {
                u8::try_from(word).map_or(Bits::NONE, |word| Bits::equal_bytes(codes, word))
            }
            Self::Wide(codes) => {
                u16::try_from(word).map_or(Bits::NONE, |word| Bits::equal_words(codes, word))
            }
        }
    }
}

/// Whether values of this field can be kept in a column.
pub fn is_columnar(collection: &Collection, field: usize) -> bool {
    let kind = &collection.fields[field].kind;
    !kind.is_multiple() && nature(kind) != Nature::Json
}

impl Taken {
    /// Takes `source` of `records`, the rows of a block as of `at`; rows that are not there are `None`.
    pub fn of(records: &[Option<Record>], source: Source, column: &Column, at: u64) -> Self {
        let mut exists = Bits::NONE;
        records.iter().enumerate().filter(|(_, record)| record.is_some()).for_each(|(row, _)| {
            exists.set(row);
        });
        let data = match source {
            Source::Stamp => {
                let mut stamps = Box::new([0; BLOCK]);
                for (stamp, record) in stamps.iter_mut().zip(records) {
                    *stamp = record.as_ref().map_or(0, Record::stamp);
                }
                Data::Stamps(stamps)
            }
            Source::Field(field) => of_field(records, field, column),
        };
        Self { at, rows: records.len(), exists, data }
    }

    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.data {
                Data::Numbers(_) | Data::Stamps(_) => 8 * BLOCK,
                Data::Words(Codes::One(_) | Codes::Two(..)) => 0,
                Data::Words(Codes::Narrow(_)) => BLOCK,
                Data::Words(Codes::Wide(_)) => 2 * BLOCK,
                Data::Texts { text, starts } => text.len() + 4 * starts.len(),
            }
    }

    /// The value of a row.
    pub fn value<'t>(&'t self, row: usize, words: &'t [Datum<'static>]) -> Datum<'t> {
        match &self.data {
            Data::Numbers(numbers) if numbers[row].is_nan() => Datum::Null,
            Data::Numbers(numbers) => Datum::Number(numbers[row]),
            Data::Stamps(stamps) => Datum::Number(stamps[row] as f64),
            Data::Words(codes) => match &words[codes.of_row(row)] {
                Datum::Null => Datum::Null,
                Datum::Number(number) => Datum::Number(*number),
                Datum::Text(text) => Datum::Text(text.as_ref().into()),
            },
            Data::Texts { text, starts } => Datum::Text(text_of(text, starts, row).into()),
        }
    }
}

/// The bytes of a row's text.
pub fn bytes_of<'t>(text: &'t [u8], starts: &[u32], row: usize) -> &'t [u8] {
    &text[starts[row] as usize..starts[row + 1] as usize - 1]
}

/// The text of a row.
pub fn text_of<'t>(text: &'t [u8], starts: &[u32], row: usize) -> &'t str {
    // Whole texts were put between the borders.
    std::str::from_utf8(bytes_of(text, starts, row)).unwrap_or_default()
}

fn of_field(records: &[Option<Record>], field: usize, column: &Column) -> Data {
    let kind =
        records.iter().flatten().next().map(|record| &record.collection().fields[field].kind);
    let number = |record: &Option<Record>| match record
        .as_ref()
        .map(|record| value::of_field(record, field))
    {
        Some(Datum::Number(number)) => number,
        _ => f64::NAN,
    };
    if let Some(Kind::Number(_)) = kind {
        let mut numbers = Box::new([f64::NAN; BLOCK]);
        numbers.iter_mut().zip(records).for_each(|(into, record)| *into = number(record));
        return Data::Numbers(numbers);
    }
    let datum = |record: &'_ Option<Record>| match record {
        Some(record) => match value::of_field(record, field) {
            Datum::Text(text) => Datum::Text(text.into_owned().into()),
            Datum::Number(number) => Datum::Number(number),
            Datum::Null => Datum::Null,
        },
        None => Datum::Text("".into()),
    };
    let values: Vec<Datum<'static>> = records.iter().map(datum).collect();
    as_words(&values, column).unwrap_or_else(|| as_texts(&values))
}

/// The name under which a word is known.
fn name(datum: &Datum) -> String {
    match datum {
        Datum::Null => "n".to_owned(),
        Datum::Number(number) => format!("f{}", number.to_bits()),
        Datum::Text(text) => format!("t{text}"),
    }
}

fn as_words(values: &[Datum<'static>], column: &Column) -> Option<Data> {
    let mut different = HashSet::new();
    for value in values {
        if let Datum::Text(text) = value
            && different.insert(text.as_ref())
            && different.len() > WORDS_PER_BLOCK
        {
            return None;
        }
    }
    let mut words = column.words.write();
    let mut codes = [0; BLOCK];
    for (code, value) in codes.iter_mut().zip(values) {
        *code = words.number(value)?;
    }
    Some(Data::Words(Codes::of(&codes)))
}

impl Words {
    fn number(&mut self, word: &Datum<'static>) -> Option<u16> {
        let name = name(word);
        if let Some(known) = self.numbers.get(&name) {
            return Some(*known);
        }
        let number = self.texts.len();
        if number == WORDS_MAX {
            return None;
        }
        Arc::make_mut(&mut self.texts).push(word.clone());
        self.numbers.insert(name, number as u16);
        Some(number as u16)
    }
}

fn as_texts(values: &[Datum<'static>]) -> Data {
    let mut text = Vec::new();
    let mut starts = Vec::with_capacity(values.len() + 1);
    starts.push(0);
    for value in values {
        if let Datum::Text(value) = value {
            text.extend_from_slice(value.as_bytes());
        }
        text.push(BORDER);
        starts.push(text.len() as u32);
    }
    Data::Texts { text, starts }
}
