//! The lanes: how many operations of a kind are at work at once, how many may wait, who is sent away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::{Error, Result};

/// Most reads at work at once: they compute, so more than a few per core only queue elsewhere.
const READS: Width = Width { at_work: 16, waiting: 1024 };
/// Most write rules at work at once; the commits they wait for are grouped by the store.
const WRITES: Width = Width { at_work: 128, waiting: 1024 };
/// Most password hashes at once: each takes a core and megabytes for tens of milliseconds.
const HASHING: Width = Width { at_work: 2, waiting: 128 };
/// Most long operations (imports, exports, checks) at once.
const BULK: Width = Width { at_work: 2, waiting: 8 };

/// How wide a lane is and how long its queue may get.
#[derive(Debug, Clone, Copy)]
pub struct Width {
    pub at_work: usize,
    pub waiting: usize,
}

/// One kind of work, bounded.
#[derive(Debug)]
pub struct Lane {
    name: &'static str,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    width: Width,
}

/// The right to be at work in a lane, until dropped.
#[must_use]
pub struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// All lanes of an app.
#[derive(Debug)]
pub struct Lanes {
    pub reads: Lane,
    pub writes: Lane,
    pub hashing: Lane,
    pub bulk: Lane,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            reads: Lane::new("reads", READS),
            writes: Lane::new("writes", WRITES),
            hashing: Lane::new("hashing", HASHING),
            bulk: Lane::new("bulk", BULK),
        }
    }
}

impl Lanes {
    pub fn all(&self) -> [&Lane; 4] {
        [&self.reads, &self.writes, &self.hashing, &self.bulk]
    }
}

impl Lane {
    pub fn new(name: &'static str, width: Width) -> Self {
        let permits = Arc::new(Semaphore::new(width.at_work));
        Self { name, permits, waiting: AtomicUsize::new(0), width }
    }

    /// Waits for a place; `Busy` at once when too many wait already.
    pub async fn enter(&self) -> Result<Place> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(Place(permit));
        }
        let _waiting = Waiting::join(self)?;
        let permit = self.permits.clone().acquire_owned().await;
        Ok(Place(permit.expect("a lane is never closed")))
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Operations at work now.
    pub fn at_work(&self) -> usize {
        self.width.at_work.saturating_sub(self.permits.available_permits())
    }

    /// Operations in the queue now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A place in the queue; given back also when the caller goes away while waiting.
struct Waiting<'lane>(&'lane Lane);

impl<'lane> Waiting<'lane> {
    fn join(lane: &'lane Lane) -> Result<Self> {
        if lane.waiting.fetch_add(1, Ordering::Relaxed) >= lane.width.waiting {
            lane.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Busy(lane.name));
        }
        Ok(Self(lane))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn full_lane_makes_some_wait_and_sends_the_rest_away() {
        let lane = Arc::new(Lane::new("test", Width { at_work: 1, waiting: 1 }));
        let first = lane.enter().await.unwrap();
        let second = tokio::spawn({
            let lane = lane.clone();
            async move { lane.enter().await.map(drop) }
        });
        while lane.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(lane.enter().await, Err(Error::Busy("test"))));
        drop(first);
        second.await.unwrap().unwrap();
        assert_eq!((lane.at_work(), lane.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn caller_who_leaves_the_queue_gives_the_place_back() {
        let lane = Lane::new("test", Width { at_work: 1, waiting: 1 });
        let _first = lane.enter().await.unwrap();
        let waits = tokio::time::timeout(std::time::Duration::from_millis(1), lane.enter()).await;
        assert!(waits.is_err());
        assert_eq!(lane.waiting(), 0);
    }
}
