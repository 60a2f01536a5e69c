//! The commit: the first writer in leads, and commits what queued behind it as one group.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use crate::store::Error;
use crate::store::Result;
use crate::store::batch::{Batch, position};
use crate::store::journal::Journal;
use crate::store::journal::frame::{Gid, Head, Writer};
use crate::store::publish::Standing;
use crate::store::shared::Shared;
use crate::store::snapshot::View;
use crate::store::stats;
use crate::store::tail::Commit;
use crate::store::tx::{ReadSet, Tx};

/// Most batches in a group: those behind wait for one sync less, readers for the window's lock.
const GROUP_BATCHES: usize = 64;
const GROUP_BYTES: usize = 8 << 20;
/// Most that may wait for their group.
const QUEUE_BATCHES: usize = 4_096;
const QUEUE_BYTES: usize = 64 << 20;

/// What only the leader touches.
pub(super) struct Core {
    pub journal: Option<Journal>,
    pub line: [u8; 16],
    pub seq: u64,
    pub gid: Gid,
    /// Time of the latest group.
    pub at: u64,
    /// Counters as they stand after the latest group, as far as they were needed.
    pub counts: HashMap<Bytes, u64>,
    pub writer: Writer,
    /// When the free space of the volume was last looked at, and what was found.
    pub space_seen: Option<(Instant, Result<(), String>)>,
}

#[derive(Default)]
pub(super) struct Queue {
    requests: VecDeque<Request>,
    bytes: usize,
    led: bool,
}

/// A transaction whose rule is done, on its way into a group.
pub(super) struct Request {
    /// Its snapshot: what changed since is what the leader looks at.
    pub view: View,
    pub reads: ReadSet,
    pub batch: Batch,
    pub bytes: usize,
    pub party: Party,
}

/// Who wants to know.
pub(super) enum Party {
    /// A thread that waits, and leads if it is asked to.
    Thread(Seat),
    /// Somebody who left a rule that can be run again, and a way to be told.
    Job(Box<dyn Job>),
}

pub(super) trait Job: Send {
    /// Runs the rule on `tx`; false if it refused.
    fn again(&mut self, tx: &mut Tx) -> bool;
    fn finish(self: Box<Self>, verdict: Verdict);
}

#[derive(Debug)]
pub(super) enum Verdict {
    Committed,
    /// Nothing was written: run the rule again, on a new snapshot.
    Again,
    /// Nothing was written, and the rule's answer says why.
    Declined,
    Failed(Error),
}

pub(super) enum Signal {
    Lead,
    Done(Verdict),
}

#[derive(Default)]
pub(super) struct Waiter {
    signal: Mutex<Option<Signal>>,
    told: Condvar,
}

/// A waiting thread's place in the queue. However it is left, the thread is told.
pub(super) struct Seat(Arc<Waiter>);

impl Seat {
    pub fn new(waiter: &Arc<Waiter>) -> Self {
        Self(waiter.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let lost =
            || Signal::Done(Verdict::Failed(Error::Broken("the commit panicked".to_owned())));
        self.0.signal.lock().get_or_insert_with(lost);
        self.0.told.notify_one();
    }
}

impl Waiter {
    pub fn wait(&self) -> Signal {
        let mut signal = self.signal.lock();
        loop {
            match signal.take() {
                Some(signal) => return signal,
                None => self.told.wait(&mut signal),
            }
        }
    }

    fn tell(&self, signal: Signal) {
        *self.signal.lock() = Some(signal);
        self.told.notify_one();
    }
}

impl Shared {
    /// Queues a request; true if the caller must lead. If the queue is full, it is handed back who
    /// wanted to know.
    pub fn enqueue(&self, request: Request) -> Result<bool, Party> {
        let mut queue = self.queue.lock();
        if queue.requests.len() >= QUEUE_BATCHES
            || (queue.bytes > 0 && queue.bytes + request.bytes > QUEUE_BYTES)
        {
            return Err(request.party);
        }
        queue.bytes += request.bytes;
        queue.requests.push_back(request);
        Ok(!std::mem::replace(&mut queue.led, true))
    }

