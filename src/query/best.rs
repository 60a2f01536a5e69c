//! Keeps the records that come first, of all that are added.

use std::cmp::Ordering;

use crate::domain::record::Record;
use crate::domain::schema::Index;
use crate::query::plan::{self, Course};
use crate::query::tree::SortKey;
use crate::store::Order;
use crate::store::codec::Datum;

/// How records follow each other that are alike in all that is sorted by: as in the index that has
/// this order, if there is one, else by creation. Pages that are found along the index and those that
/// are not then fit together.
#[derive(Clone, Copy)]
pub enum Ties<'a> {
    Creation,
    /// With how many leading columns in which all are alike.
    Index(&'a Index, usize, Course),
}

impl Ties<'_> {
    fn order(&self, a: &Record, b: &Record) -> Ordering {
        let Self::Index(index, fixed, course) = self else {
            return a.stamp().cmp(&b.stamp()).then_with(|| a.id().cmp(b.id()));
        };
        let order = match course.parts {
            true => plan::entry_end(index, *fixed, a).cmp(&plan::entry_end(index, *fixed, b)),
            false => a.id().cmp(b.id()),
        };
        match course.order {
            Order::Forward => order,
            Order::Backward => order.reverse(),
        }
    }
}

/// The records that come first, of all that are added.
pub struct Best<'a> {
    sort: &'a [SortKey],
    ties: Ties<'a>,
    limit: usize,
    found: Vec<(Vec<Datum<'static>>, Record)>,
}

impl<'a> Best<'a> {
    pub fn new(sort: &'a [SortKey], ties: Ties<'a>, limit: u64) -> Self {
        Self { sort, ties, limit: usize::try_from(limit).unwrap_or(usize::MAX), found: Vec::new() }
    }

    pub fn add(&mut self, values: Vec<Datum<'static>>, record: Record) {
        self.found.push((values, record));
        // Cutting only when twice too long keeps the work per record constant.
        if self.limit > 0 && self.found.len() >= self.limit.saturating_mul(2).max(64) {
            let (sort, ties) = (self.sort, self.ties);
            self.found.select_nth_unstable_by(self.limit - 1, |a, b| order(sort, ties, a, b));
            self.found.truncate(self.limit);
        }
    }

    pub fn sorted(mut self) -> Vec<Record> {
        let (sort, ties) = (self.sort, self.ties);
        self.found.sort_unstable_by(|a, b| order(sort, ties, a, b));
        self.found.truncate(self.limit);
        self.found.into_iter().map(|(_, record)| record).collect()
    }
}

/// No two records are equal.
pub fn order(
    sort: &[SortKey],
    ties: Ties,
    a: &(Vec<Datum<'static>>, Record),
    b: &(Vec<Datum<'static>>, Record),
) -> Ordering {
    for (number, key) in sort.iter().enumerate() {
        let order = a.0[number].order(&b.0[number]);
        let order = if key.descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    ties.order(&a.1, &b.1)
}
