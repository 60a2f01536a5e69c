//! Where sheets lie in sled: under their fences, and so in order.
//!
//! A fence may be as long as what two neighbours have in common, and that may be a whole document.
//! Keys of that length make sled's nodes overflow into files that nobody syncs. So of a long fence
//! only the beginning is told in the key, which is the sheet's *name*, and behind it a number that
//! keeps it in order among those that begin alike; the fence itself comes first in the value.
//!
//! The number of a fence lies between those of its neighbours and never changes. After a crash that
//! holds for whatever is left, unless a fence that is gone comes back beside one that was given its
//! place: see [`Fences::is_settled`].

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sled::IVec;

use crate::store::Error;
use crate::store::Result;
use crate::store::keys;
use crate::store::state::values::{Values, broken};

/// What a name tells of a fence; shorter ones are told whole.
const BEGINNING: usize = 512;
const NUMBER: usize = size_of::<u128>();
/// Between a number and one behind all others.
const STEP: u128 = 1 << 64;
const FIRST_NUMBER: u128 = 1 << 127;

pub struct Fences {
    values: Values,
    /// A long fence was removed, and a crash may bring it back.
    is_one_gone: AtomicBool,
    /// Names the pieces of large sheets: never the same twice.
    writes: AtomicU64,
}

/// Where a sheet lies, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub name: Bytes,
    pub fence: Bytes,
}

/// A sheet as it is in sled.
pub struct Found {
    pub place: Place,
    pub sheet: Bytes,
}

type Entry = sled::Result<(IVec, IVec)>;

impl Fences {
    pub fn new(values: Values) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let writes = AtomicU64::new(now.map_or(0, |since| since.as_nanos() as u64));
        Self { values, is_one_gone: AtomicBool::new(false), writes }
    }

    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The sheet with the last fence that is not beyond `bound`.
    pub fn last(&self, bound: Bound<&[u8]>) -> Result<Option<Found>> {
        let (Bound::Included(key) | Bound::Excluded(key)) = bound else {
            return self.seek((Bound::Unbounded, Bound::Unbounded));
        };
        let Some(group) = key.get(..BEGINNING).filter(|group| group.len() < key.len()) else {
            return self.seek((Bound::Unbounded, bound));
        };
        let is_within = |found: &Found| match bound {
            Bound::Included(_) => found.place.fence[..] <= *key,
            _ => found.place.fence[..] < *key,
        };
        let end = numbered(group, u128::MAX);
        let Some(last) = self.seek((Bound::Unbounded, Bound::Included(&end)))? else {
            return Ok(None);
        };
        if is_within(&last) {
            return Ok(Some(last));
        }
        self.within(group, last.place.number(), is_within)
    }

    /// The last sheet of a group that is within; the one before the group if none is. From `high`
    /// on they are not.
    fn within(
        &self,
        group: &[u8],
        mut high: u128,
        is_within: impl Fn(&Found) -> bool,
    ) -> Result<Option<Found>> {
        let Some(mut low) = self.behind(group, high)?.filter(&is_within) else {
            return self.seek((Bound::Unbounded, Bound::Included(group)));
        };
        while let Some(next) = self.behind(&low.place.name, high)? {
            let number = low.place.number();
            let middle = numbered(group, number + (high - number) / 2);
            let bounds = (Bound::Excluded(&low.place.name[..]), Bound::Included(&middle[..]));
            match self.seek(bounds)? {
                Some(found) if is_within(&found) => low = found,
                Some(found) => high = found.place.number(),
                None if is_within(&next) => low = next,
                None => break,
            }
        }
        Ok(Some(low))
    }

    /// The first sheet behind `name` whose number is below `high`.
    fn behind(&self, name: &[u8], high: u128) -> Result<Option<Found>> {
        let end = numbered(&name[..BEGINNING], high);
        let mut sheets =
            self.values.tree.range::<&[u8], _>((Bound::Excluded(name), Bound::Excluded(&end[..])));
        sheets.find_map(|entry| self.found(entry).transpose()).transpose()
    }

    /// The sheet of this name.
    pub fn named(&self, name: &[u8]) -> Result<Option<Found>> {
        let found = self.seek((Bound::Unbounded, Bound::Included(name)))?;
        Ok(found.filter(|found| found.place.name == name))
    }

    /// The sheet before that of this name.
    pub fn before(&self, name: &[u8]) -> Result<Option<Found>> {
        self.seek((Bound::Unbounded, Bound::Excluded(name)))
    }

    /// Where the sheet behind that of this name begins.
    pub fn next(&self, name: &[u8]) -> Result<Option<Place>> {
        let bounds = (Bound::Excluded(name), Bound::Unbounded);
        for entry in self.values.tree.range::<&[u8], _>(bounds) {
            let (name, value) = entry.map_err(broken)?;
            if !is_long(&name) {
                let name = Bytes::copy_from_slice(&name);
                return Ok(Some(Place { fence: name.clone(), name }));
            }
            if let Some(found) = self.found(Ok((name, value)))? {
                return Ok(Some(found.place));
            }
        }
        Ok(None)
    }

    /// The sheets behind that of this name whose fences come before `until`.
    pub fn walk(&self, name: &[u8], until: &[u8]) -> impl Iterator<Item = Result<Found>> {
        let end = match until.get(..BEGINNING) {
            Some(group) if group.len() < until.len() => numbered(group, u128::MAX),
            _ => until.to_vec(),
        };
        let bounds = (Bound::Excluded(name), Bound::Excluded(&end[..]));
        let sheets = self.values.tree.range::<&[u8], _>(bounds);
        let sheets = sheets.filter_map(|entry| self.found(entry).transpose());
        sheets.take_while(move |sheet| sheet.as_ref().map_or(true, |s| s.place.fence[..] < *until))
    }

    pub fn put(&self, place: &Place, sheet: &[u8]) -> Result<()> {
        let position = self.writes.fetch_add(1, SeqCst);
        if !is_long(&place.name) {
            return self.values.set(&place.name, Some(sheet), position);
        }
        let length = (place.fence.len() as u32).to_be_bytes();
        let value = [&length[..], &place.fence, sheet].concat();
        self.values.set(&place.name, Some(&value), position)
    }

    pub fn remove(&self, place: &Place) -> Result<()> {
        self.is_one_gone.fetch_or(is_long(&place.name), SeqCst);
        self.values.set(&place.name, None, self.writes.fetch_add(1, SeqCst))
    }

    /// May a sheet be put in this place? Not in one that another may have after a crash: as long as
    /// that one's end is not durable, the two would be out of order.
    pub fn is_settled(&self, place: &Place) -> bool {
        !is_long(&place.name) || !self.is_one_gone.load(SeqCst)
    }

    /// All that was done is durable.
    pub fn flushed(&self) {
        self.is_one_gone.store(false, SeqCst);
    }

    fn seek(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Option<Found>> {
        let mut sheets = self.values.tree.range::<&[u8], _>(bounds).rev();
        sheets.find_map(|entry| self.found(entry).transpose()).transpose()
    }

    /// `None` if it is gone by now: it held nothing.
    fn found(&self, entry: Entry) -> Result<Option<Found>> {
        let (name, value) = entry.map_err(broken)?;
        let Some(value) = self.values.whole(&name, value)? else { return Ok(None) };
        let name = Bytes::copy_from_slice(&name);
        if !is_long(&name) {
            return Ok(Some(Found { place: Place { fence: name.clone(), name }, sheet: value }));
        }
        let cut = |value: &Bytes| {
            let (length, rest) = value.split_first_chunk::<4>()?;
            let length = u32::from_be_bytes(*length) as usize;
            (length <= rest.len()).then(|| (value.slice(4..4 + length), value.slice(4 + length..)))
        };
        let (fence, sheet) = cut(&value).ok_or_else(|| damaged(&name))?;
        Ok(Some(Found { place: Place { name, fence }, sheet }))
    }
}

