//! Stretches of the indexes as the state has them, in memory: a walk that finds its own here asks
//! sled nothing.
//!
//! Like the record cache this stands behind the window. What is filled in was read while nothing was
//! applied (the round tells), so a leaf is what the state had at one moment; the applier keeps it up
//! to date from then on, before the changes leave the window.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::store::Order;
use crate::store::Range;
use crate::store::Result;
use crate::store::batch::Writes;
use crate::store::keys;
use crate::store::layers::after;

mod passing;

/// Entries of a leaf when it is filled. With twice as many it is cut in two.
const LEAF: usize = 64;
/// Whoever wants fewer entries reads what is here, and fills nothing: the probe of a unique index
/// would leave a leaf for each value.
const WALK: usize = 16;
/// Changes taken over while the lock is held.
const SLICE: usize = 256;
/// What an entry costs beyond its bytes, and a leaf beyond its entries.
const ENTRY_OVERHEAD: usize = 76;
const LEAF_OVERHEAD: usize = 200;

pub(super) struct Leaves {
    map: RwLock<Map>,
    limit: usize,
    /// Odd while changes are on their way into the state and from there to here.
    round: AtomicU64,
}

type Entries = Vec<(Bytes, Bytes)>;

#[derive(Default)]
struct Map {
    /// By where they begin. No two overlap.
    leaves: BTreeMap<Bytes, Leaf>,
    bytes: usize,
    /// Where the search for leaves nobody used goes on.
    hand: Bytes,
}

/// All entries from where it begins up to `until`.
struct Leaf {
    until: Bytes,
    entries: Entries,
    used: AtomicBool,
    /// The numbers that the values of the entries have in a roll.
    numbers: Mutex<Option<Numbers>>,
}

struct Numbers {
    roll: u64,
    of: Arc<[u32]>,
}

impl Leaves {
    pub fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { map: RwLock::default(), limit, round: AtomicU64::new(0) }
    }

    /// Up to `limit` entries of `range` as the state has them. `below` asks the state; what it says
    /// is kept if `fills`.
    pub fn scan(
        &self,
        range: &Range,
        order: Order,
        limit: usize,
        fills: bool,
        below: impl Fn(&Range, usize) -> Result<Entries>,
    ) -> Result<Entries> {
        if !is_index(range) {
            return below(range, limit);
        }
        let fills = fills && limit >= WALK;
        let mut found = Vec::with_capacity(limit.min(2 * LEAF));
        let mut rest = range.clone();
        while found.len() < limit && rest.from < rest.until {
            let gap = self.map.read().take(&mut rest, order, limit, &mut found);
            let Some(gap) = gap else { break };
            let wanted = limit - found.len();
            if !fills {
                // Beyond the gap there may be more that is known, but not for long.
                found.extend(below(&rest, wanted)?);
                break;
            }
            let round = self.round.load(SeqCst);
            let asked = wanted.max(LEAF);
            let entries = below(&gap, asked)?;
            let stretch = stretch(&gap, order, &entries, entries.len() < asked);
            match order {
                Order::Forward => rest.from.clone_from(&stretch.until),
                Order::Backward => rest.until.clone_from(&stretch.from),
            }
            found.extend(entries.iter().take(wanted).cloned());
            self.fill(&stretch, order, entries, round);
        }
        Ok(found)
    }

    /// Changes are about to go into the state.
    pub fn begin(&self) {
        self.round.fetch_add(1, SeqCst);
    }

    /// The state has these writes now.
    pub fn applied(&self, writes: &Writes) {
        let indexes = (Bound::Included(keys::FIRST_INDEX), Bound::Excluded(keys::BEHIND_INDEXES));
        let mut changes = writes.range::<[u8], _>(indexes).peekable();
        while changes.peek().is_some() && !self.map.read().leaves.is_empty() {
            let mut map = self.map.write();
            changes.by_ref().take(SLICE).for_each(|(key, value)| map.change(key, value.as_ref()));
        }
        self.round.fetch_add(1, SeqCst);
    }

    fn fill(&self, stretch: &Range, order: Order, mut entries: Entries, round: u64) {
        if order == Order::Backward {
            entries.reverse();
        }
        let leaf = Leaf {
            until: Bytes::copy_from_slice(&stretch.until),
            entries: packed(&entries),
            used: AtomicBool::new(true),
            numbers: Mutex::default(),
        };
        let mut map = self.map.write();
        if round.is_multiple_of(2) && self.round.load(SeqCst) == round {
            map.add(Bytes::copy_from_slice(&stretch.from), leaf);
            map.make_room(self.limit);
        }
    }
}

