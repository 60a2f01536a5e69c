//! Takes the values of fields into columns, block by block, and keeps them as good as they must be.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::domain::record::Record;
use crate::domain::schema::Collection;
use crate::query::columns::bits::Bits;
use crate::query::columns::block::{Blocks, Column, Source, Taken};
use crate::query::rows;
use crate::query::{Result, Scope};
use crate::store::codec::Datum;
use crate::store::{self, BLOCK, Block, Roll, Rolled, keys};

/// A block with more changed rows than this is taken anew; the others are read from their records.
const CHANGED_MAX: usize = 16;
/// Where the creation stamps are kept; fields are kept under their slots.
const STAMPS: u64 = u64::MAX;

/// The columns of a query, as of its snapshot.
pub struct Taking<'a> {
    scope: &'a Scope<'a>,
    collection: &'a Arc<Collection>,
    rolled: Rolled,
    blocks: Arc<Vec<Arc<Block>>>,
    /// How many rows there are, gone ones included.
    pub rows: usize,
    sources: Vec<Source>,
    columns: Vec<Arc<Column>>,
    /// What was there when the query began, by column.
    known: Vec<Blocks>,
}

/// The values of a block, by column.
pub type Values<'t> = SmallVec<[Held<'t>; 4]>;

/// What is known of one block.
pub struct Part<'t> {
    pub taken: Values<'t>,
    /// Rows whose values in the columns are good.
    pub good: Bits,
    /// Rows that have to be read from their records.
    pub stale: Bits,
    /// Whether some were taken just now: their words may be new.
    pub is_fresh: bool,
}

/// The values of a column in a block: those that were there, or those that were taken just now.
pub enum Held<'t> {
    Known(&'t Taken),
    Fresh(Arc<Taken>),
}

impl Deref for Held<'_> {
    type Target = Taken;

    fn deref(&self) -> &Taken {
        match self {
            Self::Known(taken) => taken,
            Self::Fresh(taken) => taken,
        }
    }
}

impl<'a> Taking<'a> {
    pub fn new(
        scope: &'a Scope<'a>,
        collection: &'a Arc<Collection>,
        rolled: Rolled,
        sources: Vec<Source>,
    ) -> Self {
        let (blocks, rows) = rolled.roll.blocks();
        let column = |source| rolled.roll.keep(name(collection, source), Column::default);
        let columns: Vec<Arc<Column>> = sources.iter().map(column).collect();
        let known = columns.iter().map(|column| column.blocks.read().clone()).collect();
        Self { scope, collection, rolled, blocks, rows, sources, columns, known }
    }

    pub fn roll(&self) -> &Roll {
        &self.rolled.roll
    }

    /// The position of the snapshot.
    pub fn at(&self) -> u64 {
        self.rolled.at
    }

    /// What a column is kept under: the same for no other column.
    pub fn name(&self, column: usize) -> u64 {
        name(self.collection, &self.sources[column])
    }

    /// Whether nothing in block number `number` changed after `position`, nor after the snapshot.
    pub fn is_settled(&self, number: usize, position: u64) -> bool {
        self.blocks[number].is_settled(position.min(self.rolled.at))
    }

    pub fn parts(&self) -> usize {
        self.blocks.len()
    }

