//! Index entries in sled, many to a value.
//!
//! sled cuts a leaf in two above 16 keys and copies it at every change. Entries are small, and
//! neighbours change together: as sheets they cost a fraction of that, in time and in memory.
//!
//! A sheet lies under its *fence* and holds the entries from there up to the next fence. Each change
//! of a sheet is one write to sled; after a crash some of the latest may be missing, in whatever
//! combination, and replay does again what was done since the last flush. So a sheet that is cut in
//! two keeps what went to its new neighbour until that one is durable: should the neighbour be lost,
//! its range is the older sheet's again, as complete as at the last flush. What a sheet holds beyond
//! the next fence does not count.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::store::Order;
use crate::store::Range;
use crate::store::Result;
use crate::store::keys;
use crate::store::state::fences::{self, Fences, Found, Place};
use crate::store::state::sheet::{Damaged, Entries, Writer, shared};
use crate::store::state::values::{PIECE, Values};

/// A sheet with more entries or bytes than this is cut,
const ENTRIES: usize = 64;
const BYTES: usize = 3_000;
/// into sheets of about so many, so that they don't have to be cut again at once.
const AFTER_CUT: usize = 44;
/// What an entry takes in a sheet beyond its key and value.
const OVERHEAD: usize = 4;
/// Sheets that are expected to follow where the last one grows.
const GROWTH: u128 = 1 << 32;

/// A change of an index entry: its new value, `None` where it is gone.
pub type Change<'a> = (&'a Bytes, &'a Option<Bytes>);

type Entry<'a> = (&'a [u8], &'a [u8]);

pub struct Sheets {
    fences: Fences,
    /// Names of sheets that may not survive a crash yet.
    fresh: Mutex<BTreeSet<Bytes>>,
    /// Names of sheets that came to hold nothing.
    emptied: Mutex<BTreeSet<Bytes>>,
    /// Sheets removed so far: a walk forward that one was removed under starts over.
    removals: AtomicU64,
}

impl Sheets {
    pub fn new(values: Values) -> Self {
        Self {
            fences: Fences::new(values),
            fresh: Mutex::default(),
            emptied: Mutex::default(),
            removals: AtomicU64::new(0),
        }
    }

    pub fn values(&self) -> &Values {
        self.fences.values()
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let Some(found) = self.fences.last(Bound::Included(key))? else { return Ok(None) };
        let entries = found.entries(key, None)?;
        let first = entries.iter().next().filter(|(found, _)| *found == key);
        Ok(first.map(|(_, value)| Bytes::copy_from_slice(value)))
    }

