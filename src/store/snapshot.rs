//! Reading at one position: the window above, the state below.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::smallvec;

use crate::store::Error;
use crate::store::Held;
use crate::store::Memos;
use crate::store::Order;
use crate::store::Passing;
use crate::store::Range;
use crate::store::Read;
use crate::store::Result;
use crate::store::layers;
use crate::store::roll::Roll;
use crate::store::shared::Shared;
use crate::store::state::State;
use crate::store::stats;

/// Entries that a glance may look at in all: about what a hop to another thread costs.
const GLANCE: usize = 256;

/// All of the store as of one position, for as long as it lives.
pub struct Snapshot {
    view: View,
}

/// A reader at a position. A pinned one holds that position; the other, used inside the commit,
/// reads the newest, even what is not on the disk yet.
pub(super) struct View {
    pub shared: Arc<Shared>,
    at: u64,
    pinned: bool,
    /// Of a glance.
    patience: Option<Patience>,
}

/// What a glance may look at.
struct Patience {
    /// How many more entries; `None`: it has given up.
    left: Cell<Option<usize>>,
    /// Whether it may ask the state on disk, which mostly answers from memory.
    asks_disk: bool,
}

impl Snapshot {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { view: View::pinned(shared) }
    }

    /// A snapshot for a thread that must not wait: it answers what memory knows and what takes no
    /// time, and otherwise gives up.
    pub(super) fn glance(shared: &Arc<Shared>) -> Self {
        Self { view: View::glance(shared, false) }
    }

    /// Whether this was a glance that was not enough: what was read is void.
    pub fn gave_up(&self) -> bool {
        self.view.gave_up()
    }

    pub(super) fn position(&self) -> u64 {
        self.view.at
    }

    /// The number of the latest group that this snapshot sees.
    pub fn seq(&self) -> u64 {
        crate::store::batch::position::seq(self.view.at)
    }
}

impl View {
    pub fn pinned(shared: &Arc<Shared>) -> Self {
        Self { at: shared.pin(), shared: shared.clone(), pinned: true, patience: None }
    }

    /// For a thread that must not wait.
    pub fn glance(shared: &Arc<Shared>, asks_disk: bool) -> Self {
        let mut view = Self::pinned(shared);
        view.patience = Some(Patience { left: Cell::new(Some(GLANCE)), asks_disk });
        view
    }

    fn gave_up(&self) -> bool {
        self.patience.as_ref().is_some_and(|patience| patience.left.get().is_none())
    }

    pub fn newest(shared: &Arc<Shared>) -> Self {
        Self { at: u64::MAX, shared: shared.clone(), pinned: false, patience: None }
    }

    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        stats::add(&self.shared.counters.gets, 1);
        self.spend(1)?;
        self.look(key)
    }

    fn look(&self, key: &[u8]) -> Result<Option<Bytes>> {
        if let Some(version) = self.shared.window.get(key, self.at) {
            return Ok(version);
        }
        let State::Sled(state) = &self.shared.state else {
            let found = self.shared.state.get(key);
            // After the look: what we needed may have left the window before it.
            self.is_alive()?;
            return found;
        };
        if let Some(cached) = self.shared.cache.get(key) {
            self.is_alive()?;
            return Ok(Some(cached));
        }
        if self.patience.as_ref().is_some_and(|patience| !patience.asks_disk) {
            self.spend(usize::MAX)?;
        }
        let found = self.shared.told(state.get(key));
        self.is_alive()?;
        if let Ok(Some(value)) = &found
            && self.pinned
        {
            self.shared.cache.fill(key, value, || self.shared.is_readable(self.at));
        }
        found
    }

    /// See [`Read::held`].
    fn held(&self, prefix: &[u8], names: &[&[u8]]) -> Option<Held> {
        let State::Sled(_) = self.shared.state else { return None };
        // In this order, as above.
        let newer = self.shared.window.held(prefix, names, self.at);
        let mut held = self.shared.cache.held(prefix, names);
        for (held, newer) in held.iter_mut().zip(newer) {
            if let Some(version) = newer {
                *held = version;
            }
        }
        self.is_alive().ok()?;
        let count = held.iter().flatten().count();
        self.spend(count).ok()?;
        stats::add(&self.shared.counters.gets, count as u64);
        Some(held)
    }

    /// Lets a glance look at so many entries more, if it has the patience.
    fn spend(&self, entries: usize) -> Result<()> {
        let Some(patience) = &self.patience else { return Ok(()) };
        let left = patience.left.get().and_then(|left| left.checked_sub(entries));
        patience.left.set(left);
        left.map(drop).ok_or(Error::TooOld)
    }

    pub fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        stats::add(&self.shared.counters.scans, 1);
        self.spend(limit)?;
        let found = layers::scan(
            range,
            order,
            limit,
            |range, limit| self.shared.window.page(range, order, self.at, limit),
            |range, limit| self.below(range, order, limit),
        );
        self.is_alive()?;
        found
    }

    /// Entries as the state has them.
    fn below(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let State::Sled(state) = &self.shared.state else {
            return self.shared.state.scan(range, order, limit);
        };
        let ask = |range: &Range, limit| self.shared.told(state.scan(range, order, limit));
        self.shared.leaves.scan(range, order, limit, self.pinned, ask)
    }

    pub fn count(&self, counter: &[u8]) -> Result<u64> {
        Ok(self
            .look(counter)?
            .and_then(|bytes| bytes[..].try_into().ok())
            .map_or(0, u64::from_be_bytes))
    }

    fn is_alive(&self) -> Result<()> {
        if self.pinned && !self.shared.is_readable(self.at) {
            return Err(Error::TooOld);
        }
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if self.pinned {
            self.shared.unpin(self.at);
        }
    }
}

impl Read for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.view.get(key)
    }

    fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        self.view.scan(range, order, limit)
    }

    fn held(&self, prefix: &[u8], names: &[&[u8]]) -> Held {
        self.view.held(prefix, names).unwrap_or_else(|| smallvec![None; names.len()])
    }

    fn count(&self, counter: &[u8]) -> Result<u64> {
        self.view.count(counter)
    }

    fn memos(&self) -> &Memos {
        &self.view.shared.memos
    }

    fn roll(&self, prefix: &[u8], count: Option<u64>) -> Result<Option<Rolled>> {
        let (shared, at) = (&self.view.shared, self.view.at);
        let mut roll = shared.known_roll(prefix, count)?;
        if let (None, Some(count)) = (&roll, count)
            && self.affords(usize::MAX)
        {
            roll = shared.make_roll(prefix, count)?;
        }
        let roll = roll.filter(|roll| roll.is_good_for(at));
        Ok(roll.map(|roll| Rolled { roll, at }))
    }

    fn pass(&self, range: &mut Range, order: Order, passing: &mut Passing) {
        let shared = &self.view.shared;
        // What changed lately would have to be laid over: then entries are told one by one.
        let changes = shared.window.page(range, order, self.view.at, 1);
        if changes.entries.is_empty() && matches!(shared.state, State::Sled(_)) {
            shared.leaves.pass(range, order, passing);
        }
    }

    fn owe(&self, prefix: &[u8], cost: u64, limit: u64) -> bool {
        self.view.shared.rolls.owe(prefix, cost, limit)
    }

    fn affords(&self, entries: usize) -> bool {
        self.view.spend(entries).is_ok()
    }
}

/// A roll, as of the position of a snapshot.
pub struct Rolled {
    pub roll: Arc<Roll>,
    pub at: u64,
}
