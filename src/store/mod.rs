//! The cellar: keys and bytes, transactions over snapshots, one ordered journal behind them.

use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use smallvec::{SmallVec, smallvec};

mod applier;
mod base;
mod batch;
mod cache;
mod check;
pub mod codec;
mod commit;
#[cfg(test)]
mod contract;
pub mod directory;
mod fork;
mod home;
mod journal;
pub mod keys;
mod layers;
mod leaves;
mod load;
#[cfg(test)]
mod model;
mod open;
mod packed;
mod pages;
mod progress;
mod proof;
mod publish;
mod replay;
#[cfg(test)]
mod restarts;
mod roll;
mod rolls;
mod scrub;
mod shared;
#[cfg(test)]
mod simulation;
mod snapshot;
mod space;
mod state;
mod stats;
mod tail;
mod tx;
mod upkeep;
mod window;
mod writing;

pub use batch::Op;
pub use check::Report;
pub use fork::Mark;
pub use home::Store;
pub use open::{Clock, Home, OnFatal, OpenError, Options};
pub use progress::{Progress, Stage};
pub use roll::{BLOCK, Block, Roll};
pub use snapshot::{Rolled, Snapshot};
pub use stats::{Stats, Tally};
pub use tail::{Commit, Group, Tail};
pub use tx::Tx;
pub use writing::{Attempt, Lead, Outcome};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong below the rules.
#[derive(Debug, thiserror::Error, Clone)]
pub enum Error {
    /// The snapshot is older than what the store keeps: start again on a new one.
    #[error("the snapshot is too old")]
    TooOld,
    /// Others kept changing what the rule read.
    #[error("too many conflicting writes")]
    Conflict,
    /// Writers are not admitted now: disk nearly full, draining, queue full.
    #[error("the store takes no writes: {0}")]
    ReadOnly(String),
    /// More operations or bytes than one commit may have.
    #[error("the transaction is too large: {0}")]
    TooLarge(String),
    #[error("store: {0}")]
    Broken(String),
    /// What the disk has of the state is not what was written there.
    #[error("the state is damaged: {0}")]
    Damaged(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Forward,
    Backward,
}

/// Keys from `from` (included) up to `until` (excluded; empty: to the end).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    pub from: Vec<u8>,
    pub until: Vec<u8>,
}

impl Range {
    /// Every key that starts with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut until = prefix.to_vec();
        while let Some(last) = until.pop() {
            if last < 0xff {
                until.push(last + 1);
                break;
            }
        }
        Self { from: prefix.to_vec(), until }
    }

    /// What ordered maps want; `None` if the range holds no key.
    fn bounds(&self) -> Option<Bounds<'_>> {
        let until = match &self.until[..] {
            [] => Bound::Unbounded,
            until if self.from[..] >= *until => return None,
            until => Bound::Excluded(until),
        };
        Some((Bound::Included(&self.from), until))
    }
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Values of keys that were looked for side by side, see [`Read::held`].
pub type Held = SmallVec<[Option<Bytes>; 32]>;

/// What a snapshot and a transaction answer alike. All answers are as of one position.
pub trait Read {
    /// Returns the bytes under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;
    /// Returns up to `limit` entries of `range`, in key order or against it.
    fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>>;
    /// What memory holds under `prefix` and each of `names`, looked at side by side, where `get`
    /// would wait for each; `None`: ask `get`. Never part of a read set.
    fn held(&self, _prefix: &[u8], names: &[&[u8]]) -> Held {
        smallvec![None; names.len()]
    }
    /// Returns a derived count (0 when never counted). Never part of a read set.
    fn count(&self, counter: &[u8]) -> Result<u64>;
    /// Where compiled forms of stored values are kept, see [`memo`].
    fn memos(&self) -> &Memos;
    /// The roll of the keys under `prefix` (a collection's records), where there is one; made now if
    /// there is none and `count` says how many keys there are. Only whole snapshots have rolls.
    fn roll(&self, _prefix: &[u8], _count: Option<u64>) -> Result<Option<Rolled>> {
        Ok(None)
    }
    /// Notes that reading keys under `prefix` took `cost` looks for want of something that would take
    /// `limit` looks to make; whether that much was spent by now, so that it is worth making.
    fn owe(&self, _prefix: &[u8], _cost: u64, _limit: u64) -> bool {
        false
    }
    /// Passes over entries of an index as far as memory knows them, and leaves in `range` what lies
    /// behind those. May do nothing.
    fn pass(&self, _range: &mut Range, _order: Order, _passing: &mut Passing) {}
    /// Whether there is time to look at as much as `entries` index entries.
    fn affords(&self, _entries: usize) -> bool {
        true
    }
}

/// Entries to be passed over, whose values are the names of keys of a roll.
pub struct Passing<'p> {
    pub roll: &'p Roll,
    /// Whether an entry counts, told by the number of its key.
    pub counts: &'p dyn Fn(usize) -> bool,
    /// How many that count are still to be passed.
    pub left: u64,
    /// How many entries were passed, counting or not.
    pub passed: u64,
}

/// Compiled forms of stored values, by key and value: a changed value is another entry.
#[derive(Default)]
pub struct Memos(Mutex<Vec<Memo>>);

/// Key, value, and what was made of it.
type Memo = (Vec<u8>, Bytes, Arc<dyn Any + Send + Sync>);

/// Most compiled forms kept at once: one schema per live snapshot generation is plenty.
const MEMO_LIMIT: usize = 64;

/// Returns what `build` makes of the value under `key` (`None`: no such key), made once per value.
/// The read of `key` is recorded, so a rule that relies on the memo conflicts when the key changes.
pub fn memo<T, E>(
    read: &dyn Read,
    key: &[u8],
    build: impl FnOnce(&dyn Read) -> Result<T, E>,
) -> Result<Arc<T>, E>
where
    T: Send + Sync + 'static,
    E: From<Error>,
{
    let value = read.get(key)?.unwrap_or_default();
    let found = read
        .memos()
        .0
        .lock()
        .iter()
        .find_map(|(k, v, made)| (k == key && is_same(v, &value)).then(|| made.clone()));
    if let Some(made) = found.and_then(|made| made.downcast::<T>().ok()) {
        return Ok(made);
    }
    let made = Arc::new(build(read)?);
    let mut kept = read.memos().0.lock();
    if kept.len() >= MEMO_LIMIT {
        kept.remove(0);
    }
    kept.push((key.to_vec(), value, made.clone()));
    Ok(made)
}

/// Mostly these are the same bytes in the same place.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    (one.as_ptr() == other.as_ptr() && one.len() == other.len()) || one == other
}

/// The one pure function that tells which derived entries a primary entry has. Run in the
/// transaction by the writer, and again on replay. `read` is only for the schema, by [`memo`].
pub trait Derive: Send + Sync {
    /// Adds the derived entries of `key` = `value` to `entries`, and what it counts for to `counts`.
    fn derive(
        &self,
        read: &dyn Read,
        key: &[u8],
        value: &[u8],
        derived: &mut Derived,
    ) -> Result<()>;

    /// Beginnings of derived keys that are being made or dropped: some are there, some are not.
    fn unsettled(&self, _read: &dyn Read) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Derived {
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Counters that this entry raises by one.
    pub counts: Vec<Vec<u8>>,
}