    pub fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        if order == Order::Backward {
            return self.backward(range, limit);
        }
        loop {
            let removals = self.removals.load(SeqCst);
            let found = self.forward(range, limit)?;
            if self.removals.load(SeqCst) == removals {
                return Ok(found);
            }
        }
    }

    fn forward(&self, range: &Range, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let mut found = Vec::with_capacity(limit.min(ENTRIES));
        let mut current = self.fences.last(Bound::Included(&range.from))?;
        let first = current.as_ref().map_or(keys::FIRST_INDEX, |first| &first.place.name).to_vec();
        let mut sheets = self.fences.walk(&first, &range.until);
        while found.len() < limit {
            let next = sheets.next().transpose()?;
            if let Some(current) = current {
                let until = next.as_ref().map_or(&range.until[..], |next| &next.place.fence[..]);
                let entries = current.entries(&range.from, Some(until))?;
                found.extend(entries.shared().take(limit - found.len()));
            }
            if next.is_none() {
                break;
            }
            current = next;
        }
        Ok(found)
    }

    fn backward(&self, range: &Range, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let mut found = Vec::with_capacity(limit.min(ENTRIES));
        let mut until = Bytes::copy_from_slice(&range.until);
        while found.len() < limit {
            let Some(sheet) = self.fences.last(Bound::Excluded(&until))? else { break };
            // One that came to lie between since may have taken over what this one has no more.
            if self.fences.next(&sheet.place.name)?.is_some_and(|next| next.fence < until) {
                continue;
            }
            let entries = sheet.entries(&range.from, Some(&until))?;
            found.extend(entries.shared().rev().take(limit - found.len()));
            if sheet.place.fence[..] <= range.from[..] {
                break;
            }
            until = sheet.place.fence;
        }
        Ok(found)
    }

    /// Takes over changes that are in order. `flush` makes durable what was applied before.
    pub fn apply(&self, changes: &[Change<'_>], flush: impl Fn() -> Result<()>) -> Result<()> {
        let mut rest = changes;
        while let Some((first, _)) = rest.first() {
            let sheet = self.fences.last(Bound::Included(first))?.unwrap_or_else(Found::none);
            let next = self.fences.next(&sheet.place.name)?;
            let is_here = |(key, _): &Change<'_>| next.as_ref().is_none_or(|n| **key < n.fence);
            let (here, others) = rest.split_at(rest.partition_point(is_here));
            if !self.change(&sheet, next.as_ref(), here)? {
                // What a crash may bring back, or take away, has to be settled first.
                flush()?;
                self.fences.flushed();
                self.fresh.lock().clear();
                continue;
            }
            rest = others;
        }
        Ok(())
    }

    /// Changes a sheet that ends at `next`; false: not as long as what was done is not durable.
    fn change(&self, sheet: &Found, next: Option<&Place>, changes: &[Change<'_>]) -> Result<bool> {
        let is_backed = next.is_some_and(|next| self.fresh.lock().contains(&next.name));
        let until = next.map(|next| &next.fence[..]);
        let old = sheet.entries(b"", if is_backed { None } else { until })?;
        let live = merged(&old, until, changes);
        let parts = self.parts(sheet, next, &live, is_growing(&old, changes));
        if !parts.iter().all(|(place, _)| self.fences.is_settled(place)) {
            return Ok(false);
        }
        let mut sheets = Vec::with_capacity(parts.len());
        // From the last to the first: until the first is written, it has all that the others have.
        let mut end = until;
        for (place, entries) in parts.iter().rev() {
            let new = backed(&place.fence, entries, &old, end);
            if is_backed && new.len() > PIECE {
                return Ok(false);
            }
            end = Some(&place.fence);
            sheets.push((place, new));
        }
        if live.is_empty() && *sheet.place.fence != *keys::FIRST_INDEX {
            self.emptied.lock().insert(sheet.place.name.clone());
        }
        for (place, new) in sheets {
            if *place != sheet.place {
                self.fresh.lock().insert(place.name.clone());
            } else if new == sheet.sheet {
                continue;
            }
            self.fences.put(place, &new)?;
        }
        Ok(true)
    }

    /// Entries of a sheet as they go into one again, or into several, and where those lie.
    fn parts<'a, 'e>(
        &self,
        sheet: &Found,
        next: Option<&Place>,
        live: &'a [Entry<'e>],
        is_growing: bool,
    ) -> Vec<(Place, &'a [Entry<'e>])> {
        let cut = cut(&sheet.place.fence, live, is_growing);
        let mut parts = vec![(sheet.place.clone(), cut[0])];
        for number in 1..cut.len() {
            let fence = fence(cut[number - 1].last(), cut[number].first());
            // Where all comes behind what was there, more is likely to.
            let more = if is_growing { GROWTH } else { (cut.len() - number) as u128 };
            match Place::between(&parts[number - 1].0, fence, next, more) {
                Some(place) => parts.push((place, cut[number])),
                None => return vec![(sheet.place.clone(), live)],
            }
        }
        parts
    }

    /// All that was applied is durable. Sheets that hold nothing go, unless they or the one before
    /// them still have what others took over: that goes first, and durably.
    pub fn flushed(&self) -> Result<()> {
        self.fresh.lock().clear();
        self.fences.flushed();
        let emptied = std::mem::take(&mut *self.emptied.lock());
        let mut trimmed = BTreeSet::new();
        for name in emptied {
            let (sheet, before) = (self.fences.named(&name)?, self.fences.before(&name)?);
            let (Some(sheet), Some(before)) = (sheet, before) else { continue };
            let next = self.fences.next(&name)?;
            let until = next.as_ref().map(|next| &next.fence[..]);
            if sheet.entries(b"", until)?.len() > 0 {
                continue;
            }
            let mut is_settled = !trimmed.contains(&before.place.name);
            for (sheet, end) in [(&before, Some(&sheet.place.fence[..])), (&sheet, until)] {
                if self.trim(sheet, end)? {
                    trimmed.insert(sheet.place.name.clone());
                    is_settled = false;
                }
            }
            if is_settled {
                self.removals.fetch_add(1, SeqCst);
                self.fences.remove(&sheet.place)?;
            } else {
                self.emptied.lock().insert(name);
            }
        }
        Ok(())
    }

    /// Takes away what a sheet holds beyond its end; false if there is nothing.
    fn trim(&self, sheet: &Found, end: Option<&[u8]>) -> Result<bool> {
        let entries = sheet.entries(b"", None)?;
        let Some(end) = end.filter(|end| entries.last_key().is_some_and(|last| last >= *end))
        else {
            return Ok(false);
        };
        let mut writer = Writer::new(&sheet.place.fence);
        let kept = entries.iter().take_while(|(key, _)| *key < end);
        kept.for_each(|(key, value)| writer.push(key, value));
        self.fences.put(&sheet.place, &writer.finish())?;
        Ok(true)
    }
}

