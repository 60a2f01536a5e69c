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
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::store::Error;
use crate::store::Order;
use crate::store::Range;
use crate::store::Result;
use crate::store::keys;
use crate::store::state::sheet::{Damaged, Entries, Writer};
use crate::store::state::values::{PIECE, Values, broken};

/// A sheet with more entries or bytes than this is cut,
const ENTRIES: usize = 64;
const BYTES: usize = 3_000;
/// into sheets of about so many, so that they don't have to be cut again at once.
const AFTER_CUT: usize = 44;

/// A change of an index entry: its new value, `None` where it is gone.
pub type Change<'a> = (&'a Bytes, &'a Option<Bytes>);

type Entry<'a> = (&'a [u8], &'a [u8]);

pub struct Sheets {
    values: Values,
    /// Fences that may not survive a crash yet.
    fresh: Mutex<BTreeSet<Vec<u8>>>,
    /// Fences of sheets that came to hold nothing.
    emptied: Mutex<BTreeSet<Vec<u8>>>,
    /// Sheets removed so far: a walk forward that one was removed under starts over.
    removals: AtomicU64,
    /// Names the pieces of large sheets: never the same twice.
    writes: AtomicU64,
}

/// A sheet as it is in sled.
struct Found {
    fence: Bytes,
    sheet: Bytes,
}