impl Place {
    /// What lies before all others, as long as nothing does.
    pub fn first() -> Self {
        let name = Bytes::from_static(keys::FIRST_INDEX);
        Self { fence: name.clone(), name }
    }

    /// A place for `fence`, behind `before` and ahead of `next`, with room for `more` ahead of it;
    /// none if all numbers in between are given.
    pub fn between(before: &Self, fence: Vec<u8>, next: Option<&Self>, more: u128) -> Option<Self> {
        let fence = Bytes::from(fence);
        let Some(group) = fence.get(..BEGINNING).filter(|group| group.len() < fence.len()) else {
            return Some(Self { name: fence.clone(), fence });
        };
        let number = |place: &Self| place.is_in(group).then(|| place.number());
        let number = match (number(before), next.and_then(number)) {
            (None, None) => FIRST_NUMBER,
            (Some(low), None) => low.checked_add(STEP)?,
            (None, Some(high)) => high.checked_sub(STEP)?,
            (Some(low), Some(high)) => low + ((high - low) / (more + 2)).max(1),
        };
        let is_free = next.is_none_or(|next| !next.is_in(group) || number < next.number());
        let name = numbered(group, number).into();
        is_free.then_some(Self { name, fence })
    }

    fn is_in(&self, group: &[u8]) -> bool {
        is_long(&self.name) && self.name.starts_with(group)
    }

    /// That of a long fence.
    fn number(&self) -> u128 {
        self.name.last_chunk().map_or(0, |number| u128::from_be_bytes(*number))
    }
}

fn is_long(name: &[u8]) -> bool {
    name.len() > BEGINNING
}

fn numbered(group: &[u8], number: u128) -> Vec<u8> {
    let mut name = Vec::with_capacity(BEGINNING + NUMBER);
    name.extend_from_slice(group);
    name.extend_from_slice(&number.to_be_bytes());
    name
}

pub fn damaged(name: &[u8]) -> Error {
    let beginning = name[..name.len().min(100)].escape_ascii();
    Error::Damaged(format!("index entries from {beginning} on are not whole"))
}
