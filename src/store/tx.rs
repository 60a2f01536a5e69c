//! A transaction: a snapshot, its own writes laid over it, and what it read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::Derived;
use crate::store::Error;
use crate::store::Order;
use crate::store::Range;
use crate::store::Read;
use crate::store::Result;
use crate::store::batch::{Batch, Op};
use crate::store::keys;
use crate::store::layers;
use crate::store::pages::Pages;
use crate::store::shared::Shared;
use crate::store::snapshot::View;

mod indexing;
mod reads;

pub(super) use reads::ReadSet;
use reads::thread_cpu_ns;

/// Most operations of an ordinary commit, and their bytes: what a request may cost the others.
const OPS_LIMIT: usize = 10_000;
const BYTES_LIMIT: usize = 32 << 20;
/// The same for batches, cascades, truncation and imports that are all or nothing.
const BULK_OPS_LIMIT: usize = 200_000;
const BULK_BYTES_LIMIT: usize = 64 << 20;
/// CPU time that a rule may take inside the commit, where everybody waits for it.
const BUDGET_NS: u64 = 50_000_000;

/// What a rule runs on. Nothing of it is seen by others before it is committed.
pub struct Tx {
    view: View,
    mode: Mode,
    batch: Batch,
    bytes: usize,
    limits: (usize, usize),
    reads: RefCell<ReadSet>,
    /// The rule was told an error that says nothing of the rule: its answer does not count.
    failed: Cell<Option<Failure>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// On a snapshot: what is read is recorded, and validated by the commit.
    Attempt,
    /// Inside the commit, where nothing changes meanwhile; up to this CPU time of the thread.
    Commit { deadline_ns: u64 },
    /// Journaled operations, done again.
    Replay,
    /// The same for primary keys alone: what is derived is made at the end, from nothing.
    Rebuild,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    TooOld,
    OverBudget,
}

/// What remains of a transaction when its rule is done.
pub(super) struct Ended {
    /// Still pinned: what it read must not leave the window before it is validated.
    pub view: View,
    pub batch: Batch,
    pub bytes: usize,
    pub reads: ReadSet,
    pub failed: Option<Failure>,
}

impl Tx {
    pub(super) fn attempt(shared: &Arc<Shared>) -> Self {
        Self::new(View::pinned(shared), Mode::Attempt)
    }

    /// As `attempt`, for a thread that must not wait: fails as one whose snapshot ended.
    pub(super) fn glance(shared: &Arc<Shared>) -> Self {
        Self::new(View::glance(shared, true), Mode::Attempt)
    }

    pub(super) fn in_commit(shared: &Arc<Shared>) -> Self {
        let deadline_ns = thread_cpu_ns() + BUDGET_NS;
        Self::new(View::newest(shared), Mode::Commit { deadline_ns })
    }

    pub(super) fn replay(shared: &Arc<Shared>, derives: bool) -> Self {
        let mode = if derives { Mode::Replay } else { Mode::Rebuild };
        let mut tx = Self::new(View::newest(shared), mode);
        tx.limits = (usize::MAX, usize::MAX);
        tx
    }

    fn new(view: View, mode: Mode) -> Self {
        Self {
            view,
            mode,
            batch: Batch::default(),
            bytes: 0,
            limits: (OPS_LIMIT, BYTES_LIMIT),
            reads: RefCell::default(),
            failed: Cell::new(None),
        }
    }

    pub(super) fn end(self) -> Ended {
        Ended {
            view: self.view,
            batch: self.batch,
            bytes: self.bytes,
            reads: self.reads.into_inner(),
            failed: self.failed.get(),
        }
    }

    /// Puts `value` under a primary key; its derived entries follow by themselves.
    pub fn put(&mut self, key: &[u8], value: impl Into<Bytes>) -> Result<()> {
        self.replace_with(key, value, Bytes::new())
    }

    /// The same, and leaves word of what this took away for readers of the journal: nothing else
    /// keeps old values.
    pub fn replace_with(&mut self, key: &[u8], value: impl Into<Bytes>, undo: Bytes) -> Result<()> {
        let old = if self.mode == Mode::Rebuild { None } else { self.get(key)? };
        self.set(key, value.into(), undo, old)
    }