/// Whether only index entries lie in `range`.
fn is_index(range: &Range) -> bool {
    &range.from[..] >= keys::FIRST_INDEX
        && !range.until.is_empty()
        && &range.until[..] <= keys::BEHIND_INDEXES
}

/// The part of `gap` that `entries` are all there is of.
fn stretch(gap: &Range, order: Order, entries: &Entries, whole: bool) -> Range {
    let mut stretch = gap.clone();
    match entries.last() {
        Some((last, _)) if !whole => match order {
            Order::Forward => stretch.until = after(last),
            Order::Backward => stretch.from = last.to_vec(),
        },
        _ => {}
    }
    stretch
}

/// The same entries, their bytes side by side.
fn packed(entries: &Entries) -> Entries {
    let length = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
    let mut bytes = Vec::with_capacity(length);
    for (key, value) in entries {
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }
    let mut bytes = Bytes::from(bytes);
    let cut =
        |(key, value): &(Bytes, Bytes)| (bytes.split_to(key.len()), bytes.split_to(value.len()));
    entries.iter().map(cut).collect()
}

impl Map {
    /// Moves entries of `rest` into `found` as far as leaves reach; `None`: that was all. Otherwise
    /// the stretch of `rest` that has to be asked for next.
    fn take(
        &self,
        rest: &mut Range,
        order: Order,
        limit: usize,
        found: &mut Entries,
    ) -> Option<Range> {
        while found.len() < limit && rest.from < rest.until {
            let before = self.before(rest, order);
            match (order, before) {
                (Order::Forward, Some((begin, leaf))) if leaf.until[..] > rest.from[..] => {
                    let from = leaf.behind(begin, &rest.from);
                    let entries = leaf.entries[from..].iter();
                    let inside = |(key, _): &&(Bytes, Bytes)| key[..] < rest.until[..];
                    let wanted = limit - found.len();
                    found.extend(entries.take_while(inside).take(wanted).cloned());
                    leaf.used.store(true, Relaxed);
                    rest.from = leaf.until.to_vec();
                }
                (Order::Backward, Some((from, leaf))) if leaf.until[..] >= rest.until[..] => {
                    let until = leaf.before(&rest.until);
                    let entries = leaf.entries[..until].iter().rev();
                    let inside = |(key, _): &&(Bytes, Bytes)| key[..] >= rest.from[..];
                    let wanted = limit - found.len();
                    found.extend(entries.take_while(inside).take(wanted).cloned());
                    leaf.used.store(true, Relaxed);
                    rest.until = from.to_vec();
                }
                (_, before) => return Some(self.gap(rest, order, before)),
            }
        }
        None
    }

    /// The last leaf that begins before `rest`, or with it: the first one of a walk along it, unless
    /// it ends before.
    fn before(&self, rest: &Range, order: Order) -> Option<(&Bytes, &Leaf)> {
        let at = match order {
            Order::Forward => Bound::Included(&rest.from[..]),
            Order::Backward => Bound::Excluded(&rest.until[..]),
        };
        self.leaves.range::<[u8], _>((Bound::Unbounded, at)).next_back()
    }

