//! Values of the state that were read lately: a read that finds its own here asks sled nothing.
//!
//! The cache stands behind the window, so it needs no positions: the applier replaces what is there
//! after the state has it and before it leaves the window, and readers fill only while their
//! snapshot keeps the applier from passing them.
//!
//! A look costs what it misses in the processor's caches: so a key, its value and the count of who
//! holds them lie side by side, and nothing is moved when something is read.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::store::Held;
use crate::store::batch::Writes;
use crate::store::keys;
use crate::store::packed::packed;

/// What an entry costs beyond its key and value: its place in the table and in the queue.
const OVERHEAD: usize = 96;
/// Bytes that the processor fetches at a time, and most that are fetched of a value.
const LINE: usize = 64;
const FETCHED: usize = 1024;
/// Parts with a lock each. A power of two.
const SHARDS: usize = 16;

pub(super) struct Cache {
    shards: [RwLock<Shard>; SHARDS],
    hasher: DefaultHashBuilder,
    /// Held by those who fill; the applier takes it whole before it ends snapshots.
    filling: RwLock<()>,
}

struct Shard {
    table: HashTable<Entry>,
    /// Hashes of what is there, the oldest first. Some are of what is gone.
    queue: VecDeque<u64>,
    bytes: usize,
    limit: usize,
}

struct Entry {
    hash: u64,
    /// Key and value.
    whole: Bytes,
    key_length: u32,
    /// Somebody read it since it last stood first in the queue: it may go to its end.
    used: AtomicBool,
}

impl Cache {
    pub fn new(bytes: u64) -> Self {
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX) / SHARDS;
        let shard = || Shard { table: HashTable::new(), queue: VecDeque::new(), bytes: 0, limit };
        Self {
            shards: std::array::from_fn(|_| RwLock::new(shard())),
            hasher: DefaultHashBuilder::default(),
            filling: RwLock::default(),
        }
    }

    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        let hash = self.hasher.hash_one(key);
        self.shard(hash).read().get(hash, key)
    }

    /// What is here under `prefix` and each of `names`. Looks at all of them side by side: first
    /// the processor fetches where the entries are, then what they hold. One look after the other
    /// would wait for memory twice each.
    pub fn held(&self, prefix: &[u8], names: &[&[u8]]) -> Held {
        let mut key = SmallVec::<[u8; 64]>::from_slice(prefix);
        let mut hash = |name: &&[u8]| {
            key.truncate(prefix.len());
            key.extend_from_slice(name);
            self.hasher.hash_one(&key[..])
        };
        let hashes: SmallVec<[u64; 32]> = names.iter().map(&mut hash).collect();
        // All that are asked, in their order: nobody else takes more than one.
        let asked = hashes.iter().fold(0u32, |asked, hash| asked | 1 << shard_of(*hash));
        let shards: [_; SHARDS] =
            std::array::from_fn(|at| (asked >> at & 1 == 1).then(|| self.shards[at].read()));
        let table = |hash: u64| shards[shard_of(hash)].as_ref().map(|shard| &shard.table);
        for hash in &hashes {
            table(*hash).and_then(|table| {
                table.find(*hash, |entry| {
                    fetch(std::ptr::from_ref(entry).cast(), 0);
                    false
                })
            });
        }
        let found: SmallVec<[Option<&Entry>; 32]> = hashes
            .iter()
            .map(|hash| {
                let entry = table(*hash)?.find(*hash, |entry| entry.hash == *hash)?;
                let bytes = entry.whole.len().min(FETCHED);
                (0..bytes).step_by(LINE).for_each(|at| fetch(entry.whole.as_ptr(), at));
                Some(entry)
            })
            .collect();
        let value = |(entry, name): (Option<&Entry>, &&[u8])| {
            let is_of = |entry: &&Entry| entry.key().strip_prefix(prefix) == Some(*name);
            entry.filter(is_of).map(Entry::read)
        };
        found.into_iter().zip(names).map(value).collect()
    }

    /// Keeps what a reader found in the state, if its snapshot `is_alive`.
    pub fn fill(&self, key: &[u8], value: &Bytes, is_alive: impl FnOnce() -> bool) {
        if keys::is_derived(key) && !keys::is_counter(key) {
            return;
        }
        let entry = self.entry(key, value);
        let _filling = self.filling.read();
        if is_alive() {
            self.shard(entry.hash).write().put(entry);
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
            let hash = self.hasher.hash_one(&key[..]);
            let shard = self.shard(hash);
            if !shard.read().has(hash, key) {
                continue;
            }
            match value {
                Some(value) => shard.write().put(self.entry(key, value)),
                None => shard.write().remove(hash, key),
            }
        }
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        &self.shards[shard_of(hash)]
    }

    fn entry(&self, key: &[u8], value: &[u8]) -> Entry {
        Entry {
            hash: self.hasher.hash_one(key),
            whole: packed(key, value),
            key_length: key.len() as u32,
            used: AtomicBool::new(false),
        }
    }
}

impl Shard {
    fn has(&self, hash: u64, key: &[u8]) -> bool {
        self.table.find(hash, |entry| entry.is(hash, key)).is_some()
    }

