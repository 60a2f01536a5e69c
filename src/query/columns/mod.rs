//! Filters, sorts and totals by columns: values of all records of a collection, in memory, so that
//! no record is read but those of the page.

use std::sync::Arc;

use crate::domain::fields::Kind;
use crate::domain::record::Record;
use crate::query::best::{Best, Ties};
use crate::query::budget::VISIT;
use crate::query::columns::bits::Bits;
use crate::query::columns::block::{Source, is_columnar};
use crate::query::columns::filter::{Condition, place};
use crate::query::columns::order::{By, Is, Leaders};
use crate::query::columns::taking::{Held, Taking, Values};
use crate::query::evaluate::Evaluator;
use crate::query::plan::Course;
use crate::query::rows;
use crate::query::search::{FEW, Search};
use crate::query::tree::{Node, SortKey, Value};
use crate::query::{List, Result};
use crate::store::codec::Datum;
use crate::store::{self, BLOCK, Roll};

mod bits;
mod block;
mod filter;
mod find;
mod mask;
mod order;
mod taking;
#[cfg(test)]
mod tests;

pub use mask::Mask;

/// With fewer records than this, reading them all is as quick.
const ROWS_MIN: u64 = if cfg!(test) { 8 } else { 4096 };
/// Bytes of columns that are looked at in the time in which an index entry is.
const BYTES_PER_ENTRY: usize = 4096;

/// For so many records, looking whether an index leads to fewer costs as much as it saves.
const FEWER: usize = 64;

/// A query by columns. The first of them are the stamps.
pub struct Columns<'a> {
    search: &'a Search<'a>,
    taking: Taking<'a>,
    conditions: Vec<Condition<'a>>,
    /// What no column answers.
    residual: Vec<&'a Node>,
    /// What to sort by; `None`: some of it is in no column.
    keys: Option<Vec<By>>,
    /// About what a look at them costs, in index entries.
    pub cost: usize,
}

/// What columns are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// A page in order, and how many there are.
    Page,
    /// How many there are.
    Total,
}

/// What was found: how many there are, and those on the page.
pub struct Found {
    pub total: u64,
    pub records: Vec<Record>,
}

impl<'a> Columns<'a> {
    /// Whether columns answer every condition of the query.
    pub fn answer_all(search: &Search) -> bool {
        let is_answered = |node: &&Node| {
            Condition::of(node, search.collection, &mut vec![Source::Stamp]).is_some()
        };
        search.conjuncts.iter().all(is_answered)
    }

    /// The columns that help, made if need be; `None` where none do, or where it is quicker to read
    /// the few records that an index leads to.
    pub fn at_best(search: &'a Search<'a>, wants: Wants) -> Result<Option<Self>> {
        let known = Self::of(search, false, wants)?;
        let few = known.as_ref().map_or(FEW, |columns| (columns.cost / 8).min(FEW));
        if few > FEWER
            && let Some(count) = search.leads_to(few)?
            && (known.is_some() || !is_worth_making(search, count)?)
        {
            return Ok(None);
        }
        if known.is_some() { Ok(known) } else { Self::of(search, true, wants) }
    }

    /// The columns that help with this query; `None` if none would, or if they would have to be
    /// made and `make` says no.
    pub fn of(search: &'a Search<'a>, make: bool, wants: Wants) -> Result<Option<Self>> {
        let collection = search.collection;
        let mut sources = vec![Source::Stamp];
        let (mut conditions, mut residual) = (Vec::new(), Vec::new());
        for node in &search.conjuncts {
            match Condition::of(node, collection, &mut sources) {
                Some(condition) => conditions.push(condition),
                None => residual.push(*node),
            }
        }
        let asked: Vec<usize> = (1..sources.len()).collect();
        let keys = match wants {
            Wants::Page => keys(search, &mut sources),
            Wants::Total => None,
        };
        let is_helpful = match wants {
            Wants::Page => !conditions.is_empty() || (residual.is_empty() && keys.is_some()),
            Wants::Total => residual.is_empty(),
        };
        if !is_helpful {
            return Ok(None);
        }
        let count = search.count()?;
        if count < ROWS_MIN {
            return Ok(None);
        }
        let prefix = store::keys::records(collection.number);
        let Some(rolled) = search.scope.read.roll(&prefix, make.then_some(count))? else {
            return Ok(None);
        };
        let taking = Taking::new(search.scope, collection, rolled, sources);
        let cost = match taking.is_taken() {
            true => taking.bytes(&asked) / BYTES_PER_ENTRY,
            false if make => usize::MAX,
            false => return Ok(None),
        };
        if !search.scope.read.affords(cost) {
            return Ok(None);
        }
        // What leaves few rows comes first: the others are then looked at one by one.
        let words = taking.words();
        conditions.sort_by_cached_key(|condition| condition.expected(&words));
        Ok(Some(Self { search, taking, conditions, residual, keys, cost }))
    }

