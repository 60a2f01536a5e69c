//! State in memory: a persistent map, so that a copy of all of it is one pointer.

use bytes::Bytes;
use imbl::OrdMap;
use parking_lot::RwLock;

use crate::store::Order;
use crate::store::Range;
use crate::store::batch::Writes;

type Map = OrdMap<Bytes, Bytes>;

#[derive(Default)]
pub(in crate::store) struct Memory(RwLock<Map>);

impl Memory {
    /// Another state that starts as this one is, in constant time.
    pub fn fork(&self) -> Self {
        Self(RwLock::new(self.0.read().clone()))
    }

    pub fn become_like(&self, other: &Self) {
        let map = other.0.read().clone();
        *self.0.write() = map;
    }

    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.0.read().get(key).cloned()
    }

    pub fn scan(&self, range: &Range, order: Order, limit: usize) -> Vec<(Bytes, Bytes)> {
        let map = self.0.read().clone();
        let Some(bounds) = range.bounds() else { return Vec::new() };
        let entries = map.range::<_, [u8]>(bounds);
        let copy = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        match order {
            Order::Forward => entries.take(limit).map(copy).collect(),
            Order::Backward => entries.rev().take(limit).map(copy).collect(),
        }
    }

    pub fn apply(&self, writes: &Writes) {
        let mut map = self.0.write();
        for (key, value) in writes {
            match value {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(&key[..]),
            };
        }
    }
}
