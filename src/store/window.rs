//! The latest groups in memory, versioned: what makes snapshots and finds conflicts.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::store::Order;
use crate::store::Range;
use crate::store::batch::Writes;

/// Keys the lock is held for at a time while versions leave: readers wait behind it.
const RETIRE_SLICE: usize = 64;
/// What an entry costs beyond its key and value.
const OVERHEAD: usize = 96;

type Versions = SmallVec<[(u64, Option<Bytes>); 1]>;

/// An ordered map of key → versions, oldest first. Only the commit leader inserts, only the
/// applier retires.
#[derive(Default)]
pub(super) struct Window {
    map: RwLock<BTreeMap<Bytes, Versions>>,
    /// Keys in the map, so that a reader of an empty window takes no lock.
    keys: AtomicUsize,
}

/// A part of the window, in the order asked for.
pub(super) struct Page {
    pub entries: Vec<(Bytes, Option<Bytes>)>,
    /// The page was cut by its limit: keys beyond its last are not told.
    pub cut: bool,
}

impl Window {
    /// Adds the versions of `position`; returns what they cost.
    pub fn insert(&self, position: u64, writes: &Writes) -> usize {
        let mut cost = 0;
        let mut map = self.map.write();
        for (key, value) in writes {
            cost += cost_of(key, value);
            map.entry(key.clone()).or_default().push((position, value.clone()));
        }
        self.keys.store(map.len(), Relaxed);
        cost
    }

    /// Takes back what was inserted above `head` under these keys; returns what it had cost.
    pub fn withdraw<'a>(&self, keys: impl Iterator<Item = &'a Bytes>, head: u64) -> usize {
        let mut map = self.map.write();
        let mut freed = 0;
        for key in keys {
            let Some(versions) = map.get_mut(key) else { continue };
            freed += drop_versions(key, versions, |at| at > head);
            if versions.is_empty() {
                map.remove(key);
            }
        }
        self.keys.store(map.len(), Relaxed);
        freed
    }

    /// Drops the versions up to `position` of these keys, which are in order: the state has them.
    /// Returns their cost.
    pub fn retire(&self, keys: &[&Bytes], position: u64) -> usize {
        let mut freed = 0;
        for slice in keys.chunks(RETIRE_SLICE) {
            let (Some(first), Some(last)) = (slice.first(), slice.last()) else { break };
            let range = (Bound::Included(*first), Bound::Included(*last));
            let mut map = self.map.write();
            // One walk instead of many searches: whatever else lies between is newer, and stays.
            let gone = map.extract_if(range, |key, versions| {
                freed += drop_versions(key, versions, |at| at <= position);
                versions.is_empty()
            });
            gone.for_each(drop);
            self.keys.store(map.len(), Relaxed);
        }
        freed
    }

    /// Returns the version of `key` as of `at`; `None`: not here, look in the state.
    pub fn get(&self, key: &[u8], at: u64) -> Option<Option<Bytes>> {
        if self.keys.load(Relaxed) == 0 {
            return None;
        }
        self.map.read().get(key).and_then(|versions| version(versions, at).cloned())
    }

    /// As `get`, for `prefix` and each of `names`; nothing at all when nothing is here.
    pub fn held(&self, prefix: &[u8], names: &[&[u8]], at: u64) -> Vec<Option<Option<Bytes>>> {
        if self.keys.load(Relaxed) == 0 {
            return Vec::new();
        }
        let map = self.map.read();
        let mut key = prefix.to_vec();
        let newer = |name: &&[u8]| {
            key.truncate(prefix.len());
            key.extend_from_slice(name);
            map.get(&key[..]).and_then(|versions| version(versions, at).cloned())
        };
        names.iter().map(newer).collect()
    }

    /// Returns up to `limit` keys of `range` that have a version as of `at`.
    pub fn page(&self, range: &Range, order: Order, at: u64, limit: usize) -> Page {
        let mut page = Page { entries: Vec::new(), cut: false };
        if self.keys.load(Relaxed) == 0 {
            return page;
        }
        let map = self.map.read();
        let Some(bounds) = range.bounds() else { return page };
        let mut take = |(key, versions): (&Bytes, &Versions)| {
            if let Some(value) = version(versions, at) {
                page.entries.push((key.clone(), value.clone()));
            }
            page.cut = page.entries.len() >= limit;
            page.cut
        };
        let entries = map.range::<[u8], _>(bounds);
        match order {
            Order::Forward => entries.into_iter().any(&mut take),
            Order::Backward => entries.rev().any(&mut take),
        };
        page
    }

    /// Did `key` change after `at`?
    pub fn changed(&self, key: &[u8], at: u64) -> bool {
        self.map.read().get(key).is_some_and(|versions| is_newer(versions, at))
    }

    /// Did anything in `range` change after `at`?
    pub fn range_changed(&self, range: &Range, at: u64) -> bool {
        let map = self.map.read();
        range.bounds().is_some_and(|bounds| {
            map.range::<[u8], _>(bounds).any(|(_, versions)| is_newer(versions, at))
        })
    }

    pub fn clear(&self) {
        self.map.write().clear();
        self.keys.store(0, Relaxed);
    }

    pub fn len(&self) -> usize {
        self.keys.load(Relaxed)
    }
}