    /// What tells the numbers of records.
    pub fn roll(&self) -> &Roll {
        self.taking.roll()
    }

    /// How many records match, and those of the page in order.
    pub fn page(&self, list: &List) -> Result<Found> {
        let until = usize::try_from(list.offset.saturating_add(list.limit)).unwrap_or(usize::MAX);
        let skipped = usize::try_from(list.offset).unwrap_or(usize::MAX);
        let ties = self.search.ties();
        // Columns that part what is alike would have to be there as well.
        let parts = matches!(ties, Ties::Index(_, _, Course { parts: true, .. }));
        let Some(order) = self.keys.as_ref().filter(|_| self.residual.is_empty() && !parts) else {
            return self.read_all(list);
        };
        let names = match ties {
            Ties::Index(_, _, course) => Some((self.roll(), course.order)),
            Ties::Creation => None,
        };
        let mut leaders = Leaders::new(order, names, until);
        let mut total = 0;
        let mut at = Evaluator::new(self.search.scope, self.search.tree, self.search.spent);
        self.each(&mut |part, words, number, hits, fresh| {
            total += hits.count() as u64;
            leaders.add(part, words, number, hits);
            for (row, record) in fresh {
                total += 1;
                let values = at.sort_values(&record, 0)?;
                leaders.add_record(&values, number * BLOCK + row, record);
            }
            Ok(())
        })?;
        let mut records = Vec::new();
        let rows = leaders.sorted(skipped);
        let unread = rows.iter().filter(|(_, record)| record.is_none());
        let held = self.taking.look_for(unread.map(|(row, _)| *row).take(rows::AHEAD));
        let mut held = held.into_iter();
        for (row, record) in rows {
            let record = match record {
                Some(record) => Some(record),
                None => {
                    self.search.spent.add(VISIT)?;
                    self.taking.record_held(row, held.next().flatten())?
                }
            };
            records.extend(record);
        }
        Ok(Found { total, records })
    }

    /// As `page`, where the records themselves have to be looked at.
    fn read_all(&self, list: &List) -> Result<Found> {
        let sort: &[SortKey] = &self.search.tree.sort;
        let seed = self.search.scope.request.now_ms as u64;
        let mut best = Best::new(sort, self.search.ties(), list.offset.saturating_add(list.limit));
        let mut total = 0;
        self.matching(&mut |at, record| {
            let values = at.sort_values(&record, seed)?;
            total += 1;
            best.add(values, record);
            Ok(())
        })?;
        let skipped = usize::try_from(list.offset).unwrap_or(usize::MAX);
        Ok(Found { total, records: best.sorted().into_iter().skip(skipped).collect() })
    }

