//! The rolls of a store: made on demand, kept up to date by commits, dropped when memory is short.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::store::Order;
use crate::store::Range;
use crate::store::Read;
use crate::store::Result;
use crate::store::batch::Writes;
use crate::store::keys;
use crate::store::layers;
use crate::store::pages::Pages;
use crate::store::roll::Roll;
use crate::store::shared::Shared;
use crate::store::snapshot::Snapshot;

/// About what a key costs with a column or two.
const KEY_BYTES: usize = 64;
/// Keys that may be gone, beyond as many as there are, before a roll is made anew.
const GONE_MAX: u64 = 4096;

#[derive(Default)]
pub(super) struct Rolls {
    by_prefix: RwLock<HashMap<Bytes, Arc<Roll>>>,
    /// Whether there is any: most commits then look no further.
    any: AtomicBool,
    clock: AtomicU64,
    /// What was spent for want of rolls and what is kept beside them.
    debts: Mutex<HashMap<Bytes, u64>>,
}

impl Rolls {
    /// Adds `cost` to what was spent on the keys under `prefix`; true, and nothing owed any more, once
    /// that comes to `limit`.
    pub fn owe(&self, prefix: &[u8], cost: u64, limit: u64) -> bool {
        let mut debts = self.debts.lock();
        let debt = debts.entry(Bytes::copy_from_slice(prefix)).or_default();
        *debt = debt.saturating_add(cost);
        if *debt < limit {
            return false;
        }
        debts.remove(prefix);
        true
    }

    /// Notes which keys a batch changes. Called before the batch can be seen.
    pub fn touch(&self, position: u64, writes: &Writes) {
        if !self.any.load(SeqCst) {
            return;
        }
        let rolls = self.by_prefix.read();
        for key in writes.range::<[u8], _>(keys::rolled()).map(|(key, _)| key) {
            let (prefix, name) = key.split_at(keys::ROLL_PREFIX.min(key.len()));
            if let Some(roll) = rolls.get(prefix) {
                roll.touch(name, position);
            }
        }
    }

    pub fn clear(&self) {
        self.by_prefix.write().clear();
        self.debts.lock().clear();
        self.any.store(false, SeqCst);
    }

    pub fn bytes(&self) -> usize {
        self.by_prefix.read().values().map(|roll| roll.bytes()).sum()
    }

    fn find(&self, prefix: &[u8]) -> Option<Arc<Roll>> {
        let roll = self.by_prefix.read().get(prefix)?.clone();
        roll.used.store(self.clock.fetch_add(1, SeqCst), SeqCst);
        Some(roll)
    }

    /// Drops what was used longest ago, all but `spared`, until the rest fits into `budget`.
    fn make_room(&self, budget: usize, spared: &[u8]) {
        while self.bytes() > budget {
            let mut rolls = self.by_prefix.write();
            let others = rolls.iter().filter(|(prefix, roll)| *prefix != spared && roll.is_ready());
            let oldest = others.min_by_key(|(_, roll)| roll.used.load(SeqCst));
            let Some(oldest) = oldest.map(|(prefix, _)| prefix.clone()) else { return };
            rolls.remove(&oldest);
        }
    }
}

impl Shared {
    /// The roll of the keys under `prefix`, if there is one that is of use.
    pub fn known_roll(&self, prefix: &[u8], count: Option<u64>) -> Result<Option<Arc<Roll>>> {
        self.rolls.make_room(self.options.column_bytes, prefix);
        let Some(roll) = self.rolls.find(prefix) else { return Ok(None) };
        if roll.bytes() > self.options.column_bytes {
            // Alone too large: not worth making again and again.
            roll.give_up();
        }
        let most = count.map_or(u64::MAX, |count| count.saturating_mul(2).saturating_add(GONE_MAX));
        if roll.is_ready() && roll.len() as u64 > most {
            // Most of its keys are gone.
            self.rolls.by_prefix.write().remove(prefix);
            return Ok(None);
        }
        Ok(Some(roll))
    }

    /// Makes the roll of the `count` keys under `prefix`; `None` where it would take too much memory,
    /// or somebody else is at it.
    pub fn make_roll(self: &Arc<Self>, prefix: &[u8], count: u64) -> Result<Option<Arc<Roll>>> {
        let bytes = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(KEY_BYTES);
        if prefix.len() != keys::ROLL_PREFIX || bytes > self.options.column_bytes {
            return Ok(None);
        }
        let roll = Arc::new(Roll::default());
        {
            // Not in the middle of a commit: it would be seen without having been noted.
            let _core = self.core.lock();
            let mut rolls = self.rolls.by_prefix.write();
            if rolls.contains_key(prefix) {
                return Ok(None);
            }
            rolls.insert(Bytes::copy_from_slice(prefix), roll.clone());
            self.rolls.any.store(true, SeqCst);
        }
        let called = self.call_roll(prefix, &roll);
        if called.is_err() {
            self.rolls.by_prefix.write().remove(prefix);
        }
        called.map(|()| Some(roll))
    }

    /// Adds every key there is. Each page is read on a snapshot of its own: what changes meanwhile
    /// is noted by the commits.
    fn call_roll(self: &Arc<Self>, prefix: &[u8], roll: &Roll) -> Result<()> {
        let (mut rest, mut pages) = (Range::prefix(prefix), Pages::new());
        loop {
            let limit = pages.limit;
            let snapshot = Snapshot::new(self);
            let page = snapshot.scan(&rest, Order::Forward, limit)?;
            pages.saw(&page);
            roll.adopt(page.iter().map(|(key, _)| &key[prefix.len()..]));
            match page.last().filter(|_| page.len() == limit) {
                Some((last, _)) => rest.from = layers::after(last),
                None => {
                    roll.ready(snapshot.position());
                    return Ok(());
                }
            }
        }
    }
}