impl Sheets {
    pub fn new(values: Values) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            values,
            fresh: Mutex::default(),
            emptied: Mutex::default(),
            removals: AtomicU64::new(0),
            writes: AtomicU64::new(now.map_or(0, |since| since.as_nanos() as u64)),
        }
    }

    pub fn values(&self) -> &Values {
        &self.values
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let Some(found) = self.last(Bound::Included(key))? else { return Ok(None) };
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
        let mut current = self.last(Bound::Included(&range.from))?;
        let after = current.as_ref().map_or(&range.from[..], |first| &first.fence[..]);
        let bounds = (Bound::Excluded(after), Bound::Excluded(&range.until[..]));
        let mut sheets = self.values.tree.range::<&[u8], _>(bounds);
        while found.len() < limit {
            let next = match sheets.next() {
                Some(entry) => Some(self.found(entry)?),
                None => None,
            };
            if let Some(current) = current {
                let until = next.as_ref().map_or(&range.until[..], |next| &next.fence[..]);
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
            let Some(sheet) = self.last(Bound::Excluded(&until))? else { break };
            // One that came to lie between since may have taken over what this one has no more.
            if self.next(&sheet.fence)?.is_some_and(|next| next < until) {
                continue;
            }
            let entries = sheet.entries(&range.from, Some(&until))?;
            found.extend(entries.shared().rev().take(limit - found.len()));
            if sheet.fence[..] <= range.from[..] {
                break;
            }
            until = sheet.fence;
        }
        Ok(found)
    }

    /// Takes over changes that are in order. `flush` makes durable what was applied before.
    pub fn apply(&self, changes: &[Change<'_>], flush: impl Fn() -> Result<()>) -> Result<()> {
        let mut rest = changes;
        while let Some((first, _)) = rest.first() {
            let sheet = self.last(Bound::Included(first))?.unwrap_or_else(Found::none);
            let next = self.next(&sheet.fence)?;
            let is_here = |(key, _): &Change<'_>| next.as_ref().is_none_or(|next| *key < next);
            let (here, others) = rest.split_at(rest.partition_point(is_here));
            if !self.change(&sheet, next.as_ref(), here)? {
                // It drags along too much that its neighbours may need after a crash.
                flush()?;
                self.fresh.lock().clear();
                continue;
            }
            rest = others;
        }
        Ok(())
    }

    /// Changes a sheet that ends at `next`; false: not as long as its neighbours are not durable.
    fn change(&self, sheet: &Found, next: Option<&Bytes>, changes: &[Change<'_>]) -> Result<bool> {
        let is_backed = next.is_some_and(|next| self.fresh.lock().contains(&next[..]));
        let until = next.map(|next| &next[..]);
        let old = sheet.entries(b"", if is_backed { None } else { until })?;
        let live = merged(&old, until, changes);
        let parts = cut(&live, &old, changes);
        let mut sheets = Vec::with_capacity(parts.len());
        // From the last to the first: until the first is written, it has all that the others have.
        let mut end = until.map(<[u8]>::to_vec);
        for (number, entries) in parts.iter().enumerate().rev() {
            let fence = match number {
                0 => sheet.fence.to_vec(),
                _ => fence(parts[number - 1].last(), entries.first()),
            };
            let new = backed(entries, &old, end.as_deref());
            if is_backed && new.len() > PIECE {
                return Ok(false);
            }
            end = Some(fence.clone());
            sheets.push((fence, new));
        }
        if live.is_empty() && sheet.fence != keys::FIRST_INDEX {
            self.emptied.lock().insert(sheet.fence.to_vec());
        }
        for (fence, new) in sheets {
            if fence != sheet.fence {
                self.fresh.lock().insert(fence.clone());
            } else if new == sheet.sheet {
                continue;
            }
            self.set(&fence, Some(&new))?;
        }
        Ok(true)
    }

    /// All that was applied is durable. Sheets that hold nothing go, unless they or the one before
    /// them still have what others took over: that goes first, and durably.
    pub fn flushed(&self) -> Result<()> {
        self.fresh.lock().clear();
        let emptied = std::mem::take(&mut *self.emptied.lock());
        let mut trimmed = BTreeSet::new();
        for fence in emptied {
            let sheet = self.last(Bound::Included(&fence))?.filter(|sheet| sheet.fence == fence);
            let before = self.last(Bound::Excluded(&fence))?;
            let (Some(sheet), Some(before)) = (sheet, before) else { continue };
            let next = self.next(&fence)?;
            if sheet.entries(b"", next.as_deref())?.len() > 0 {
                continue;
            }
            let mut is_settled = !trimmed.contains(&before.fence);
            for (sheet, end) in [(&before, Some(&fence[..])), (&sheet, next.as_deref())] {
                if self.trim(sheet, end)? {
                    trimmed.insert(sheet.fence.clone());
                    is_settled = false;
                }
            }
            if is_settled {
                self.removals.fetch_add(1, SeqCst);
                self.set(&fence, None)?;
            } else {
                self.emptied.lock().insert(fence);
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
        let mut writer = Writer::new();
        let kept = entries.iter().take_while(|(key, _)| *key < end);
        kept.for_each(|(key, value)| writer.push(key, value));
        self.set(&sheet.fence, Some(&writer.finish()))?;
        Ok(true)
    }

    fn set(&self, fence: &[u8], sheet: Option<&[u8]>) -> Result<()> {
        self.values.set(fence, sheet, self.writes.fetch_add(1, SeqCst))
    }

    /// The last sheet whose fence is not beyond `bound`.
    fn last(&self, bound: Bound<&[u8]>) -> Result<Option<Found>> {
        let mut sheets = self.values.tree.range::<&[u8], _>((Bound::Unbounded, bound));
        sheets.next_back().map(|entry| self.found(entry)).transpose()
    }

    fn next(&self, fence: &[u8]) -> Result<Option<Bytes>> {
        let bounds = (Bound::Excluded(fence), Bound::Unbounded);
        let next = self.values.tree.range::<&[u8], _>(bounds).next();
        let key = next.transpose().map_err(broken)?.map(|(key, _)| key);
        Ok(key.map(|key| Bytes::copy_from_slice(&key)))
    }

    fn found(&self, entry: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Found> {
        let (fence, sheet) = entry.map_err(broken)?;
        // One that is gone by now held nothing.
        let sheet = self.values.whole(&fence, sheet)?.unwrap_or_default();
        Ok(Found { fence: Bytes::copy_from_slice(&fence), sheet })
    }
}

impl Found {
    /// What lies before all others, as long as nothing does.
    fn none() -> Self {
        Self { fence: Bytes::from_static(keys::FIRST_INDEX), sheet: Bytes::new() }
    }

    fn entries(&self, from: &[u8], until: Option<&[u8]>) -> Result<Entries> {
        Entries::read(&self.sheet, from, until).map_err(|Damaged| {
            Error::Broken(format!(
                "index entries of the state from {} on are damaged",
                self.fence.escape_ascii()
            ))
        })
    }
}

/// A sheet of these entries, and behind them what those from `end` on would take along if they were
/// lost, as far as `old` has it.
fn backed(entries: &[Entry<'_>], old: &Entries, end: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::new();
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

/// Entries as they go into one sheet, or several.
fn cut<'a, 'e>(
    live: &'a [Entry<'e>],
    old: &Entries,
    changes: &[Change<'_>],
) -> Vec<&'a [Entry<'e>]> {
    let bytes = |entries: &[Entry<'_>]| entries.iter().map(size).sum::<usize>();
    if live.len() <= ENTRIES && bytes(live) <= BYTES {
        return vec![live];
    }
    // Where all that is new comes behind what was there, what was there stays together.
    let grows =
        changes.first().is_some_and(|(key, _)| old.last_key().is_none_or(|last| **key > *last));
    let count = if grows { ENTRIES } else { live.len().div_ceil(live.len().div_ceil(AFTER_CUT)) };
    let room = if grows { BYTES } else { BYTES / 2 };
    let mut sheets = Vec::new();
    let mut rest = live;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |entry: &&Entry<'_>| {
            let is_first = bytes == 0;
            bytes += size(entry);
            is_first || bytes <= room
        };
        let (sheet, others) = rest.split_at(rest.iter().take(count).take_while(fits).count());
        sheets.push(sheet);
        rest = others;
    }
    sheets
}

/// About what an entry takes, at most.
fn size((key, value): &Entry<'_>) -> usize {
    key.len() + value.len() + 4
}

/// The shortest key that is behind `before` and not behind `first`.
fn fence(before: Option<&Entry<'_>>, first: Option<&Entry<'_>>) -> Vec<u8> {
    let (before, first) = (before.map_or(&[][..], |e| e.0), first.map_or(&[][..], |e| e.0));
    let shared = before.iter().zip(first).take_while(|(a, b)| a == b).count();
    first[..first.len().min(shared + 1)].to_vec()
}

#[cfg(test)]
mod tests;
