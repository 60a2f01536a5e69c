//! Moves committed groups out of the window into the state, behind the writers' backs.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::store::Result;
use crate::store::batch::{Writes, position};
use crate::store::shared::Shared;
use crate::store::state::{Applied, State};

/// How long groups gather before they are applied: a key written often is then applied once.
const LAG: Duration = Duration::from_millis(1_000);
/// Bytes in the window above which the applier does not wait for that.
const LAG_BYTES: usize = 16 << 20;
/// Most groups applied in one round.
const ROUND_GROUPS: usize = 4_096;
/// Time between two claims of how far the state is. What is not claimed is replayed.
const CLAIM: Duration = Duration::from_millis(500);

impl Shared {
    /// Called by the leader when its group is visible.
    pub fn after_commit(&self) {
        if let State::Memory(_) = self.state {
            // Nothing to wait for, and no thread per store: worlds are many.
            while matches!(self.apply_round(), Ok(Some(_))) {}
            return;
        }
        let waiting = self.log.lock().len();
        if waiting == 1 || self.is_pressed() {
            self.wake_applier();
        }
    }

    /// Whether the window is too full to wait for more: writers must not come to wait for room.
    fn is_pressed(&self) -> bool {
        self.window_bytes.load(SeqCst) > LAG_BYTES.min(self.options.window_bytes / 2)
    }

    /// Applies what no live snapshot stands before; `None` if there was nothing to do.
    pub fn apply_round(&self) -> Result<Option<Applied>> {
        let mut upto = self.oldest_live();
        let is_blocked = self.log.lock().front().is_some_and(|group| group.position > upto);
        if is_blocked && self.window_bytes.load(SeqCst) >= self.options.window_bytes {
            // A reader that takes too long must not stop the writers.
            upto = self.head.load(SeqCst);
            self.end_snapshots_before(upto);
        }
        let mut merged = Writes::new();
        let mut last = None;
        {
            let mut log = self.log.lock();
            let mut taken = 0;
            while taken < ROUND_GROUPS
                && log.front().is_some_and(|group| group.position <= upto)
                && let Some(group) = log.pop_front()
            {
                let seq = position::seq(group.position);
                last = Some(Applied { seq, gid: group.gid, stamp: group.stamp });
                merged.extend(group.batches.into_iter().flatten());
                taken += 1;
            }
        }
        let Some(applied) = last else { return Ok(None) };
        let done = position::end_of(applied.seq);
        self.leaves.begin();
        self.state.apply(&merged, done)?;
        self.cache.applied(&merged);
        self.leaves.applied(&merged);
        let keys: Vec<&Bytes> = merged.keys().collect();
        let freed = self.window.retire(&keys, done);
        self.applied.store(done, SeqCst);
        let before = self.window_bytes.fetch_sub(freed, SeqCst);
        if before >= self.options.window_bytes {
            self.room.1.notify_all();
        }
        Ok(Some(applied))
    }

    /// The applier's thread, for a state on disk. Ends when the store closes, with all applied.
    pub fn run_applier(self: Arc<Self>) {
        let mut unclaimed = None;
        let mut claimed_at = Instant::now();
        loop {
            let closing = self.stop.load(SeqCst);
            if closing {
                self.end_snapshots_before(self.head.load(SeqCst));
            }
            let result = self.work(closing, &mut unclaimed, &mut claimed_at);
            if let Err(error) = self.told(result) {
                // What is in the journal is committed; opening anew finds out what the state has.
                self.fail(format!("the state cannot be written: {error}"));
                return;
            }
            if closing {
                return;
            }
            self.start_base_if_due();
            self.rest(unclaimed.is_some());
        }
    }

    fn work(
        &self,
        closing: bool,
        unclaimed: &mut Option<Applied>,
        claimed_at: &mut Instant,
    ) -> Result<()> {
        if !self.has_room_for_state() {
            return Ok(());
        }
        while let Some(applied) = self.apply_round()? {
            *unclaimed = Some(applied);
            // However much there is to do: the state is claimed and bases are begun in between.
            if !closing {
                break;
            }
        }
        let State::Sled(state) = &self.state else { return Ok(()) };
        if let Some(applied) = unclaimed
            && (closing || claimed_at.elapsed() >= CLAIM)
        {
            state.claim(applied)?;
            *unclaimed = None;
            *claimed_at = Instant::now();
        }
        if closing { state.flush() } else { Ok(()) }
    }

    /// Sleeps until there is something to do, and then while more may come of which one round is
    /// cheaper than many: neighbours in sled's tree are written together.
    fn rest(&self, claim_due: bool) {
        let mut woken = self.wake.0.lock();
        let is_idle = self.log.lock().is_empty() && !claim_due;
        if is_idle && !*woken && !self.stop.load(SeqCst) {
            self.wake.1.wait_for(&mut woken, Duration::from_secs(60));
        }
        let until = Instant::now() + LAG;
        let is_patient = || !self.stop.load(SeqCst) && !self.is_pressed();
        while is_patient() && !self.wake.1.wait_until(&mut woken, until).timed_out() {}
        *woken = false;
    }
}