    /// Commits groups until nothing is queued, or until a waiting thread can take over.
    pub fn lead(self: &Arc<Self>) {
        loop {
            let group = self.next_group();
            let mut core = self.core.lock();
            // A leader that panicked would leave everybody waiting for ever.
            let done = catch_unwind(AssertUnwindSafe(|| self.commit(&mut core, group)));
            drop(core);
            match done {
                Ok(verdicts) => {
                    for (party, verdict) in verdicts {
                        party.tell(verdict);
                    }
                }
                Err(_) => self.fail("the commit panicked".to_owned()),
            }
            let mut queue = self.queue.lock();
            match queue.requests.front().map(|request| &request.party) {
                None => {
                    queue.led = false;
                    return;
                }
                Some(Party::Thread(seat)) => {
                    seat.0.tell(Signal::Lead);
                    return;
                }
                Some(Party::Job(_)) => {}
            }
        }
    }

    fn next_group(&self) -> Vec<Request> {
        let mut queue = self.queue.lock();
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(request) = queue.requests.front() {
            if group.len() == GROUP_BATCHES || (bytes > 0 && bytes + request.bytes > GROUP_BYTES) {
                break;
            }
            bytes += request.bytes;
            group.extend(queue.requests.pop_front());
        }
        queue.bytes -= bytes;
        group
    }

    /// Validates, writes and publishes one group; returns what became of each request.
    fn commit(self: &Arc<Self>, core: &mut Core, group: Vec<Request>) -> Vec<(Party, Verdict)> {
        if let Some(why) = self.refusal(core).or_else(|| self.enter(core).err()) {
            return group.into_iter().map(|r| (r.party, Verdict::Failed(why.clone()))).collect();
        }
        let seq = core.seq + 1;
        core.writer.begin();
        let mut draft = Draft::default();
        let mut verdicts = Vec::with_capacity(group.len());
        // Kept until all are validated: their views keep the window as that needs it.
        let mut views = Vec::with_capacity(group.len());
        for mut request in group {
            let verdict = match self.validate(&mut request) {
                Ok(()) if request.batch.is_empty() => Verdict::Committed,
                Ok(()) => match self.insert(core, seq, &mut draft, request.batch) {
                    Ok(()) => Verdict::Committed,
                    Err(error) => Verdict::Failed(error),
                },
                Err(verdict) => verdict,
            };
            views.push(request.view);
            verdicts.push((request.party, verdict));
        }
        // Not longer, or the group could not be applied before the next one comes.
        drop(views);
        if draft.standing.batches.is_empty() {
            core.journal.iter_mut().for_each(Journal::leave);
            return verdicts;
        }
        match self.write_group(core, seq, draft) {
            Ok(()) => verdicts,
            Err(error) => {
                // What was declined may have been so for what is not there now.
                let fail = |verdict| match (verdict, &error) {
                    // Another store was quicker: its group counts as well now.
                    (Verdict::Committed | Verdict::Declined, Error::TooOld) => Verdict::Again,
                    (Verdict::Committed | Verdict::Declined, _) => Verdict::Failed(error.clone()),
                    (other, _) => other,
                };
                verdicts.into_iter().map(|(party, verdict)| (party, fail(verdict))).collect()
            }
        }
    }

    fn refusal(&self, core: &mut Core) -> Option<Error> {
        if let Some(why) = self.broken() {
            return Some(Error::Broken(why));
        }
        if self.stop.load(SeqCst) {
            return Some(Error::ReadOnly("it is closing".to_owned()));
        }
        self.check_space(core).err().map(Error::ReadOnly)
    }

