//! What the store counts of itself.

use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What operations asked of the store. Tests state it: cost is a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub gets: u64,
    pub scans: u64,
    pub commits: u64,
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            gets: self.gets - earlier.gets,
            scans: self.scans - earlier.scans,
            commits: self.commits - earlier.commits,
        }
    }
}

/// Figures of a store at one moment, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    pub tally: Tally,
    /// The latest group.
    pub seq: u64,
    /// The latest group that the state has.
    pub applied_seq: u64,
    pub groups: u64,
    /// Commits that had to run their rule again.
    pub conflicts: u64,
    /// Snapshots ended because the window was full.
    pub ended_snapshots: u64,
    pub window_bytes: u64,
    pub window_keys: u64,
    /// Time writers spent waiting for room in the window.
    pub wait_us: u64,
    pub state_bytes: u64,
    /// No writes are taken: the disk is nearly full.
    pub read_only: bool,
}

#[derive(Default)]
pub(super) struct Counters {
    pub gets: AtomicU64,
    pub scans: AtomicU64,
    pub commits: AtomicU64,
    pub groups: AtomicU64,
    pub conflicts: AtomicU64,
    pub ended_snapshots: AtomicU64,
    pub wait_us: AtomicU64,
}

impl Counters {
    pub fn tally(&self) -> Tally {
        Tally {
            gets: self.gets.load(Relaxed),
            scans: self.scans.load(Relaxed),
            commits: self.commits.load(Relaxed),
        }
    }
}

pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}
