//! What a transaction leaves behind: the operations that are journaled, and the keys they change.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// One journaled change of the primary keyspace. Whole, so that doing it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Put {
        key: Bytes,
        value: Bytes,
        /// What it took away, as the rule tells it; empty if the rule does not.
        undo: Bytes,
    },
    Delete {
        key: Bytes,
        /// The value that was there, if the rule tells it.
        undo: Bytes,
    },
    /// Deletes every key under the prefix.
    Clear { prefix: Bytes },
    /// Derives what the keys from `from` up to `until` have under `derived`, beside what is there.
    Derive { derived: Bytes, from: Bytes, until: Bytes },
    /// Drops the derived entries from `from` up to `until`.
    Drop { from: Bytes, until: Bytes },
    /// Drops what lies under `derived` and derives it anew from what lies under `primary`.
    Rederive { derived: Vec<Bytes>, primary: Bytes },
}

impl Op {
    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        64 + match self {
            Self::Put { key, value, undo } => key.len() + value.len() + undo.len(),
            Self::Delete { key, undo } => key.len() + undo.len(),
            Self::Clear { prefix } => prefix.len(),
            Self::Derive { derived, from, until } => derived.len() + from.len() + until.len(),
            Self::Drop { from, until } => from.len() + until.len(),
            Self::Rederive { derived, primary } => primary.len() + 64 * derived.len(),
        }
    }
}

/// What the window and the state are told: new values of keys, `None` where a key is gone.
pub(super) type Writes = BTreeMap<Bytes, Option<Bytes>>;

/// The writes of one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub ops: Vec<Op>,
    pub writes: Writes,
    /// By how much counters change.
    pub counts: HashMap<Bytes, i64>,
    /// Who did it and why, as the rule tells it to whoever reads the journal.
    pub note: Bytes,
}

/// A place in history: the number of a group, and of a batch within it.
pub(super) mod position {
    const INDEX_BITS: u32 = 20;

    /// After every batch of group `seq`.
    pub fn end_of(seq: u64) -> u64 {
        (seq << INDEX_BITS) | ((1 << INDEX_BITS) - 1)
    }

    pub fn of(seq: u64, index: usize) -> u64 {
        (seq << INDEX_BITS) | index as u64
    }

    pub fn seq(position: u64) -> u64 {
        position >> INDEX_BITS
    }
}