    /// Checks that nothing a request read has changed; if it has, runs its rule here, where
    /// nothing changes meanwhile.
    fn validate(self: &Arc<Self>, request: &mut Request) -> Result<(), Verdict> {
        let at = request.view.at();
        let changed = request.reads.keys.iter().any(|key| self.window.changed(key, at))
            || request.reads.ranges.iter().any(|range| self.window.range_changed(range, at));
        // After the look: a retirement between the two would hide a conflict.
        if !self.is_readable(at) {
            return Err(Verdict::Again);
        }
        if !changed {
            return Ok(());
        }
        stats::add(&self.counters.conflicts, 1);
        let Party::Job(job) = &mut request.party else { return Err(Verdict::Again) };
        let mut tx = Tx::in_commit(self);
        let Ok(accepted) = catch_unwind(AssertUnwindSafe(|| job.again(&mut tx))) else {
            return Err(Verdict::Failed(Error::Broken("a rule panicked".to_owned())));
        };
        let ended = tx.end();
        if ended.failed.is_some() {
            return Err(Verdict::Again);
        }
        if !accepted {
            return Err(Verdict::Declined);
        }
        request.batch = ended.batch;
        Ok(())
    }

    /// Puts a validated batch into the window, at the position to come. Later batches of the
    /// group see it, snapshots don't.
    fn insert(
        self: &Arc<Self>,
        core: &mut Core,
        seq: u64,
        draft: &mut Draft,
        mut batch: Batch,
    ) -> Result<()> {
        let view = View::newest(self);
        let mut counts = Vec::new();
        for (counter, by) in batch.counts.drain().filter(|(_, by)| *by != 0) {
            let known = match core.counts.get(&counter) {
                Some(count) => *count,
                None => view.count(&counter)?,
            };
            counts.push((counter, known.saturating_add_signed(by)));
        }
        for (counter, count) in counts {
            core.counts.insert(counter.clone(), count);
            draft.counts.insert(counter.clone(), count);
            batch.writes.insert(counter, Some(Bytes::copy_from_slice(&count.to_be_bytes())));
        }
        core.writer.batch(&batch.note, &batch.ops);
        let place = position::of(seq, draft.standing.batches.len() + 1);
        draft.standing.cost += self.place(place, &batch.writes);
        draft.standing.batches.push(batch.writes);
        draft.standing.commits.push(Commit { note: batch.note, ops: batch.ops });
        Ok(())
    }

    /// Makes the group durable, then visible.
    fn write_group(&self, core: &mut Core, seq: u64, draft: Draft) -> Result<()> {
        let mut gid = Gid::default();
        let random = getrandom::fill(&mut gid);
        let stamp = self.stamp.load(SeqCst);
        let at = (self.clock)().max(core.at);
        let head = Head { seq, gid, prev: core.gid, at, stamp };
        let counts: Vec<(Bytes, u64)> = draft.counts.into_iter().collect();
        if let Some(journal) = &mut core.journal {
            let frame = core.writer.finish(&head, &counts, &core.line);
            let room = random.map_err(|error| error.to_string());
            let room = room.and_then(|()| self.reserve(journal, frame.len()));
            let refused = match room.map_err(Error::ReadOnly) {
                Err(error) => Some(error),
                Ok(()) => match journal.append(&head, frame) {
                    Ok(true) => None,
                    Ok(false) => Some(Error::TooOld),
                    Err(error) => {
                        let why = format!("the journal cannot be written: {error}");
                        self.fail(why.clone());
                        return Err(Error::Broken(why));
                    }
                },
            };
            if let Some(error) = refused {
                journal.leave();
                let keys = draft.standing.batches.iter().flat_map(|writes| writes.keys());
                self.window.withdraw(keys, self.head.load(SeqCst));
                core.counts
                    .retain(|counter, _| !counts.iter().any(|(changed, _)| changed == counter));
                return Err(error);
            }
        }
        stats::add(&self.counters.groups, 1);
        stats::add(&self.counters.commits, draft.standing.batches.len() as u64);
        self.publish(core, &head, draft.standing);
        Ok(())
    }

    fn reserve(&self, journal: &mut Journal, len: usize) -> Result<(), String> {
        let room = journal.reserve(len);
        self.lacks_segment.store(room.is_err(), SeqCst);
        room.map_err(|error| format!("the journal cannot grow: {error}"))
    }
}

/// A group while it is put together.
#[derive(Default)]
struct Draft {
    standing: Standing,
    counts: HashMap<Bytes, u64>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}

impl Party {
    fn tell(self, verdict: Verdict) {
        match self {
            Self::Thread(seat) => seat.0.tell(Signal::Done(verdict)),
            Self::Job(job) => job.finish(verdict),
        }
    }
}
