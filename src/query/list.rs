//! Answers a page: filters, counts, sorts, and keeps no more records than the page needs.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::domain::record::Record;
use crate::domain::schema::Collection;
use crate::query::bind::{self, Texts};
use crate::query::candidates::{Candidates, Few};
use crate::query::evaluate::{Evaluator, Spent};
use crate::query::fold;
use crate::query::plan::{self, Walk};
use crate::query::rows;
use crate::query::tree::{Node, SortKey, Tree};
use crate::query::{Error, List, Page, Plan, ROW_BUDGET, Result, Scope};
use crate::store::codec::Datum;
use crate::store::{Order, keys};

/// Most entries of an index that are counted to find out whether it is worth walking.
const FEW: usize = 1024;

/// Answers one page of `collection`.
pub fn list(scope: &Scope, collection: &Arc<Collection>, list: &List) -> Result<Page> {
    let texts = Texts { rule: list.rule.as_deref(), filter: &list.filter, sort: &list.sort };
    let tree = bind::query(scope.schema, scope.request, collection, texts)?;
    let budget = (!scope.request.caller.is_superuser()).then_some(ROW_BUDGET);
    let spent = Spent::new(budget);
    let tree = fold::folded(&mut Evaluator::new(scope, &tree, &spent), &tree)?;
    let conjuncts = plan::conjuncts(&tree.node);
    let missing = plan::missing(collection, &conjuncts);
    let asked = Asked {
        scope,
        collection,
        tree: &tree,
        conjuncts: &conjuncts,
        spent: &spent,
        offset: list.offset,
        limit: list.limit,
        total: list.total,
    };
    let found = asked.answer().map_err(|error| match error {
        Error::TooExpensive { budget, .. } => {
            Error::TooExpensive { budget, index: missing.clone() }
        }
        other => other,
    })?;
    let plan = Plan {
        rows_visited: spent.rows(),
        rows_returned: found.records.len() as u64,
        missing_index: missing.filter(|_| found.index.is_none()),
        index: found.index,
    };
    Ok(Page { records: found.records, total: list.total.then_some(found.total), plan })
}

/// A page with its total, if that was asked for, and the index that led to it.
struct Found {
    records: Vec<Record>,
    total: u64,
    index: Option<String>,
}

/// A list with everything known that its answer depends on.
struct Asked<'a> {
    scope: &'a Scope<'a>,
    collection: &'a Arc<Collection>,
    tree: &'a Tree,
    conjuncts: &'a [&'a Node],
    spent: &'a Spent,
    offset: u64,
    limit: u64,
    total: bool,
}

