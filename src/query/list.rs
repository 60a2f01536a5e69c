//! Answers a page: filters, counts, sorts, and keeps no more records than the page needs.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::domain::record::Record;
use crate::domain::schema::Collection;
use crate::query::bind::{self, Texts};
use crate::query::evaluate::{Evaluator, Spent};
use crate::query::fold;
use crate::query::rows;
use crate::query::tree::SortKey;
use crate::query::{List, Page, Plan, ROW_BUDGET, Result, Scope};
use crate::store::codec::Datum;

/// Answers one page of `collection`.
pub fn list(scope: &Scope, collection: &Arc<Collection>, list: &List) -> Result<Page> {
    let texts = Texts { rule: list.rule.as_deref(), filter: &list.filter, sort: &list.sort };
    let tree = bind::query(scope.schema, scope.request, collection, texts)?;
    let budget = (!scope.request.caller.is_superuser()).then_some(ROW_BUDGET);
    let spent = Spent::new(budget);
    let tree = fold::folded(&mut Evaluator::new(scope, &tree, &spent), &tree)?;

    let mut at = Evaluator::new(scope, &tree, &spent);
    let mut best = Best::new(&tree.sort, list.offset.saturating_add(list.limit));
    let mut total = 0;
    rows::scan(scope, collection, &spent, &mut |record| {
        if at.matches(&record)? {
            total += 1;
            let values = at.sort_values(&record, scope.request.now_ms as u64)?;
            best.add(values, record);
        }
        Ok(false)
    })?;
    let skipped = usize::try_from(list.offset).unwrap_or(usize::MAX);
    let records: Vec<Record> = best.sorted().into_iter().skip(skipped).collect();
    let plan =
        Plan { rows_visited: spent.rows(), rows_returned: records.len() as u64, ..Plan::default() };
    Ok(Page { records, total: list.total.then_some(total), plan })
}

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
fn order(
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
