//! Makes groups visible: one's own when it is durable, another store's when it was read.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;

use crate::store::Error;
use crate::store::Result;
use crate::store::batch::{Writes, position};
use crate::store::commit::Core;
use crate::store::journal::Tip;
use crate::store::journal::frame::{Entry, Frame, Head};
use crate::store::shared::{Group, Shared};
use crate::store::tail::{self, Commit};
use crate::store::tx::Tx;

/// A group that stands in the journal and in the window.
#[derive(Default)]
pub(super) struct Standing {
    pub batches: Vec<Writes>,
    pub commits: Vec<Commit>,
    /// What its versions take in the window.
    pub cost: usize,
}

impl Shared {
    /// Waits for the turn to append, with everything followed that others appended before.
    pub fn enter(self: &Arc<Self>, core: &mut Core) -> Result<()> {
        self.at_journal(core, |journal, tip, follow| journal.enter(tip, follow))
    }

    /// Follows what others have appended by now.
    #[cfg(test)]
    pub fn catch_up(self: &Arc<Self>) -> Result<()> {
        use crate::store::journal::Journal;
        let mut core = self.core.lock();
        self.at_journal(&mut core, |journal, mut tip, follow| match journal {
            Journal::Files(_) => Ok(()),
            Journal::Table(turn) => turn.catch_up(&mut tip, follow),
        })
    }

    fn at_journal(
        self: &Arc<Self>,
        core: &mut Core,
        act: impl FnOnce(
            &mut crate::store::journal::Journal,
            Tip,
            &mut dyn FnMut(Frame) -> Result<()>,
        ) -> Result<()>,
    ) -> Result<()> {
        if let Some(why) = self.broken() {
            // What became of its last group is not known: its writes may stand in the window still.
            return Err(Error::Broken(why));
        }
        // Out of the core meanwhile, which moves on with every group that is followed.
        let Some(mut journal) = core.journal.take() else { return Ok(()) };
        let tip = Tip { seq: core.seq, gid: core.gid };
        let done = act(&mut journal, tip, &mut |frame| self.follow(core, frame));
        core.journal = Some(journal);
        if let Err(error @ Error::Broken(_)) = &done {
            self.fail(error.to_string());
        }
        done
    }

    /// Takes over a group that another store appended.
    fn follow(self: &Arc<Self>, core: &mut Core, frame: Frame) -> Result<()> {
        let Frame { head, batches, counts } = frame;
        let mut standing = Standing::default();
        let mut tx = Tx::replay(self, true);
        let last = batches.len();
        for (index, Entry { note, ops }) in (1..).zip(batches) {
            ops.iter().try_for_each(|op| tx.redo(op))?;
            let mut writes = tx.take().writes;
            // Counters are told as they stand at the end.
            for (counter, count) in counts.iter().filter(|_| index == last) {
                core.counts.insert(counter.clone(), *count);
                let count = Bytes::copy_from_slice(&count.to_be_bytes());
                writes.insert(counter.clone(), Some(count));
            }
            standing.cost += self.place(position::of(head.seq, index), &writes);
            standing.batches.push(writes);
            standing.commits.push(Commit { note, ops });
        }
        self.stamp.fetch_max(head.stamp, SeqCst);
        self.publish(core, &head, standing);
        Ok(())
    }

    /// Puts writes where later batches see them, and snapshots once the head moves; returns what they
    /// take in the window.
    pub fn place(&self, position: u64, writes: &Writes) -> usize {
        self.rolls.touch(position, writes);
        self.window.insert(position, writes)
    }

    /// Lets snapshots see a group that stands in the journal and in the window.
    pub fn publish(&self, core: &mut Core, head: &Head, standing: Standing) {
        (core.seq, core.gid, core.at) = (head.seq, head.gid, head.at);
        self.window_bytes.fetch_add(standing.cost, SeqCst);
        let position = position::end_of(head.seq);
        let batches = standing.batches;
        let group = Group { position, gid: head.gid, stamp: head.stamp, batches };
        self.log.lock().push_back(group);
        let told = tail::Group { seq: head.seq, at_us: head.at, commits: standing.commits };
        self.recent.push(told, core.journal.is_some());
        self.head.store(position, SeqCst);
        self.after_commit();
    }
}
