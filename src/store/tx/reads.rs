//! How a transaction reads: its own writes first, and everything it saw is remembered.

use std::cell::Cell;
use std::collections::HashSet;

use bytes::Bytes;

use crate::store::Error;
use crate::store::Memos;
use crate::store::Order;
use crate::store::Range;
use crate::store::Read;
use crate::store::Result;
use crate::store::layers;
use crate::store::tx::{Failure, Mode, Tx};
use crate::store::window::Page;

/// Reads between two looks at the clock that bounds a rule inside the commit.
const BUDGET_CHECK: u32 = 16;

/// Keys and ranges whose change would have made a difference to the rule.
#[derive(Default)]
pub(in crate::store) struct ReadSet {
    pub keys: HashSet<Bytes>,
    pub ranges: Vec<Range>,
}

impl Read for Tx {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        if let Some(own) = self.batch.writes.get(key) {
            return Ok(own.clone());
        }
        if self.mode == Mode::Attempt {
            let mut reads = self.reads.borrow_mut();
            if !reads.keys.contains(key) {
                reads.keys.insert(Bytes::copy_from_slice(key));
            }
        }
        self.watch(self.view.get(key))
    }

    fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let found = if self.batch.writes.is_empty() {
            self.view.scan(range, order, limit)
        } else {
            layers::scan(
                range,
                order,
                limit,
                |range, limit| self.own(range, order, limit),
                |range, limit| self.view.scan(range, order, limit),
            )
        };
        let found = self.watch(found)?;
        if self.mode == Mode::Attempt {
            self.record(range, order, limit, &found);
        }
        Ok(found)
    }

    fn count(&self, counter: &[u8]) -> Result<u64> {
        let below = self.watch(self.view.count(counter))?;
        let change = self.batch.counts.get(counter).copied().unwrap_or_default();
        Ok(below.saturating_add_signed(change))
    }

    fn memos(&self) -> &Memos {
        &self.view.shared.memos
    }
}

impl Tx {
    /// Own writes in `range`.
    fn own(&self, range: &Range, order: Order, limit: usize) -> Page {
        let mut page = Page { entries: Vec::new(), cut: false };
        let Some(bounds) = range.bounds() else { return page };
        let copy = |(key, value): (&Bytes, &Option<Bytes>)| (key.clone(), value.clone());
        let entries = self.batch.writes.range::<[u8], _>(bounds);
        page.entries = match order {
            Order::Forward => entries.take(limit).map(copy).collect(),
            Order::Backward => entries.rev().take(limit).map(copy).collect(),
        };
        page.cut = page.entries.len() >= limit;
        page
    }

    /// Notes failures that are not the rule's, and bounds the time spent inside the commit.
    fn watch<T>(&self, found: Result<T>) -> Result<T> {
        if matches!(found, Err(Error::TooOld)) {
            self.failed.set(Some(Failure::TooOld));
        }
        if let Mode::Commit { deadline_ns } = self.mode
            && self.is_time_to_look()
            && thread_cpu_ns() > deadline_ns
        {
            self.failed.set(Some(Failure::OverBudget));
            return Err(Error::Conflict);
        }
        found
    }

    fn is_time_to_look(&self) -> bool {
        thread_local!(static READS: Cell<u32> = const { Cell::new(0) });
        READS.set(READS.get().wrapping_add(1));
        READS.get().is_multiple_of(BUDGET_CHECK)
    }

    fn record(&self, range: &Range, order: Order, limit: usize, found: &[(Bytes, Bytes)]) {
        let mut read = range.clone();
        if found.len() == limit {
            // Cut by the limit: what lies behind the last key made no difference.
            match (order, found.last()) {
                (_, None) => return,
                (Order::Forward, Some((last, _))) => read.until = layers::after(last),
                (Order::Backward, Some((last, _))) => read.from = last.to_vec(),
            }
        }
        self.reads.borrow_mut().ranges.push(read);
    }
}

pub(super) fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the struct it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