impl Found {
    /// What lies before all others, as long as nothing does.
    fn none() -> Self {
        Self { place: Place::first(), sheet: Bytes::new() }
    }

    fn entries(&self, from: &[u8], until: Option<&[u8]>) -> Result<Entries> {
        let read = Entries::read(&self.place.fence, &self.sheet, from, until);
        read.map_err(|Damaged| fences::damaged(&self.place.name))
    }
}

/// A sheet of these entries, and behind them what those from `end` on would take along if they were
/// lost, as far as `old` has it.
fn backed(fence: &[u8], entries: &[Entry<'_>], old: &Entries, end: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::new(fence);
    entries.iter().for_each(|(key, value)| writer.push(key, value));
    let beyond = old.iter().filter(|(key, _)| end.is_some_and(|end| *key >= end));
    beyond.for_each(|(key, value)| writer.push(key, value));
    writer.finish()
}

/// The entries of a sheet up to `until`, with the changes made.
fn merged<'a>(old: &'a Entries, until: Option<&[u8]>, changes: &[Change<'a>]) -> Vec<Entry<'a>> {
    let mut merged = Vec::with_capacity(old.len() + changes.len());
    let mut changes = changes.iter().map(|(key, value)| (&key[..], value.as_deref())).peekable();
    for entry in old.iter().take_while(|(key, _)| until.is_none_or(|until| *key < until)) {
        while let Some((key, value)) = changes.next_if(|(key, _)| *key < entry.0) {
            merged.extend(value.map(|value| (key, value)));
        }
        match changes.next_if(|(key, _)| *key == entry.0) {
            Some((key, value)) => merged.extend(value.map(|value| (key, value))),
            None => merged.push(entry),
        }
    }
    merged.extend(changes.filter_map(|(key, value)| Some((key, value?))));
    merged
}

/// Does all that is new come behind what was there?
fn is_growing(old: &Entries, changes: &[Change<'_>]) -> bool {
    changes.first().is_some_and(|(key, _)| old.last_key().is_none_or(|last| **key > *last))
}

/// Entries as they go into one sheet, or several; at least one.
fn cut<'a, 'e>(fence: &[u8], live: &'a [Entry<'e>], is_growing: bool) -> Vec<&'a [Entry<'e>]> {
    let at_most = |(key, value): &Entry<'_>| key.len() + value.len() + OVERHEAD;
    if live.len() <= ENTRIES && live.iter().map(at_most).sum::<usize>() <= BYTES {
        return vec![live];
    }
    let sizes = sizes(fence, live);
    if live.len() <= ENTRIES && sizes.iter().sum::<usize>() <= BYTES {
        return vec![live];
    }
    // What was there stays together where it isn't added to.
    let even = live.len().div_ceil(live.len().div_ceil(AFTER_CUT));
    let (count, room) = if is_growing { (ENTRIES, BYTES) } else { (even, BYTES / 2) };
    let mut sheets = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (at, size) in sizes.into_iter().enumerate() {
        bytes += size;
        if at > begin && (bytes > room || at - begin == count) {
            sheets.push(&live[begin..at]);
            (begin, bytes) = (at, size);
        }
    }
    sheets.push(&live[begin..]);
    sheets
}

/// About what entries take in a sheet.
fn sizes(fence: &[u8], live: &[Entry<'_>]) -> Vec<usize> {
    let before = std::iter::once(fence).chain(live.iter().map(|(key, _)| *key));
    let size = |(before, (key, value)): (&[u8], &Entry<'_>)| {
        key.len() - shared(before, key) + value.len() + OVERHEAD
    };
    before.zip(live).map(size).collect()
}

/// The shortest key that is behind `before` and not behind `first`.
fn fence(before: Option<&Entry<'_>>, first: Option<&Entry<'_>>) -> Vec<u8> {
    let (before, first) = (before.map_or(&[][..], |e| e.0), first.map_or(&[][..], |e| e.0));
    first[..first.len().min(shared(before, first) + 1)].to_vec()
}

#[cfg(test)]
mod tests;
