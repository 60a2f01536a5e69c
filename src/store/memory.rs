//! First store: everything in one persistent map, one writer at a time.

use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use parking_lot::{Mutex, RwLock};

use crate::store::{Derive, Derived, Error, Memos, Order, Range, Read, Result};

type Map = OrdMap<Vec<u8>, Bytes>;

/// Keys and bytes, read at one position and written in one transaction at a time.
pub struct Store {
    head: RwLock<Map>,
    writer: Mutex<u64>,
    derive: Arc<dyn Derive>,
    memos: Arc<Memos>,
}

/// All of the store as of one position.
pub struct Snapshot {
    map: Map,
    memos: Arc<Memos>,
}

/// A snapshot, its own writes laid over it, and what it read.
pub struct Tx {
    map: Map,
    stamp: u64,
    derive: Arc<dyn Derive>,
    memos: Arc<Memos>,
}

impl Store {
    /// Opens a throw-away store.
    pub fn memory(derive: Arc<dyn Derive>) -> Self {
        Self { head: RwLock::new(Map::new()), writer: Mutex::new(0), derive, memos: Arc::default() }
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot { map: self.head.read().clone(), memos: self.memos.clone() }
    }

    /// Runs `rule` and commits what it wrote; returns when that is durable. An error writes nothing.
    pub fn write<T, E: From<Error>>(&self, rule: impl Fn(&mut Tx) -> Result<T, E>) -> Result<T, E> {
        let mut stamp = self.writer.lock();
        let mut tx = Tx {
            map: self.head.read().clone(),
            stamp: *stamp,
            derive: self.derive.clone(),
            memos: self.memos.clone(),
        };
        let answer = rule(&mut tx)?;
        *stamp = tx.stamp;
        *self.head.write() = tx.map;
        Ok(answer)
    }
}

impl Tx {
    /// Puts `value` under a primary key; its derived entries follow by themselves.
    pub fn put(&mut self, key: &[u8], value: impl Into<Bytes>) -> Result<()> {
        let value = value.into();
        self.underive(key)?;
        self.map.insert(key.to_vec(), value.clone());
        let derived = self.derived(key, &value)?;
        self.enter(derived);
        Ok(())
    }

    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.underive(key)?;
        self.map.remove(key);
        Ok(())
    }

    /// Deletes every key under `prefix`: one operation, however many keys.
    pub fn clear(&mut self, prefix: &[u8]) -> Result<()> {
        for (key, _) in scan(&self.map, &Range::prefix(prefix), Order::Forward, usize::MAX) {
            self.delete(&key)?;
        }
        Ok(())
    }

    /// Drops every derived entry under `derived` and derives anew from every key under `primary`,
    /// by the schema as this transaction now sees it. One operation, however many keys.
    pub fn rederive(&mut self, derived: &[&[u8]], primary: &[u8]) -> Result<()> {
        for prefix in derived {
            for (key, _) in scan(&self.map, &Range::prefix(prefix), Order::Forward, usize::MAX) {
                self.map.remove(&key[..]);
            }
        }
        for (key, value) in scan(&self.map, &Range::prefix(primary), Order::Forward, usize::MAX) {
            let derived = self.derived(&key, &value)?;
            self.enter(derived);
        }
        Ok(())
    }

    /// Returns a number larger than any stamp given before: orders what was created.
    pub fn stamp(&mut self) -> u64 {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_micros() as u64);
        self.stamp = now.max(self.stamp + 1);
        self.stamp
    }

    fn derived(&self, key: &[u8], value: &[u8]) -> Result<Derived> {
        let mut derived = Derived::default();
        self.derive.derive(self, key, value, &mut derived)?;
        Ok(derived)
    }

    fn underive(&mut self, key: &[u8]) -> Result<()> {
        let Some(old) = self.map.get(key).cloned() else { return Ok(()) };
        let derived = self.derived(key, &old)?;
        for (key, _) in derived.entries {
            self.map.remove(&key);
        }
        for counter in derived.counts {
            let count = count(&self.map, &counter).saturating_sub(1);
            self.map.insert(counter, count.to_be_bytes().to_vec().into());
        }
        Ok(())
    }

    fn enter(&mut self, derived: Derived) {
        for (key, value) in derived.entries {
            self.map.insert(key, value.into());
        }
        for counter in derived.counts {
            let count = count(&self.map, &counter) + 1;
            self.map.insert(counter, count.to_be_bytes().to_vec().into());
        }
    }
}

impl Read for Tx {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.map.get(key).cloned())
    }
    fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        Ok(scan(&self.map, range, order, limit))
    }
    fn count(&self, counter: &[u8]) -> Result<u64> {
        Ok(count(&self.map, counter))
    }
    fn memos(&self) -> &Memos {
        &self.memos
    }
}

impl Read for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.map.get(key).cloned())
    }
    fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        Ok(scan(&self.map, range, order, limit))
    }
    fn count(&self, counter: &[u8]) -> Result<u64> {
        Ok(count(&self.map, counter))
    }
    fn memos(&self) -> &Memos {
        &self.memos
    }
}

fn count(map: &Map, counter: &[u8]) -> u64 {
    map.get(counter).and_then(|bytes| bytes[..].try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn scan(map: &Map, range: &Range, order: Order, limit: usize) -> Vec<(Bytes, Bytes)> {
    let entries = map.range(range.from.clone()..range.until.clone());
    let copy = |(key, value): (&Vec<u8>, &Bytes)| (Bytes::copy_from_slice(key), value.clone());
    match order {
        Order::Forward => entries.take(limit).map(copy).collect(),
        Order::Backward => entries.rev().take(limit).map(copy).collect(),
    }
}
