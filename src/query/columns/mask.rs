//! Which records match, one bit each: kept for whoever asks the same again, and good for a block as
//! long as nothing in it changes.

use std::fmt::Write;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::query::Result;
use crate::query::columns::Columns;
use crate::query::columns::bits::Bits;
use crate::query::columns::filter::{Asked, Condition};
use crate::query::columns::taking::Taking;
use crate::store::BLOCK;

/// Where they are kept beside a roll; columns are kept under slots and layouts of fields.
const MASKS: u64 = u64::MAX - 1;
/// Bytes of masks kept for one collection.
const BYTES_MAX: usize = 2 << 20;

/// Records that match, by their numbers.
pub struct Mask {
    /// The position that it was made at.
    at: u64,
    /// How many rows there were.
    rows: usize,
    blocks: Vec<Bits>,
    pub total: u64,
}

/// The masks of a collection by what they were asked for, the latest ones last.
#[derive(Default)]
struct Masks(Mutex<Vec<(Box<str>, Arc<Mask>)>>);

impl Mask {
    pub fn has(&self, number: usize) -> bool {
        self.blocks.get(number / BLOCK).is_some_and(|block| block.has(number % BLOCK))
    }

    /// The rows of a block that match, if nothing that `taking` sees changed since.
    fn block(&self, number: usize, taking: &Taking) -> Option<Bits> {
        let last = (number + 1) * BLOCK;
        let has_all = last <= self.rows || self.rows == taking.rows;
        let is_good = has_all && taking.is_settled(number, self.at);
        is_good.then(|| self.blocks.get(number).copied()).flatten()
    }

    fn bytes(&self) -> usize {
        self.blocks.len() * size_of::<Bits>()
    }
}

impl Columns<'_> {
    /// Which records match; nothing may be left that columns don't answer.
    pub fn mask(&self) -> Result<Arc<Mask>> {
        let (taking, parts) = (&self.taking, self.taking.parts());
        let masks = self.roll().keep(MASKS, Masks::default);
        let asked = self.asked();
        let known = masks.find(&asked);
        let same = |number| known.as_ref().and_then(|known| known.block(number, taking));
        if let Some(known) = &known
            && known.blocks.len() == parts
            && (0..parts).all(|number| same(number).is_some())
        {
            return Ok(known.clone());
        }
        let mut blocks = Vec::with_capacity(parts);
        let mut block = self.blocks();
        for number in 0..parts {
            blocks.push(match same(number) {
                Some(bits) => bits,
                None => {
                    let (_, mut hits, fresh) = block.look(number)?;
                    fresh.iter().for_each(|(row, _)| hits.set(*row));
                    hits
                }
            });
        }
        let total = blocks.iter().map(|bits| bits.count() as u64).sum();
        let mask = Arc::new(Mask { at: taking.at(), rows: taking.rows, blocks, total });
        let (added, freed) = masks.put(asked, &mask);
        self.roll().account(added, freed);
        Ok(mask)
    }

    /// What the conditions say, in words that say the same for no others.
    fn asked(&self) -> String {
        let mut words = String::new();
        for condition in &self.conditions {
            condition.spell(&self.taking, &mut words);
        }
        words
    }
}

impl Condition<'_> {
    fn spell(&self, taking: &Taking, words: &mut String) {
        let (name, list) = match self {
            Self::And(list) => ('&', list),
            Self::Or(list) => ('|', list),
            Self::Test(asked) => return asked.spell(taking, words),
        };
        words.push(name);
        words.push('(');
        list.iter().for_each(|condition| condition.spell(taking, words));
        words.push(')');
    }
}

impl Asked<'_> {
    fn spell(&self, taking: &Taking, words: &mut String) {
        let Self { test, column, constant, turned, .. } = self;
        let how = (test.op, turned, test.json, test.numeric, test.lenient);
        let name = taking.name(*column);
        write!(words, "[{name} {how:?} {constant:?}]").expect("memory takes every word");
    }
}

impl Masks {
    fn find(&self, asked: &str) -> Option<Arc<Mask>> {
        let mut kept = self.0.lock();
        let at = kept.iter().rposition(|(known, _)| **known == *asked)?;
        let found = kept.remove(at);
        let mask = found.1.clone();
        kept.push(found);
        Some(mask)
    }

    /// Keeps a mask instead of an older one; returns how many bytes that adds and frees.
    fn put(&self, asked: String, mask: &Arc<Mask>) -> (usize, usize) {
        let mut kept = self.0.lock();
        let mut freed = 0;
        if let Some(at) = kept.iter().position(|(known, _)| **known == *asked) {
            // Somebody with a newer snapshot may have been quicker.
            if kept[at].1.at > mask.at {
                return (0, 0);
            }
            freed += kept.remove(at).1.bytes();
        }
        kept.push((asked.into(), mask.clone()));
        let mut bytes: usize = kept.iter().map(|(_, mask)| mask.bytes()).sum();
        while bytes > BYTES_MAX && kept.len() > 1 {
            let oldest = kept.remove(0).1.bytes();
            (bytes, freed) = (bytes - oldest, freed + oldest);
        }
        (mask.bytes(), freed)
    }
}
