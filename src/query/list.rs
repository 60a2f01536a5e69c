//! Answers a page: filters, counts, sorts, and keeps no more records than the page needs.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::domain::record::Record;
use crate::domain::schema::Collection;
use crate::query::best::{self, Best};
use crate::query::bind::{self, Texts};
use crate::query::columns::{Columns, Wants};
use crate::query::evaluate::Evaluator;
use crate::query::far;
use crate::query::fold;
use crate::query::plan::{self, Walk};
use crate::query::rows;
use crate::query::search::{FEW, Search};
use crate::query::sort;
use crate::query::{self, Error, List, Page, Result, Scope};
use crate::store::codec::Datum;
use crate::store::{Order, Range};

/// So many records are looked at one by one before a walk is begun that may pass many others.
const AT_ONCE: usize = 256;

/// A page that ends within so many records is found quickest along an index.
const SOON: u64 = 128;

/// Answers one page of `collection`.
pub fn list(scope: &Scope, collection: &Arc<Collection>, list: &List) -> Result<Page> {
    sort::check(&list.sort)?;
    let texts = Texts { rule: list.rule.as_deref(), filter: &list.filter, sort: &list.sort };
    let tree = bind::query(scope.schema, scope.request, collection, texts)?;
    let spent = scope.request.spending();
    let tree = fold::folded(&mut Evaluator::new(scope, &tree, &spent), &tree)?;
    let search = Search::new(scope, &tree, &spent);
    let asked = Asked { search: &search, list, after: after(&search, list)? };
    let found = asked.answer().map_err(|error| search.advise(error, &list.filter, &tree.sort))?;
    let mut plan = search.plan(found.index, found.records.len(), &tree.sort);
    plan.columns = found.columns;
    Ok(Page { records: found.records, total: list.total.then_some(found.total), plan })
}

/// The record that the page comes after, with what it is sorted by. It need not match the filter any
/// more: whoever works through a list changes what is in it. But the caller must be able to list it.
fn after(search: &Search, list: &List) -> Result<Option<After>> {
    let Some(id) = list.after.as_deref() else { return Ok(None) };
    let Search { scope, collection, spent, .. } = *search;
    let words = "to come after: it is gone, or not for this caller";
    let gone = || Error::Refused(format!("there is no record {id:?} {words}"));
    let record = rows::find(scope, collection, id, spent)?.ok_or_else(gone)?;
    if !query::matches(scope, list.rule.as_deref().unwrap_or_default(), &record)? {
        return Err(gone());
    }
    let values = Evaluator::new(scope, search.tree, spent).sort_values(&record, seed(search))?;
    Ok(Some(After { values, record }))
}

struct After {
    values: Vec<Datum<'static>>,
    record: Record,
}

fn seed(search: &Search) -> u64 {
    search.scope.request.now_ms as u64
}

/// A page with its total, if that was asked for, and the index that led to it.
#[derive(Default)]
struct Found {
    records: Vec<Record>,
    total: u64,
    index: Option<String>,
    /// Whether columns led to it.
    columns: bool,
}

/// A list with everything known that its answer depends on.
struct Asked<'a> {
    search: &'a Search<'a>,
    list: &'a List,
    after: Option<After>,
}

