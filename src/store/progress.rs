//! How far the opening of a store is, for whoever waits for it: probes, and the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// An opening that takes longer than this says so in the log, and again after as long.
const SILENCE: Duration = Duration::from_secs(5);

/// What a store is at while it opens. Cheap to clone: all copies tell the same.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    now: Stage,
    said: Option<Instant>,
}

/// One part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stage {
    /// In words that continue "the store is …"; empty before anything was begun.
    pub what: &'static str,
    pub done: u64,
    /// About how much there is to do in this stage; 0 where nobody knows.
    pub total: u64,
}

impl Stage {
    pub fn percent(&self) -> Option<u64> {
        (self.total > 0).then(|| (self.done * 100 / self.total).min(100))
    }
}

impl Progress {
    pub fn now(&self) -> Stage {
        self.0.lock().now
    }

    /// Begins a part of about `total` steps (0: nobody knows).
    pub(super) fn begin(&self, what: &'static str, total: u64) {
        let mut inner = self.0.lock();
        inner.now = Stage { what, done: 0, total };
        inner.said.get_or_insert_with(Instant::now);
    }

    pub(super) fn add(&self, steps: u64) {
        let mut inner = self.0.lock();
        inner.now.done += steps;
        if inner.said.is_some_and(|said| said.elapsed() >= SILENCE) {
            inner.said = Some(Instant::now());
            let Stage { what, done, total } = inner.now;
            let percent = inner.now.percent();
            drop(inner);
            tracing::info!(what, done, total, percent, "still opening: the store is {what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::contract::{forget, in_files, options, put};
    use crate::store::open::{Home, Options};

    #[test]
    fn stage_tells_how_much_is_done_where_that_is_known() {
        let progress = Progress::default();
        assert_eq!(progress.now(), Stage::default());
        progress.begin("busy", 0);
        progress.add(3);
        assert_eq!((progress.now().done, progress.now().percent()), (3, None));
        progress.begin("busy", 8);
        progress.add(2);
        assert_eq!(progress.now().percent(), Some(25));
        progress.add(9);
        assert_eq!(progress.now().percent(), Some(100), "an estimate may fall short");
    }

    #[test]
    fn opening_tells_what_it_is_at() {
        let home = tempfile::tempdir().unwrap();
        {
            let store = in_files(home.path());
            (0..40).for_each(|n| put(&store, &format!("R{n:02}"), "red"));
            store.make_base().unwrap();
            (40..50).for_each(|n| put(&store, &format!("R{n:02}"), "red"));
        }
        forget(home.path());
        let progress = Progress::default();
        let home = Home::Files(home.path().to_owned());

        Store::open(Options { progress: progress.clone(), ..options(home) }).unwrap();

        let Stage { what, done, total } = progress.now();
        assert_eq!((what, done, total), ("making indexes and counts", 50, 50));
    }
}
