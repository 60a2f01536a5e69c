//! Copies of a throw-away store in constant time: worlds that begin alike, and going back.

use std::sync::atomic::Ordering::SeqCst;

use crate::store::batch::position;
use crate::store::commit::Core;
use crate::store::home::Store;
use crate::store::load;
use crate::store::open::{Home, Options};
use crate::store::state::{Applied, Memory, State};

/// All of a store in memory as of one moment. Costs what changes afterwards, no more.
pub struct Mark {
    state: Memory,
    applied: Applied,
}

impl Store {
    /// Remembers all of this store as it is now; `None` if it has a home.
    pub fn mark(&self) -> Option<Mark> {
        self.mark_in(&self.shared.core.lock())
    }

    /// Another store that begins as `mark` was.
    pub fn from_mark(mark: &Mark, options: &Options) -> Self {
        let options = Options { home: Home::Memory, ..options.clone() };
        Self::around(load::memory(&options, mark.state.fork(), &mark.applied))
    }

    /// Makes this store what it was when `mark` was made. Live snapshots end; positions go on.
    pub fn reset(&self, mark: &Mark) {
        let State::Memory(state) = &self.shared.state else { return };
        let mut core = self.shared.core.lock();
        core.seq += 1;
        core.counts.clear();
        let position = position::end_of(core.seq);
        self.shared.end_snapshots_before(position);
        self.shared.log.lock().clear();
        self.shared.recent.clear();
        self.shared.rolls.clear();
        state.become_like(&mark.state);
        self.shared.window.clear();
        self.shared.window_bytes.store(0, SeqCst);
        self.shared.applied.store(position, SeqCst);
        self.shared.head.store(position, SeqCst);
    }

    fn mark_in(&self, core: &Core) -> Option<Mark> {
        let State::Memory(state) = &self.shared.state else { return None };
        let state = state.fork();
        // What a live snapshot keeps from being applied.
        for group in self.shared.log.lock().iter() {
            group.batches.iter().for_each(|writes| state.apply(writes));
        }
        let stamp = self.shared.stamp.load(SeqCst);
        Some(Mark { state, applied: Applied { seq: core.seq, gid: core.gid, stamp } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Read;
    use crate::store::contract::{all, assert_derived, get, options, put};

    #[test]
    fn fork_and_original_go_separate_ways() {
        let store = Store::open(options(Home::Memory)).unwrap();
        (0..100).for_each(|n| put(&store, &format!("R{n:02}"), "red"));
        let held = store.snapshot();
        put(&store, "R00", "blue");
        let fork = Store::from_mark(&store.mark().unwrap(), &options(Home::Memory));
        put(&fork, "R01", "green");
        put(&store, "R02", "white");
        assert_eq!(get(&fork, "R00").unwrap(), "blue");
        assert_eq!(get(&store, "R01").unwrap(), "red");
        assert_eq!(get(&fork, "R02").unwrap(), "red");
        assert_eq!(held.get(b"R00").unwrap().unwrap(), "red");
        assert_derived(&fork.snapshot());
        assert_derived(&store.snapshot());
    }

    #[test]
    fn nothing_is_left_to_do_when_no_snapshot_is_held() {
        let store = Store::open(options(Home::Memory)).unwrap();
        put(&store, "R1", "red");
        assert_eq!(store.stats().window_keys, 0, "a mark would have to copy it");
    }

    #[test]
    fn reset_goes_back_to_the_mark_and_ends_snapshots() {
        let store = Store::open(options(Home::Memory)).unwrap();
        put(&store, "R1", "red");
        let mark = store.mark().unwrap();
        for _ in 0..2 {
            put(&store, "R1", "blue");
            put(&store, "R2", "blue");
            let held = store.snapshot();
            store.reset(&mark);
            assert!(held.get(b"R9").is_err());
            assert_eq!(all(&store.snapshot(), b"R").len(), 1);
            assert_derived(&store.snapshot());
        }
    }
}