    /// The words of each column, as far as they are known now.
    pub fn words(&self) -> Vec<Arc<Vec<Datum<'static>>>> {
        self.columns.iter().map(|column| column.words.read().texts.clone()).collect()
    }

    /// About how many bytes these columns have.
    pub fn bytes(&self, columns: &[usize]) -> usize {
        columns.iter().map(|column| self.columns[*column].bytes.load(Relaxed)).sum()
    }

    /// Whether every block was taken before.
    pub fn is_taken(&self) -> bool {
        let whole =
            |known: &Blocks| known.len() >= self.blocks.len() && known.iter().all(Option::is_some);
        self.known.iter().all(whole)
    }

    /// The values of block number `number`.
    pub fn part(&self, number: usize) -> Result<Part<'_>> {
        let block = &self.blocks[number];
        let rows = (self.rows - number * BLOCK).min(BLOCK);
        let known = |column: usize| {
            let taken = self.known[column].get(number)?.as_deref();
            taken.filter(|taken| self.is_good_enough(taken, block, rows))
        };
        // Somebody else may have taken it since this query began.
        let lately = |column: usize| {
            let taken = self.columns[column].blocks.read().get(number)?.clone();
            taken.filter(|taken| self.is_good_enough(taken, block, rows)).map(Held::Fresh)
        };
        let found = |column| known(column).map(Held::Known).or_else(|| lately(column));
        let found: SmallVec<[Option<Held>; 4]> = (0..self.columns.len()).map(found).collect();
        let is_missing = found.iter().any(Option::is_none);
        let records = if is_missing { self.records(number * BLOCK, rows)? } else { Vec::new() };
        let mut taken = Values::new();
        for (at, found) in found.into_iter().enumerate() {
            taken.push(found.unwrap_or_else(|| Held::Fresh(self.take(at, number, &records))));
        }
        let is_fresh = taken.iter().any(|taken| matches!(taken, Held::Fresh(_)));
        let oldest = taken.iter().map(|taken| taken.at).min().unwrap_or(0).min(self.rolled.at);
        let known = taken.iter().map(|taken| taken.rows).min().unwrap_or(0).min(rows);
        let mut stale = Bits::first(rows);
        stale.without(&Bits::first(known));
        if !block.is_settled(oldest) {
            (0..known).filter(|row| block.is_changed(*row, oldest)).for_each(|row| stale.set(row));
        }
        // Somebody with a newer snapshot may have taken a column with more rows.
        let mut good = Bits::first(known);
        good.and(&taken.first().map_or(Bits::NONE, |taken| taken.exists));
        good.without(&stale);
        Ok(Part { taken, good, stale, is_fresh })
    }

    /// Whether few enough rows changed since, of those that could be taken anew.
    fn is_good_enough(&self, taken: &Taken, block: &Block, rows: usize) -> bool {
        let added = rows.saturating_sub(taken.rows);
        if taken.at >= self.rolled.at || (added == 0 && block.is_settled(taken.at)) {
            return true;
        }
        let mut changed = (0..taken.rows.min(rows)).filter(|row| block.is_changed(*row, taken.at));
        added + changed.by_ref().take(CHANGED_MAX + 1).count() <= CHANGED_MAX
    }

    fn take(&self, at: usize, number: usize, records: &[Option<Record>]) -> Arc<Taken> {
        let column = &self.columns[at];
        let taken = Arc::new(Taken::of(records, self.sources[at], column, self.rolled.at));
        let mut blocks = column.blocks.write();
        let blocks = Arc::make_mut(&mut blocks);
        if blocks.len() <= number {
            blocks.resize(number + 1, None);
        }
        // Somebody with a newer snapshot may have been quicker.
        if blocks[number].as_ref().is_none_or(|known| known.at <= taken.at) {
            let freed = blocks[number].as_ref().map_or(0, |known| known.bytes());
            self.rolled.roll.account(taken.bytes(), freed);
            column.bytes.fetch_add(taken.bytes(), Relaxed);
            column.bytes.fetch_sub(freed, Relaxed);
            blocks[number] = Some(taken.clone());
        }
        taken
    }

    /// The records of these rows, as of the snapshot.
    fn records(&self, from: usize, count: usize) -> Result<Vec<Option<Record>>> {
        let mut names = Vec::with_capacity(count);
        self.rolled
            .roll
            .names(from..from + count, |_, name| names.push(Bytes::copy_from_slice(name)));
        names.iter().map(|name| self.record_named(name)).collect()
    }

    /// The record of a row, as of the snapshot.
    pub fn record(&self, row: usize) -> Result<Option<Record>> {
        self.record_named(&self.rolled.roll.name(row))
    }

    /// The same, of a row that was looked for.
    pub fn record_held(&self, row: usize, held: Option<Bytes>) -> Result<Option<Record>> {
        match held {
            Some(bytes) => rows::decoded(self.collection, bytes).map(Some),
            None => self.record(row),
        }
    }

    /// What memory holds of the records of these rows, which are read next.
    pub fn look_for(&self, rows: impl Iterator<Item = usize>) -> store::Held {
        let names: Vec<Vec<u8>> = rows.map(|row| self.rolled.roll.name(row)).collect();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        rows::held(self.scope, self.collection, &names)
    }

    fn record_named(&self, name: &[u8]) -> Result<Option<Record>> {
        let mut key = keys::records(self.collection.number);
        key.extend_from_slice(name);
        let bytes = self.scope.read.get(&key)?;
        bytes.map(|bytes| rows::decoded(self.collection, bytes)).transpose()
    }
}

fn name(collection: &Collection, source: &Source) -> u64 {
    match source {
        Source::Stamp => STAMPS,
        // A field that changes its kind gets a new layout, and so new columns.
        Source::Field(field) => {
            u64::from(collection.fields[*field].slot) << 32 | collection.layouts.len() as u64
        }
    }
}
