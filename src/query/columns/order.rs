//! Keeps the rows that come first, by the values in the columns.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::record::Record;
use crate::query::columns::bits::Bits;
use crate::query::columns::block::Data;
use crate::query::columns::taking::Held;
use crate::query::evaluate::owned;
use crate::store::BLOCK;
use crate::store::codec::Datum;

/// What a row is sorted by.
pub struct Keys(SmallVec<[Datum<'static>; 2]>);

impl Keys {
    /// The values of a record, as many as there are columns to sort by.
    pub fn of(values: &[Datum<'static>], order: &[(usize, bool)]) -> Self {
        Self(values.iter().take(order.len()).cloned().collect())
    }
}

struct Row {
    keys: Keys,
    stamp: u64,
    number: usize,
    record: Option<Record>,
}

/// What the last row that is in is sorted by first.
enum Last {
    Key(Datum<'static>, bool),
    Stamp(u64),
}

/// The rows that come first, of all that are added.
pub struct Leaders<'o> {
    /// Columns, and whether they descend.
    order: &'o [(usize, bool)],
    limit: usize,
    rows: Vec<Row>,
    /// Nobody behind this one gets in any more.
    last: Option<Last>,
}

impl<'o> Leaders<'o> {
    pub fn new(order: &'o [(usize, bool)], limit: usize) -> Self {
        Self { order, limit, rows: Vec::new(), last: None }
    }

    /// Adds the rows `hits` of block number `block`.
    pub fn add(
        &mut self,
        taken: &[Held],
        words: &[Arc<Vec<Datum<'static>>>],
        block: usize,
        hits: Bits,
    ) {
        if self.limit == 0 {
            return;
        }
        for row in hits.rows() {
            let value = |column: usize| taken[column].value(row, &words[column]);
            let stamp = || match &taken[0].data {
                Data::Stamps(stamps) => stamps[row],
                Data::Numbers(_) | Data::Words(_) | Data::Texts { .. } => 0,
            };
            let is_behind = match (&self.last, self.order.first()) {
                (Some(Last::Stamp(last)), _) => stamp() > *last,
                (Some(Last::Key(last, descending)), Some((column, _))) => {
                    let behind = if *descending { Ordering::Less } else { Ordering::Greater };
                    taken[*column].order(row, &words[*column], last) == behind
                }
                _ => false,
            };
            if is_behind {
                continue;
            }
            let keys = self.order.iter().map(|(column, _)| owned(value(*column))).collect();
            let number = block * BLOCK + row;
            self.push(Row { keys: Keys(keys), stamp: stamp(), number, record: None });
        }
    }

    /// Adds a row whose record is at hand.
    pub fn add_record(&mut self, keys: Keys, number: usize, record: Record) {
        if self.limit > 0 {
            self.push(Row { keys, stamp: record.stamp(), number, record: Some(record) });
        }
    }

    /// The first rows, in order, with the records that were at hand.
    pub fn sorted(mut self) -> Vec<(usize, Option<Record>)> {
        let order = self.order;
        self.rows.sort_unstable_by(|a, b| compare(order, a, b));
        self.rows.truncate(self.limit);
        self.rows.into_iter().map(|row| (row.number, row.record)).collect()
    }

    fn push(&mut self, row: Row) {
        self.rows.push(row);
        // Cutting only when twice too long keeps the work per row constant.
        if self.rows.len() >= self.limit.saturating_mul(2).max(64) {
            let order = self.order;
            let at = self.limit - 1;
            self.rows.select_nth_unstable_by(at, |a, b| compare(order, a, b));
            self.rows.truncate(self.limit);
            let last = &self.rows[at];
            self.last = Some(match order.first().zip(last.keys.0.first()) {
                Some(((_, descending), key)) => Last::Key(key.clone(), *descending),
                None => Last::Stamp(last.stamp),
            });
        }
    }
}

/// By the keys, then by creation, as everywhere; ids only part what was created at once.
fn compare(order: &[(usize, bool)], a: &Row, b: &Row) -> Ordering {
    for (number, (_, descending)) in order.iter().enumerate() {
        let order = a.keys.0[number].order(&b.keys.0[number]);
        let order = if *descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.stamp.cmp(&b.stamp).then_with(|| a.number.cmp(&b.number))
}