impl Asked<'_> {
    fn answer(&self) -> Result<Found> {
        let search = self.search;
        if search.is_empty() {
            return Ok(Found::default());
        }
        if self.after.is_none()
            && let Some(found) = self.shortly()?
        {
            return Ok(found);
        }
        if let Some((walk, _)) = search.ordered()
            && self.is_good(walk)?
        {
            let exact = search.is_exact(walk);
            let patience = match exact {
                true => u64::MAX,
                false if self.list.total => 2 * FEW as u64,
                false => search.worth()?,
            };
            if let Some(found) = self.along(walk, exact, patience, self.list.total)? {
                return Ok(found);
            }
        }
        self.gathered()
    }

    /// Whether a walk in the order wanted is the way to go.
    fn is_good(&self, walk: &Walk) -> Result<bool> {
        let search = self.search;
        // Best of all: one range, in the order wanted, with nothing left to test.
        if search.is_exact(walk) {
            return Ok(true);
        }
        if self.list.total {
            // A total needs every match, and another index may lead to fewer records.
            let alone = search.walks.iter().filter(|walk| walk.narrow).count() == 1;
            return Ok(walk.fixed > 0 && alone);
        }
        // Nor is a walk past all records worth it where a few are found otherwise.
        Ok(walk.narrow || !(search.is_selective() || search.leads_to(AT_ONCE)?.is_some()))
    }

    /// By an index that fills the page at once, by columns, or the page by the one and the total by
    /// the others; `None` when none is at hand, or an index leads to so few records that reading
    /// those is the shortest way.
    fn shortly(&self) -> Result<Option<Found>> {
        let walk = self.short_walk();
        let counts = self.list.total && !self.search.conjuncts.is_empty();
        if let Some(walk) = walk.filter(|_| !counts)
            && let Some(found) = self.along_shortly(walk)?
        {
            return Ok(Some(found));
        }
        if let Some(walk) = walk.filter(|_| counts && Columns::answer_all(self.search)) {
            let Some(columns) = Columns::at_best(self.search, Wants::Total)? else {
                return Ok(None);
            };
            if let Some(found) = self.along_shortly(walk)? {
                let total = columns.mask()?.total;
                return Ok(Some(Found { total, columns: true, ..found }));
            }
        }
        if let Some(found) = self.far()? {
            return Ok(Some(found));
        }
        let Some(columns) = Columns::at_best(self.search, Wants::Page)? else { return Ok(None) };
        let found = columns.page(self.list)?;
        Ok(Some(Found { total: found.total, records: found.records, index: None, columns: true }))
    }

    /// An index in the order wanted, if the page lies near its beginning.
    fn short_walk(&self) -> Option<&Walk<'_>> {
        if self.list.offset.saturating_add(self.list.limit) > SOON {
            return None;
        }
        Some(self.search.ordered()?.0)
    }

    /// A page that lies far along an index, where what comes before it is passed over by columns.
    fn far(&self) -> Result<Option<Found>> {
        let List { offset, limit, .. } = *self.list;
        if offset == 0 || offset.saturating_add(limit) <= SOON || !Columns::answer_all(self.search)
        {
            return Ok(None);
        }
        let walk = self.search.ordered().filter(|(walk, _)| walk.narrow);
        let Some((walk, course)) = walk else { return Ok(None) };
        let Some(columns) = Columns::at_best(self.search, Wants::Total)? else { return Ok(None) };
        let index = Some(walk.index.name.clone());
        let found = far::page(self.search, &columns, (walk, course.order), (offset, limit))?;
        Ok(found.map(|(records, total)| Found { records, total, index, columns: true }))
    }

    /// The page by an index, unless that takes long.
    fn along_shortly(&self, walk: &Walk) -> Result<Option<Found>> {
        let until = self.list.offset.saturating_add(self.list.limit);
        let all = self.search.conjuncts.is_empty();
        let patience = 4 * until + SOON;
        self.along(walk, self.search.is_exact(walk), patience, self.list.total && all)
    }

    /// Follows an index that has the order wanted, and stops as soon as the page is full and the
    /// total known, if it is to count. `None` when `patience` records were read and there is no end
    /// in sight.
    fn along(
        &self,
        walk: &Walk,
        exact: bool,
        patience: u64,
        counts: bool,
    ) -> Result<Option<Found>> {
        let search = self.search;
        let Some(order) = search.order(walk) else { return Ok(None) };
        let all = search.conjuncts.is_empty() && self.after.is_none();
        let mut at = Evaluator::new(search.scope, search.tree, search.spent);
        let mut found = Found { index: Some(walk.index.name.clone()), ..Found::default() };
        let until = self.list.offset.saturating_add(self.list.limit);
        let mut read = 0;
        let mut lost = false;
        if self.after.is_some() && walk.index.columns.iter().any(|column| column.each) {
            return Ok(None);
        }
        let range = match &self.after {
            // Among what the walk is held to, the record may have no place by its other columns.
            Some(After { record, .. }) => {
                let sort = &search.tree.sort;
                if !plan::has_place(walk, search.collection, sort, record) {
                    return Ok(None);
                }
                rest(walk, record, order)
            }
            None => walk.range.clone(),
        };
        let (scope, collection) = (search.scope, search.collection);
        rows::entries(scope, search.spent, Some(collection), range, order, &mut |entry| {
            let on_page = (self.list.offset..until).contains(&found.total);
            if !exact || on_page {
                read += 1;
                if read > patience {
                    lost = true;
                    return Ok(true);
                }
                let record = entry.record(scope, collection, search.spent)?;
                let Some(record) = record else { return Ok(false) };
                if !exact && !at.matches(&record)? {
                    return Ok(false);
                }
                if on_page {
                    found.records.push(record);
                }
            }
            found.total += 1;
            Ok(found.total >= until && (!counts || all))
        })?;
        if lost {
            return Ok(None);
        }
        if all && counts {
            found.total = search.count()?;
        }
        Ok(Some(found))
    }

    /// Looks at every match, in whatever order they come.
    fn gathered(&self) -> Result<Found> {
        let search = self.search;
        let sort = &search.tree.sort;
        let seed = seed(search);
        let ties = search.ties();
        let mut best = Best::new(sort, ties, self.list.offset.saturating_add(self.list.limit));
        let mut total = 0;
        let index = search.each(&mut |at, record| {
            let values = at.sort_values(&record, seed)?;
            let found = (values, record);
            if let Some(After { values, record }) = &self.after {
                let after = (values.clone(), record.clone());
                if best::order(sort, ties, &found, &after) != Ordering::Greater {
                    return Ok(false);
                }
            }
            total += 1;
            best.add(found.0, found.1);
            Ok(false)
        })?;
        let skipped = usize::try_from(self.list.offset).unwrap_or(usize::MAX);
        let records = best.sorted().into_iter().skip(skipped).collect();
        Ok(Found { records, total, index, columns: false })
    }
}

/// What is left of a walk behind a record.
fn rest(walk: &Walk, record: &Record, order: Order) -> Range {
    let end = plan::entry_end(walk.index, walk.fixed, record);
    let key = [&walk.range.from[..walk.head], &end].concat();
    let mut range = walk.range.clone();
    match order {
        Order::Forward => range.from = range.from.max(rows::behind(&key)),
        Order::Backward => range.until = range.until.min(key),
    }
    if range.until < range.from {
        range.until.clone_from(&range.from);
    }
    range
}