    /// Puts `value` under a primary key that the rule has found free: spares a second look.
    pub fn put_new(&mut self, key: &[u8], value: impl Into<Bytes>) -> Result<()> {
        debug_assert!(matches!(self.get(key), Ok(None) | Err(_)), "the key is taken");
        self.set(key, value.into(), Bytes::new(), None)
    }

    fn set(&mut self, key: &[u8], value: Bytes, undo: Bytes, old: Option<Bytes>) -> Result<()> {
        debug_assert!(!keys::is_derived(key), "derived keys are never put by rules");
        let key = Bytes::copy_from_slice(key);
        let bytes = key.len() + value.len() + undo.len();
        self.note_op(Op::Put { key: key.clone(), value: value.clone(), undo }, bytes)?;
        if self.mode != Mode::Rebuild {
            let before = self.derived(&key, old.as_deref())?;
            let after = self.derived(&key, Some(&value))?;
            self.replace(before, after);
        }
        self.batch.writes.insert(key, Some(value));
        Ok(())
    }

    /// Deletes a primary key, if it is there, with its derived entries.
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.take_away(key, Bytes::new())
    }

    /// The same, and leaves word of what was there for readers of the journal.
    pub fn take_away(&mut self, key: &[u8], undo: Bytes) -> Result<()> {
        let key = Bytes::copy_from_slice(key);
        let bytes = key.len() + undo.len();
        self.note_op(Op::Delete { key: key.clone(), undo }, bytes)?;
        let old = self.get(&key)?;
        self.remove(key, old.as_deref())
    }

    /// Deletes every key under `prefix`: one operation, however many keys.
    pub fn clear(&mut self, prefix: &[u8]) -> Result<()> {
        self.note_op(Op::Clear { prefix: Bytes::copy_from_slice(prefix) }, prefix.len())?;
        self.each(prefix, |tx, key, value| tx.remove(key, Some(&value)))
    }

    /// Drops every derived entry under `derived` and derives anew from every key under `primary`,
    /// by the schema as this transaction now sees it. What else these keys have (entries and
    /// counters under other prefixes) stays. One operation, however many keys.
    pub fn rederive(&mut self, derived: &[&[u8]], primary: &[u8]) -> Result<()> {
        let op = Op::Rederive {
            derived: derived.iter().map(|prefix| Bytes::copy_from_slice(prefix)).collect(),
            primary: Bytes::copy_from_slice(primary),
        };
        self.note_op(op, primary.len())?;
        if self.mode == Mode::Rebuild {
            return Ok(());
        }
        let concerned = |key: &[u8]| derived.iter().any(|prefix| key.starts_with(prefix));
        let mut counters: Vec<Bytes> = self.batch.counts.keys().cloned().collect();
        counters.retain(|counter| concerned(counter));
        for prefix in derived {
            self.each(prefix, |tx, key, _| {
                if keys::is_counter(&key) {
                    counters.push(key);
                } else {
                    tx.batch.writes.insert(key, None);
                }
                Ok(())
            })?;
        }
        for counter in counters {
            // Counters are told as differences: this one starts from nothing.
            let count = self.view.count(&counter)?;
            self.batch.counts.insert(counter, -(count as i64));
        }
        self.each(primary, |tx, key, value| {
            let mut fresh = tx.derived(&key, Some(&value))?;
            fresh.entries.retain(|(key, _)| concerned(key));
            fresh.counts.retain(|counter| concerned(counter));
            tx.replace(Derived::default(), fresh);
            Ok(())
        })
    }

    /// Returns a number larger than any stamp given before: orders what was created.
    pub fn stamp(&mut self) -> u64 {
        self.view.shared.next_stamp()
    }

    /// The primary keys that this transaction deletes, as far as it is.
    pub fn deleted(&self) -> impl Iterator<Item = &Bytes> {
        let gone = self.batch.writes.iter().filter(|(_, value)| value.is_none());
        gone.map(|(key, _)| key).filter(|key| !keys::is_derived(key))
    }

    /// Lets this transaction be as large as batches, cascades and imports may be.
    pub fn allow_bulk(&mut self) {
        self.limits = (BULK_OPS_LIMIT, BULK_BYTES_LIMIT);
    }

    /// Leaves word of who does this and why, for readers of the journal.
    pub fn note(&mut self, note: impl Into<Bytes>) {
        self.batch.note = note.into();
    }

    /// Does a journaled operation again.
    pub(super) fn redo(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::Put { key, value, .. } => self.put(key, value.clone()),
            Op::Delete { key, .. } => self.delete(key),
            Op::Clear { prefix } => self.clear(prefix),
            Op::Derive { derived, from, until } => {
                let range = Range { from: from.to_vec(), until: until.to_vec() };
                self.derive(derived, range, usize::MAX).map(drop)
            }
            Op::Drop { from, until } => {
                let range = Range { from: from.to_vec(), until: until.to_vec() };
                self.drop_derived(range, usize::MAX).map(drop)
            }
            Op::Rederive { derived, primary } => {
                let derived: Vec<&[u8]> = derived.iter().map(|prefix| &prefix[..]).collect();
                self.rederive(&derived, primary)
            }
        }
    }

    /// Takes what was written so far, and starts over on top of it once the state has it.
    pub(super) fn take(&mut self) -> Batch {
        self.bytes = 0;
        mem::take(&mut self.batch)
    }

    pub(super) fn len(&self) -> usize {
        self.batch.writes.len()
    }

    fn note_op(&mut self, op: Op, bytes: usize) -> Result<()> {
        self.bytes += bytes;
        if self.batch.ops.len() >= self.limits.0 {
            return Err(Error::TooLarge(format!("more than {} operations", self.limits.0)));
        }
        if self.bytes > self.limits.1 {
            return Err(Error::TooLarge(format!("more than {} MiB", self.limits.1 >> 20)));
        }
        if !matches!(self.mode, Mode::Replay | Mode::Rebuild) {
            self.batch.ops.push(op);
        }
        Ok(())
    }

    fn remove(&mut self, key: Bytes, old: Option<&[u8]>) -> Result<()> {
        let before = self.derived(&key, old)?;
        self.batch.writes.insert(key, None);
        self.replace(before, Derived::default());
        Ok(())
    }

    fn derived(&self, key: &[u8], value: Option<&[u8]>) -> Result<Derived> {
        let mut derived = Derived::default();
        if let Some(value) = value.filter(|_| self.mode != Mode::Rebuild) {
            let derive = self.view.shared.derive.clone();
            derive.derive(self, key, value, &mut derived)?;
        }
        Ok(derived)
    }

    fn replace(&mut self, before: Derived, after: Derived) {
        let mut before_entries: BTreeMap<_, _> = before.entries.into_iter().collect();
        for (key, value) in after.entries {
            if before_entries.remove(&key).is_none_or(|old| old != value) {
                self.batch.writes.insert(key.into(), Some(value.into()));
            }
        }
        for key in before_entries.into_keys() {
            self.batch.writes.insert(key.into(), None);
        }
        for counter in after.counts {
            self.add(counter.into(), 1);
        }
        for counter in before.counts {
            self.add(counter.into(), -1);
        }
    }

    fn add(&mut self, counter: Bytes, by: i64) {
        *self.batch.counts.entry(counter).or_default() += by;
    }

    /// Calls `visit` for every entry under `prefix`.
    fn each(
        &mut self,
        prefix: &[u8],
        mut visit: impl FnMut(&mut Self, Bytes, Bytes) -> Result<()>,
    ) -> Result<()> {
        let (mut rest, mut pages) = (Range::prefix(prefix), Pages::new());
        loop {
            let limit = pages.limit;
            let page = self.scan(&rest, Order::Forward, limit)?;
            pages.saw(&page);
            let last = page.last().filter(|_| page.len() == limit).map(|(key, _)| key.clone());
            for (key, value) in page {
                visit(self, key, value)?;
            }
            match last {
                Some(last) => rest.from = layers::after(&last),
                None => return Ok(()),
            }
        }
    }
}