fn cost_of(key: &Bytes, value: &Option<Bytes>) -> usize {
    key.len() + value.as_ref().map_or(0, Bytes::len) + OVERHEAD
}

fn version(versions: &Versions, at: u64) -> Option<&Option<Bytes>> {
    versions.iter().rev().find(|(position, _)| *position <= at).map(|(_, value)| value)
}

fn is_newer(versions: &Versions, at: u64) -> bool {
    versions.last().is_some_and(|(position, _)| *position > at)
}

fn drop_versions(key: &Bytes, versions: &mut Versions, unwanted: impl Fn(u64) -> bool) -> usize {
    let mut freed = 0;
    versions.retain(|(position, value)| {
        let drop = unwanted(*position);
        if drop {
            freed += cost_of(key, value);
        }
        !drop
    });
    freed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(entries: &[(&'static str, Option<&'static str>)]) -> Writes {
        entries.iter().map(|(k, v)| (Bytes::from(*k), v.map(Bytes::from))).collect()
    }

    #[test]
    fn answers_as_of_a_position() {
        let window = Window::default();
        window.insert(10, &writes(&[("a", Some("1"))]));
        window.insert(20, &writes(&[("a", None), ("b", Some("2"))]));
        assert_eq!(window.get(b"a", 5), None);
        assert_eq!(window.get(b"a", 15), Some(Some("1".into())));
        assert_eq!(window.get(b"a", 20), Some(None));
        assert!(window.changed(b"a", 10) && !window.changed(b"a", 20));
        assert!(window.range_changed(&Range::prefix(b"b"), 10));
    }

    #[test]
    fn what_was_inserted_is_what_leaves() {
        let window = Window::default();
        let cost = window.insert(10, &writes(&[("a", Some("1")), ("b", None)]));
        let more = window.insert(20, &writes(&[("a", Some("2"))]));
        let keys = [Bytes::from("a"), Bytes::from("b")];
        let refs: Vec<_> = keys.iter().collect();
        assert_eq!(window.retire(&refs, 10), cost);
        assert_eq!(window.get(b"a", 20), Some(Some("2".into())));
        assert_eq!(window.withdraw(keys.iter(), 10), more);
        assert_eq!(window.len(), 0);
    }

    #[test]
    fn pages_in_both_directions() {
        let window = Window::default();
        window.insert(1, &writes(&[("a", Some("")), ("b", Some("")), ("c", Some(""))]));
        let all = Range::prefix(b"");
        let page = window.page(&all, Order::Backward, 1, 2);
        assert!(page.cut);
        assert_eq!(page.entries[0].0, "c");
        assert_eq!(page.entries[1].0, "b");
        assert!(!window.page(&all, Order::Forward, 1, 9).cut);
    }
}