    /// What of `rest` lies before the next leaf; `before` is the one that ends before it.
    fn gap(&self, rest: &Range, order: Order, before: Option<(&Bytes, &Leaf)>) -> Range {
        let mut gap = rest.clone();
        match order {
            Order::Forward => {
                let behind = (Bound::Excluded(&rest.from[..]), Bound::Excluded(&rest.until[..]));
                if let Some((next, _)) = self.leaves.range::<[u8], _>(behind).next() {
                    gap.until = next.to_vec();
                }
            }
            Order::Backward => {
                if let Some((_, leaf)) = before.filter(|(_, leaf)| leaf.until[..] > gap.from[..]) {
                    gap.from = leaf.until.to_vec();
                }
            }
        }
        gap
    }

    /// Adds a leaf, unless somebody else was quicker.
    fn add(&mut self, from: Bytes, leaf: Leaf) {
        let before =
            self.leaves.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(&leaf.until[..])));
        let overlaps = before.into_iter().next_back().is_some_and(|(_, known)| known.until > from);
        if !overlaps && from < leaf.until {
            self.bytes += leaf.bytes();
            self.leaves.insert(from, leaf);
        }
    }

    fn change(&mut self, key: &Bytes, value: Option<&Bytes>) {
        let before = (Bound::Unbounded, Bound::Included(&key[..]));
        let Some((_, leaf)) = self.leaves.range_mut::<[u8], _>(before).next_back() else { return };
        if leaf.until[..] <= key[..] {
            return;
        }
        *leaf.numbers.get_mut() = None;
        let at = leaf.place(key);
        let known = leaf.entries.get(at).is_some_and(|(there, _)| there == key);
        // Of their own: what they are slices of may be large.
        let own = |value: &Bytes| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        match value.map(own) {
            Some(entry) if known => {
                self.bytes = self.bytes - cost(&leaf.entries[at]) + cost(&entry);
                leaf.entries[at] = entry;
            }
            Some(entry) => {
                self.bytes += cost(&entry);
                leaf.entries.insert(at, entry);
            }
            None if known => self.bytes -= cost(&leaf.entries.remove(at)),
            None => {}
        }
        if leaf.entries.len() > 2 * LEAF {
            let entries = leaf.entries.split_off(LEAF);
            let from = entries[0].0.clone();
            let until = std::mem::replace(&mut leaf.until, from.clone());
            let used = AtomicBool::new(leaf.used.load(Relaxed));
            self.leaves.insert(from, Leaf { until, entries, used, numbers: Mutex::default() });
            self.bytes += LEAF_OVERHEAD;
        }
    }

    /// Drops leaves that nobody used since they were last looked at, until the rest fits.
    fn make_room(&mut self, limit: usize) {
        while self.bytes > limit {
            let behind = (Bound::Excluded(&self.hand[..]), Bound::Unbounded);
            let next = self.leaves.range::<[u8], _>(behind).next();
            let Some((from, leaf)) = next.or_else(|| self.leaves.first_key_value()) else { return };
            let (from, used) = (from.clone(), leaf.used.swap(false, Relaxed));
            if !used && let Some(leaf) = self.leaves.remove(&from) {
                self.bytes -= leaf.bytes();
            }
            self.hand = from;
        }
    }
}

impl Leaf {
    /// How many entries come before `key`.
    fn place(&self, key: &[u8]) -> usize {
        self.entries.partition_point(|(there, _)| there[..] < *key)
    }

    /// Where the entries from `key` on begin, in a leaf that begins at `begin`: mostly with it, and
    /// a search would look at keys here and there.
    fn behind(&self, begin: &[u8], key: &[u8]) -> usize {
        if key <= begin { 0 } else { self.place(key) }
    }

    /// How many entries come before `key`: mostly all.
    fn before(&self, key: &[u8]) -> usize {
        if *key >= self.until[..] { self.entries.len() } else { self.place(key) }
    }

    fn bytes(&self) -> usize {
        LEAF_OVERHEAD + self.entries.iter().map(cost).sum::<usize>()
    }
}

fn cost((key, value): &(Bytes, Bytes)) -> usize {
    key.len() + value.len() + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests;