    fn get(&self, hash: u64, key: &[u8]) -> Option<Bytes> {
        self.table.find(hash, |entry| entry.is(hash, key)).map(Entry::read)
    }

    fn put(&mut self, entry: Entry) {
        self.bytes += entry.cost();
        let hash = entry.hash;
        match self.table.find_mut(hash, |known| known.is(hash, entry.key())) {
            Some(known) => {
                self.bytes -= known.cost();
                (known.whole, known.key_length) = (entry.whole, entry.key_length);
            }
            None => {
                self.table.insert_unique(hash, entry, |entry| entry.hash);
                self.queue.push_back(hash);
            }
        }
        self.make_room();
    }

    fn remove(&mut self, hash: u64, key: &[u8]) {
        if let Ok(found) = self.table.find_entry(hash, |entry| entry.is(hash, key)) {
            self.bytes -= found.remove().0.cost();
        }
        if self.queue.len() > 2 * self.table.len() + SHARDS {
            self.queue = self.table.iter().map(|entry| entry.hash).collect();
        }
    }

    /// Drops what nobody read, the oldest first, until the rest fits.
    fn make_room(&mut self) {
        while self.bytes > self.limit
            && let Some(hash) = self.queue.pop_front()
        {
            let Ok(found) = self.table.find_entry(hash, |entry| entry.hash == hash) else {
                continue;
            };
            if found.get().used.swap(false, Relaxed) {
                self.queue.push_back(hash);
            } else {
                self.bytes -= found.remove().0.cost();
            }
        }
    }
}

fn shard_of(hash: u64) -> usize {
    // Not the bits that the table goes by.
    (hash >> 32) as usize % SHARDS
}

/// Asks the processor for the line at `start` + `offset`, and does not wait.
fn fetch(start: *const u8, offset: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which reads nothing that the program sees; any address will do.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, offset);
}

impl Entry {
    fn key(&self) -> &[u8] {
        &self.whole[..self.key_length as usize]
    }

    fn read(&self) -> Bytes {
        // Written only when it changes: readers on other cores have it too.
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
        self.whole.slice(self.key_length as usize..)
    }

    fn is(&self, hash: u64, key: &[u8]) -> bool {
        self.hash == hash && self.key() == key
    }

    fn cost(&self) -> usize {
        self.whole.len() + OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn key(number: u8) -> Vec<u8> {
        keys::record(1, &format!("id{number}"))
    }

    proptest! {
        #[test]
        fn what_is_there_is_what_the_state_has(
            steps in prop::collection::vec((0..3u8, any::<u8>(), prop::option::of(0..700usize)), 1..400),
            limit in 1_000..60_000u64,
        ) {
            let cache = Cache::new(limit);
            let mut state = BTreeMap::new();
            for (at, (what, number, length)) in steps.into_iter().enumerate() {
                let key = key(number);
                match what {
                    0 => {
                        let value = length.map(|length| Bytes::from(vec![at as u8; length]));
                        state.insert(key.clone(), value.clone());
                        cache.applied(&Writes::from([(key.into(), value)]));
                    }
                    1 => if let Some(Some(value)) = state.get(&key) {
                        cache.fill(&key, value, || true);
                    },
                    _ => if let Some(found) = cache.get(&key) {
                        prop_assert_eq!(Some(&Some(found)), state.get(&key));
                    },
                }
                for shard in &cache.shards {
                    let shard = shard.read();
                    let bytes: usize = shard.table.iter().map(Entry::cost).sum();
                    prop_assert_eq!(bytes, shard.bytes);
                    prop_assert!(bytes <= shard.limit);
                    prop_assert!(shard.queue.len() >= shard.table.len());
                }
            }
        }
    }

    #[test]
    fn what_is_read_outlives_what_is_not() {
        let cache = Cache::new(64 << 10);
        let value = Bytes::from(vec![7; 100]);
        cache.fill(&key(0), &value, || true);
        for round in 0..2_000_u32 {
            assert_eq!(cache.get(&key(0)), Some(value.clone()));
            cache.fill(&keys::record(2, &format!("once{round}")), &value, || true);
        }
    }

    #[test]
    fn many_at_once_are_what_each_is() {
        let cache = Cache::new(64 << 10);
        for number in (0..40).step_by(3) {
            cache.fill(&key(number), &Bytes::from(vec![number; 100]), || true);
        }
        let names: Vec<String> = (0..40).map(|number| format!("id{number}")).collect();
        let names: Vec<&[u8]> = names.iter().map(String::as_bytes).chain([&b""[..]]).collect();
        let held = cache.held(&keys::records(1), &names);
        let each = names.iter().map(|name| cache.get(&[&keys::records(1), *name].concat()));
        assert_eq!(held.to_vec(), each.collect::<Vec<_>>());
        assert_eq!(held.iter().flatten().count(), 14);
    }

    #[test]
    fn nothing_is_kept_for_a_snapshot_that_ended() {
        let cache = Cache::new(64 << 10);
        cache.fill(&key(0), &Bytes::from("x"), || false);
        assert_eq!(cache.get(&key(0)), None);
    }
}
