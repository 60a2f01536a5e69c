//! Keeps the records that come first, of all that are added.

use std::cmp::Ordering;

use crate::domain::record::Record;
use crate::query::tree::SortKey;
use crate::store::codec::Datum;

/// The records that come first, of all that are added.
pub struct Best<'a> {
    sort: &'a [SortKey],
    limit: usize,
    found: Vec<(Vec<Datum<'static>>, Record)>,
}

impl<'a> Best<'a> {
    pub fn new(sort: &'a [SortKey], limit: u64) -> Self {
        Self { sort, limit: usize::try_from(limit).unwrap_or(usize::MAX), found: Vec::new() }
    }

    pub fn add(&mut self, values: Vec<Datum<'static>>, record: Record) {
        self.found.push((values, record));
        // Cutting only when twice too long keeps the work per record constant.
        if self.limit > 0 && self.found.len() >= self.limit.saturating_mul(2).max(64) {
            let sort = self.sort;
            self.found.select_nth_unstable_by(self.limit - 1, |a, b| order(sort, a, b));
            self.found.truncate(self.limit);
        }
    }

    pub fn sorted(mut self) -> Vec<Record> {
        let sort = self.sort;
        self.found.sort_unstable_by(|a, b| order(sort, a, b));
        self.found.truncate(self.limit);
        self.found.into_iter().map(|(_, record)| record).collect()
    }
}

/// By the keys, then by creation: no two records are equal.
pub fn order(
    sort: &[SortKey],
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
    a.1.stamp().cmp(&b.1.stamp()).then_with(|| a.1.id().cmp(b.1.id()))
}