    /// Visits what every match is sorted by, in any order.
    pub fn values(&self, visit: &mut dyn FnMut(&[Datum<'_>]) -> Result<()>) -> Result<()> {
        let Some(order) = self.keys.as_ref().filter(|_| self.residual.is_empty()) else {
            return self.matching(&mut |at, record| visit(&at.sort_values(&record, 0)?));
        };
        let mut at = Evaluator::new(self.search.scope, self.search.tree, self.search.spent);
        self.each(&mut |taken, words, _, hits, fresh| {
            let mut values = Vec::with_capacity(order.len());
            for row in hits.rows() {
                let value = |by: &By| taken[by.column].value(row, &words[by.column]);
                values.extend(order.iter().map(value));
                visit(&values)?;
                values.clear();
            }
            fresh.iter().try_for_each(|(_, record)| visit(&at.sort_values(record, 0)?))
        })
    }

    /// Reads every record that matches.
    fn matching(
        &self,
        visit: &mut dyn FnMut(&mut Evaluator<'a>, Record) -> Result<()>,
    ) -> Result<()> {
        let search = self.search;
        let mut at = Evaluator::new(search.scope, search.tree, search.spent);
        self.each(&mut |_, _, number, hits, fresh| {
            for row in hits.rows() {
                search.spent.add(VISIT)?;
                let Some(record) = self.taking.record(number * BLOCK + row)? else { continue };
                if self.residual.is_empty() || at.satisfies(&record, &self.residual)? {
                    visit(&mut at, record)?;
                }
            }
            fresh.into_iter().try_for_each(|(_, record)| visit(&mut at, record))
        })
    }

    /// Calls `visit` for each block: with the rows that satisfy the conditions, and with those
    /// records that had to be read, and match wholly.
    fn each(&self, visit: Visit<'_>) -> Result<()> {
        let mut blocks = self.blocks();
        for number in 0..self.taking.parts() {
            let (taken, hits, fresh) = blocks.look(number)?;
            visit(&taken, &blocks.words, number, hits, fresh)?;
        }
        Ok(())
    }

    fn blocks(&self) -> Blocks<'_, 'a> {
        let search = self.search;
        let at = Evaluator::new(search.scope, search.tree, search.spent);
        Blocks { columns: self, at, words: self.taking.words() }
    }
}

/// Looks at blocks one after the other.
struct Blocks<'c, 'a> {
    columns: &'c Columns<'a>,
    at: Evaluator<'a>,
    words: Vec<Arc<Vec<Datum<'static>>>>,
}

/// The values of a block, the rows that satisfy the conditions, and those records that had to be
/// read, and match wholly.
type Looked<'c> = (Values<'c>, Bits, Vec<(usize, Record)>);

impl<'c> Blocks<'c, '_> {
    fn look(&mut self, number: usize) -> Result<Looked<'c>> {
        let Columns { search, taking, conditions, .. } = self.columns;
        let part = taking.part(number)?;
        if part.is_fresh {
            self.words = taking.words();
        }
        search.spent.add((BLOCK * part.taken.len()) as u64)?;
        let mut hits = part.good;
        for condition in conditions {
            condition.narrow(&mut hits, &part.taken, &self.words);
        }
        let mut fresh = Vec::new();
        for row in part.stale.rows() {
            search.spent.add(VISIT)?;
            if let Some(record) = taking.record(number * BLOCK + row)?
                && self.at.matches(&record)?
            {
                fresh.push((row, record));
            }
        }
        Ok((part.taken, hits, fresh))
    }
}

/// Whether so much was spent on reading records, with `count` more now, that columns would have
/// been made for it.
fn is_worth_making(search: &Search, count: usize) -> Result<bool> {
    let prefix = store::keys::records(search.collection.number);
    Ok(search.scope.read.owe(&prefix, count as u64, search.count()?))
}

/// The columns that the query is sorted by; `None` if some key is in no column.
fn keys(search: &Search, sources: &mut Vec<Source>) -> Option<Vec<By>> {
    let collection = search.collection;
    let key = |key: &SortKey| {
        let (source, is) = match key.value {
            Value::Stamp => (Source::Stamp, Is::Number),
            Value::Field(0, field) if is_columnar(collection, field) => {
                let is = match collection.fields[field].kind {
                    Kind::Number(_) | Kind::Bool => Is::Number,
                    Kind::Date(_) | Kind::Autodate(_) => Is::Date,
                    _ => Is::Text,
                };
                (Source::Field(field), is)
            }
            _ => return None,
        };
        Some(By { column: place(sources, source), descending: key.descending, is })
    };
    search.tree.sort.iter().map(key).collect()
}

type Visit<'v> = &'v mut dyn FnMut(
    &[Held],
    &[Arc<Vec<Datum<'static>>>],
    usize,
    Bits,
    Vec<(usize, Record)>,
) -> Result<()>;