impl Asked<'_> {
    fn answer(&self) -> Result<Found> {
        if matches!(self.tree.node, Node::Always(false)) {
            return Ok(Found { records: Vec::new(), total: 0, index: None });
        }
        let walks: Vec<Walk> = self
            .collection
            .indexes
            .iter()
            .filter_map(|index| plan::walk(self.tree, self.collection, 0, self.conjuncts, index))
            .collect();
        let wholly =
            |walk: &Walk| (0..self.conjuncts.len()).all(|number| walk.answered.contains(&number));
        let ordered = |walk: &Walk| plan::order(walk, self.collection, &self.tree.sort);
        // Best of all: one range, in the order wanted, with nothing left to test.
        let exact =
            walks.iter().find_map(|walk| Some((walk, ordered(walk).filter(|_| wholly(walk))?)));
        if let Some((walk, order)) = exact {
            if let Some(found) = self.along(walk, order, true, u64::MAX)? {
                return Ok(found);
            }
        }
        let count = self.scope.read.count(&keys::record_count(self.collection.number))?;
        // An index of more than a quarter of the records costs more than reading them in a row.
        let worth = FEW as u64 + count / 4;
        let held = walks.iter().filter(|walk| walk.fixed > 0);
        let held = held.filter_map(|walk| Some((walk, ordered(walk)?)));
        if let (Some((walk, order)), false) = (held.max_by_key(|(walk, _)| walk.fixed), self.total)
        {
            if let Some(found) = self.along(walk, order, false, worth)? {
                return Ok(found);
            }
        }
        let candidates = Candidates { scope: self.scope, tree: self.tree, spent: self.spent };
        if let Some(few) = candidates.of(self.collection, 0, self.conjuncts, FEW)? {
            return self.among(few);
        }
        let walk = walks.iter().filter(|walk| walk.narrow).max_by_key(|walk| walk.fixed);
        if let Some(walk) = walk {
            if let Some(order) = ordered(walk) {
                if let Some(found) = self.along(walk, order, false, worth)? {
                    return Ok(found);
                }
            } else if let Some(few) =
                candidates.walked(walk, usize::try_from(worth).unwrap_or(usize::MAX))?
            {
                return self.among(few);
            }
        }
        let in_order = walks.iter().find_map(|walk| Some((walk, ordered(walk)?)));
        if let (Some((walk, order)), false) = (in_order, self.total) {
            if let Some(found) = self.along(walk, order, false, worth)? {
                return Ok(found);
            }
        }
        self.everything()
    }

    /// Follows an index that has the order wanted, and stops as soon as the page is full and the
    /// total known. `None` when `patience` records were read and there is no end in sight.
    fn along(
        &self,
        walk: &Walk,
        order: Order,
        wholly: bool,
        patience: u64,
    ) -> Result<Option<Found>> {
        let all = self.conjuncts.is_empty();
        let mut at = Evaluator::new(self.scope, self.tree, self.spent);
        let mut found =
            Found { records: Vec::new(), total: 0, index: Some(walk.index.name.clone()) };
        let until = self.offset.saturating_add(self.limit);
        let mut read = 0;
        let mut lost = false;
        let range = walk.range.clone();
        rows::entries(self.scope, self.spent, range, order, &mut |_, id| {
            let on_page = (self.offset..until).contains(&found.total);
            if !wholly || on_page {
                read += 1;
                if read > patience {
                    lost = true;
                    return Ok(true);
                }
                let Some(record) = rows::find(self.scope, self.collection, id, self.spent)? else {
                    return Ok(false);
                };
                if !wholly && !at.matches(&record)? {
                    return Ok(false);
                }
                if on_page {
                    found.records.push(record);
                }
            }
            found.total += 1;
            Ok(found.total >= until && (!self.total || all))
        })?;
        if lost {
            return Ok(None);
        }
        if all && self.total {
            found.total = self.scope.read.count(&keys::record_count(self.collection.number))?;
        }
        Ok(Some(found))
    }

    /// Looks at the records of a few ids.
    fn among(&self, few: Few) -> Result<Found> {
        let mut gathered = Gathered::new(self);
        for id in &few.ids {
            if let Some(record) = rows::find(self.scope, self.collection, id, self.spent)? {
                gathered.add(record)?;
            }
        }
        Ok(gathered.page(few.index))
    }

    fn everything(&self) -> Result<Found> {
        let mut gathered = Gathered::new(self);
        rows::scan(self.scope, self.collection, self.spent, &mut |record| {
            gathered.add(record)?;
            Ok(false)
        })?;
        Ok(gathered.page(None))
    }
}

/// The matching records among those that come in any order.
struct Gathered<'a> {
    asked: &'a Asked<'a>,
    at: Evaluator<'a>,
    best: Best<'a>,
    total: u64,
}

impl<'a> Gathered<'a> {
    fn new(asked: &'a Asked<'a>) -> Self {
        Self {
            asked,
            at: Evaluator::new(asked.scope, asked.tree, asked.spent),
            best: Best::new(&asked.tree.sort, asked.offset.saturating_add(asked.limit)),
            total: 0,
        }
    }

    fn add(&mut self, record: Record) -> Result<()> {
        if self.at.matches(&record)? {
            self.total += 1;
            let values = self.at.sort_values(&record, self.asked.scope.request.now_ms as u64)?;
            self.best.add(values, record);
        }
        Ok(())
    }

    fn page(self, index: Option<String>) -> Found {
        let skipped = usize::try_from(self.asked.offset).unwrap_or(usize::MAX);
        let records = self.best.sorted().into_iter().skip(skipped).collect();
        Found { records, total: self.total, index }
    }
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
