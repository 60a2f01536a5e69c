//! Values of the state that were read lately: a read that finds its own here asks sled nothing.
//!
//! The cache stands behind the window, so it needs no positions: the applier replaces what is there
//! after the state has it and before it leaves the window, and readers fill only while their
//! snapshot keeps the applier from passing them.

use std::ops::Bound;

use bytes::Bytes;
use parking_lot::RwLock;
use quick_cache::Weighter;
use quick_cache::sync::Cache as Kept;

use crate::store::batch::Writes;
use crate::store::keys;

/// What an entry costs beyond its key and value.
const OVERHEAD: usize = 128;
/// What an entry is taken to weigh before there are any.
const TYPICAL_BYTES: u64 = 512;

pub(super) struct Cache {
    kept: Kept<Bytes, Bytes, Weight>,
    /// Held by those who fill; the applier takes it whole before it ends snapshots.
    filling: RwLock<()>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Bytes, Bytes> for Weight {
    fn weight(&self, key: &Bytes, value: &Bytes) -> u64 {
        (key.len() + value.len() + OVERHEAD) as u64
    }
}

impl Cache {
    pub fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / TYPICAL_BYTES).unwrap_or(usize::MAX);
        Self { kept: Kept::with_weighter(items, bytes, Weight), filling: RwLock::default() }
    }

    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.kept.get(key)
    }

    /// Keeps what a reader found in the state, if its snapshot `is_alive`.
    pub fn fill(&self, key: &[u8], value: &Bytes, is_alive: impl FnOnce() -> bool) {
        if keys::is_derived(key) && !keys::is_counter(key) {
            return;
        }
        let _filling = self.filling.read();
        if is_alive() {
            self.kept.insert(Bytes::copy_from_slice(key), value.clone());
        }
    }

    /// Runs what ends snapshots: whoever fills does so before it, or finds its snapshot ended.
    pub fn while_nobody_fills(&self, end: impl FnOnce()) {
        let _all = self.filling.write();
        end();
    }

    /// The state has these writes now.
    pub fn applied(&self, writes: &Writes) {
        let primary = (Bound::Unbounded, Bound::Excluded(keys::FIRST_DERIVED));
        let primary = writes.range::<[u8], _>(primary);
        for (key, value) in primary.chain(writes.range::<[u8], _>(keys::counters())) {
            match value {
                Some(value) => drop(self.kept.replace(key.clone(), value.clone(), true)),
                None => drop(self.kept.remove(key)),
            }
        }
    }
}
