//! Reads the journal as it grows: what changed, in order, from any position that is still kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use crate::store::Error;
use crate::store::Result;
use crate::store::batch::{Op, position};
use crate::store::home::Store;
use crate::store::journal::{Reader, frame::Entry};
use crate::store::shared::Shared;

/// Bytes of the latest groups kept at hand. Readers further behind read the files; without files,
/// they are told that it is too late.
const AT_HAND: usize = 8 << 20;
const AT_HAND_IN_MEMORY: usize = 64 << 20;

/// One group of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub seq: u64,
    /// Microseconds since the epoch, never before the previous group's.
    pub at_us: u64,
    pub commits: Vec<Commit>,
}

/// What one transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// What its rule left word of.
    pub note: Bytes,
    pub ops: Vec<Op>,
}

/// A reader of the journal, at its own pace. Many may read; writers don't notice.
pub struct Tail {
    shared: Arc<Shared>,
    /// The latest group that was read.
    seq: u64,
    reader: Option<Reader>,
}

/// The latest groups, and a bell that rings for each.
#[derive(Default)]
pub(super) struct Recent {
    groups: Mutex<(VecDeque<Arc<Group>>, usize)>,
    grown: Condvar,
}

impl Store {
    /// Reads every group after group `seq`. Snapshots tell theirs, so that nothing falls between
    /// what a snapshot showed and what follows.
    pub fn tail(&self, seq: u64) -> Tail {
        Tail { shared: self.shared.clone(), seq, reader: None }
    }
}

impl Tail {
    /// The next group; `None` if there is none yet. [`Error::TooOld`] if it is not kept any more:
    /// start again from a snapshot.
    pub fn read(&mut self) -> Result<Option<Arc<Group>>> {
        let head = position::seq(self.shared.head.load(SeqCst));
        if self.seq >= head {
            return Ok(None);
        }
        let group = match self.shared.recent.after(self.seq) {
            Some(group) => group,
            None => Arc::new(self.read_files()?),
        };
        self.seq = group.seq;
        Ok(Some(group))
    }

    /// Waits for the next group, for at most `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<Option<Arc<Group>>> {
        let until = Instant::now() + patience;
        loop {
            if let Some(group) = self.read()? {
                return Ok(Some(group));
            }
            let mut groups = self.shared.recent.groups.lock();
            if groups.0.back().is_some_and(|group| group.seq > self.seq) {
                // Its group is at hand and becomes visible this very moment.
                drop(groups);
                std::thread::yield_now();
            } else if self.shared.recent.grown.wait_until(&mut groups, until).timed_out() {
                return Ok(None);
            }
        }
    }

    fn read_files(&mut self) -> Result<Group> {
        let Some(directory) = &self.shared.directory else { return Err(Error::TooOld) };
        let mut reader = match self.reader.take().filter(|reader| reader.seq() == self.seq) {
            Some(reader) => reader,
            None => {
                let core = self.shared.core.lock();
                let journal = core.journal.as_ref().ok_or(Error::TooOld)?;
                journal.reader(directory.line(), self.seq).ok_or(Error::TooOld)?
            }
        };
        let broken = |what: String| Error::Broken(format!("the journal cannot be read: {what}"));
        // The segment may have been dropped since: then it is too late as well.
        let frame = reader.next().map_err(broken)?.ok_or(Error::TooOld)?;
        self.reader = Some(reader);
        let commit = |Entry { note, ops }| Commit { note, ops };
        let commits = frame.batches.into_iter().map(commit).collect();
        Ok(Group { seq: frame.head.seq, at_us: frame.head.at, commits })
    }
}

impl Recent {
    /// Called by the leader, before the group can be seen.
    pub fn push(&self, group: Group, has_files: bool) {
        let limit = if has_files { AT_HAND } else { AT_HAND_IN_MEMORY };
        let mut groups = self.groups.lock();
        let (kept, bytes) = &mut *groups;
        *bytes += group.bytes();
        kept.push_back(Arc::new(group));
        while *bytes > limit && kept.len() > 1 {
            *bytes -= kept.pop_front().map_or(0, |group| group.bytes());
        }
        drop(groups);
        self.grown.notify_all();
    }

    fn after(&self, seq: u64) -> Option<Arc<Group>> {
        let groups = self.groups.lock();
        let first = groups.0.front()?.seq;
        let place = (seq + 1).checked_sub(first)?;
        groups.0.get(place as usize).cloned()
    }

    /// Forgets all: what follows is no continuation of it.
    pub fn clear(&self) {
        *self.groups.lock() = Default::default();
    }
}

impl Group {
    fn bytes(&self) -> usize {
        let ops = self.commits.iter().flat_map(|commit| &commit.ops);
        64 + ops.map(Op::bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{options, put};
    use crate::store::open::{Home, Options};

    fn read_all(tail: &mut Tail) -> Vec<u64> {
        std::iter::from_fn(|| tail.read().unwrap()).map(|group| group.seq).collect()
    }

    #[test]
    fn tail_tells_every_commit_once_and_in_order() {
        let home = tempfile::tempdir().unwrap();
        for home in [Home::Memory, Home::Files(home.path().to_owned())] {
            let store = Store::open(options(home)).unwrap();
            let mut tail = store.tail(0);
            for n in 0..20 {
                let noted = |tx: &mut crate::store::Tx| {
                    tx.note(format!("by {n}"));
                    tx.put(b"k", n.to_string())
                };
                store.write(noted).unwrap();
                let group = tail.read().unwrap().unwrap();
                assert_eq!(group.commits[0].note, format!("by {n}"));
                let value = Bytes::from(n.to_string());
                assert_eq!(
                    group.commits[0].ops,
                    [Op::Put { key: "k".into(), value, undo: Bytes::new() }]
                );
                assert_eq!(tail.read().unwrap(), None);
            }
            assert_eq!(read_all(&mut store.tail(15)), [16, 17, 18, 19, 20]);
        }
    }

    #[test]
    fn tail_reads_what_older_processes_wrote_until_it_is_dropped() {
        let home = tempfile::tempdir().unwrap();
        let options = Options {
            segment_bytes: 64 << 10,
            retention_bytes: 0,
            ..options(Home::Files(home.path().to_owned()))
        };
        let store = Store::open(options.clone()).unwrap();
        (0..200).for_each(|n| put(&store, &format!("R{n}"), &"x".repeat(1_000)));
        drop(store);
        let store = Store::open(options).unwrap();
        put(&store, "R", "late");
        assert_eq!(read_all(&mut store.tail(0)), (1..=201).collect::<Vec<_>>());
        assert_eq!(read_all(&mut store.tail(150)), (151..=201).collect::<Vec<_>>());
        store.make_base().unwrap();
        assert!(matches!(store.tail(0).read(), Err(Error::TooOld)));
        assert_eq!(read_all(&mut store.tail(200)), [201]);
    }

    #[test]
    fn waiting_ends_with_a_commit_or_with_patience() {
        let store = Store::open(options(Home::Memory)).unwrap();
        let mut tail = store.tail(0);
        assert_eq!(tail.wait(Duration::from_millis(5)).unwrap(), None);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| tail.wait(Duration::from_secs(20)).unwrap());
            put(&store, "a", "b");
            assert_eq!(waiting.join().unwrap().unwrap().seq, 1);
        });
    }
}
