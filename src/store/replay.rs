//! Replay: what the journal says, done again by the code that did it first.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::Derived;
use crate::store::Error;
use crate::store::Order;
use crate::store::Range;
use crate::store::base::{self, Base, Unreadable};
use crate::store::batch::{Op, Writes, position};
use crate::store::directory::Directory;
use crate::store::journal::frame::Frame;
use crate::store::journal::{self, Damage, End};
use crate::store::keys;
use crate::store::layers;
use crate::store::open::OpenError;
use crate::store::pages::Pages;
use crate::store::proof;
use crate::store::shared::Shared;
use crate::store::state::{Applied, Sled, State};
use crate::store::tx::Tx;

/// Keys changed before the state is told of them.
const BATCH_KEYS: usize = 20_000;
/// Their bytes: many large records must not fill memory.
const BATCH_BYTES: usize = 16 << 20;
/// Memory of index entries before the state is told of them: they come in no order, and the fewer
/// batches they come in, the fewer times a sheet of theirs is written.
const DERIVED_BYTES: usize = 32 << 20;
/// What an entry takes beside its key, about.
const ENTRY_BYTES: usize = 100;

/// Why a state could not be brought up to date.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The state is of no use; base and journal may be fine.
    State(String),
    Refused(OpenError),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            // Of the disk, not of what is on it.
            Error::Broken(why) => Self::Refused(OpenError::Io(format!("the state: {why}"))),
            error => Self::State(error.to_string()),
        }
    }
}

/// Applies every group of the journal that the state does not have.
pub(super) fn from_state(
    shared: &Arc<Shared>,
    directory: &Directory,
    applied: Applied,
) -> Result<(Applied, End), Trouble> {
    let mut replay = Replay::new(shared, applied, true);
    let end = replay.journal(directory)?;
    if proof::begins_behind(&end, &applied) && reaches_base(&end, directory)? {
        // The journal was trimmed before the state claimed what it had.
        return Err(Trouble::State("the journal begins behind it".to_owned()));
    }
    fits(directory, &end, &applied)?;
    let applied = replay.finish()?;
    Ok((applied, end))
}

/// Makes an empty state of the newest base and the journal since.
pub(super) fn from_base(
    shared: &Arc<Shared>,
    directory: &Directory,
) -> Result<(Applied, End), Trouble> {
    let progress = &shared.options.progress;
    progress.begin("clearing what a killed process left", 0);
    // A state that was killed before it claimed anything has entries that nobody would remove.
    empty(shared)?;
    let (start, entries) = load_base(shared, directory)?;
    let mut replay = Replay::new(shared, start, false);
    let end = replay.journal(directory)?;
    fits(directory, &end, &start)?;
    let is_new = replay.groups == 0 && start.seq == 0;
    replay.apply()?;
    if !is_new {
        let keys = entries + replay.puts;
        progress.begin("making indexes and counts", keys);
        derive_all(shared)?;
    }
    let applied = replay.finish()?;
    Ok((applied, end))
}

/// Makes of an empty state what a base and the groups behind its start add up to.
#[cfg(test)]
pub(super) fn from_rows(
    shared: &Arc<Shared>,
    start: Applied,
    entries: Vec<(Bytes, Bytes)>,
    rows: &[Bytes],
) -> Result<(Applied, u64), Trouble> {
    let writes = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
    shared.state.apply(&writes, position::end_of(start.seq))?;
    let mut replay = Replay::new(shared, start, false);
    let mut at = 0;
    for row in rows {
        let frame = journal::frame::decode(row).map_err(Trouble::State)?;
        if frame.head.seq != replay.applied.seq + 1 {
            return Err(damaged("the journal begins too late to make up the state"));
        }
        at = frame.head.at;
        replay.frame(&frame)?;
    }
    replay.apply()?;
    derive_all(shared)?;
    Ok((replay.finish()?, at))
}

struct Replay<'a> {
    shared: &'a Arc<Shared>,
    tx: Tx,
    derives: bool,
    /// Counters as the latest group left them. Set, never added: however much of a group the state
    /// already had, they come out right.
    counts: HashMap<Bytes, u64>,
    applied: Applied,
    groups: u64,
    /// About how many keys the journal added.
    puts: u64,
    /// What was changed since the state was told.
    bytes: usize,
}

impl<'a> Replay<'a> {
    fn new(shared: &'a Arc<Shared>, applied: Applied, derives: bool) -> Self {
        let tx = Tx::replay(shared, derives);
        Self { shared, tx, derives, counts: HashMap::new(), applied, groups: 0, puts: 0, bytes: 0 }
    }

    fn journal(&mut self, directory: &Directory) -> Result<End, Trouble> {
        let mut trouble = None;
        let after = self.applied.seq;
        let groups = journal::last(&directory.journal(), &directory.line());
        let groups = groups.unwrap_or_default().saturating_sub(after);
        self.shared.options.progress.begin("replaying the journal", groups);
        let scanned = journal::scan(&directory.journal(), &directory.line(), after, |frame| {
            self.frame(&frame).map_err(|error| {
                trouble = Some(error);
                "replay failed".to_owned()
            })
        });
        match (trouble, scanned) {
            (Some(error), _) => Err(error.into()),
            (None, Ok(end)) => Ok(end),
            (None, Err(Damage::Damaged(what))) => Err(damaged(&what)),
            (None, Err(Damage::Io(error))) => {
                Err(Trouble::Refused(OpenError::io(&directory.journal(), &error)))
            }
        }
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), Error> {
        let head = &frame.head;
        if head.seq == self.applied.seq + 1 && head.prev != self.applied.gid {
            return Err(Error::Damaged("it is of another history".to_owned()));
        }
        for op in frame.batches.iter().flat_map(|batch| &batch.ops) {
            self.tx.redo(op)?;
            if let Op::Put { key, value, .. } = op {
                self.puts += 1;
                self.bytes += key.len() + value.len();
            }
        }
        self.shared.options.progress.add(1);
        self.counts.extend(frame.counts.iter().cloned());
        self.applied = Applied { seq: head.seq, gid: head.gid, stamp: head.stamp };
        self.groups += 1;
        if self.tx.len() >= BATCH_KEYS || self.bytes >= BATCH_BYTES {
            self.apply()?;
        }
        Ok(())
    }

    fn apply(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        let mut batch = self.tx.take();
        let counts = self.counts.drain().filter(|_| self.derives);
        batch.writes.extend(counts.map(|(counter, count)| (counter, Some(number(count)))));
        self.shared.state.apply(&batch.writes, position::end_of(self.applied.seq))
    }

    fn finish(mut self) -> Result<Applied, Error> {
        self.apply()?;
        if let State::Sled(state) = &self.shared.state
            && state.applied()? != self.applied
        {
            state.claim(&self.applied)?;
            state.sweep()?;
            tracing::info!("replayed {} groups of the journal", self.groups);
        }
        Ok(self.applied)
    }
}

/// Is the journal whole from `start` on, of the same history, and as long as the state ever said?
fn fits(directory: &Directory, end: &End, start: &Applied) -> Result<(), Trouble> {
    let claimed = Sled::claimed_beside(&directory.state()).unwrap_or_default();
    let fits = proof::fits(end, start).and_then(|()| proof::reaches(end, &claimed));
    fits.map_err(|why| damaged(&why))?;
    if end.last.as_ref().is_some_and(|last| last.seq == start.seq && last.gid != start.gid) {
        return Err(Trouble::State("it is of another history".to_owned()));
    }
    Ok(())
}

/// Puts the entries of the newest base that can be read into the state; returns where it begins,
/// and how many there are.
fn load_base(shared: &Arc<Shared>, directory: &Directory) -> Result<(Applied, u64), Trouble> {
    let progress = &shared.options.progress;
    progress.begin("checking the base", 0);
    // Looked through first: half of a damaged one would be worse than none.
    let Some((base, entries)) = proof::newest_base(directory).map_err(Trouble::Refused)? else {
        return Ok((Applied::default(), 0));
    };
    progress.begin("loading the base", entries);
    load(shared, &base, directory).map_err(|error| match error {
        Unreadable::Damaged(why) => Trouble::State(why),
        Unreadable::Io(error) => Trouble::Refused(OpenError::io(&directory.bases(), &error)),
    })?;
    Ok((base.start, entries))
}

fn load(shared: &Arc<Shared>, base: &Base, directory: &Directory) -> Result<(), Unreadable> {
    let progress = &shared.options.progress;
    let mut writes = Writes::new();
    let place = position::end_of(base.start.seq);
    let put = |writes: &mut Writes| {
        progress.add(writes.len() as u64);
        let applied = shared.state.apply(&std::mem::take(writes), place);
        applied.map_err(|error| error.to_string())
    };
    let mut bytes = 0;
    base::read(base, &directory.line(), |key, value| {
        bytes += key.len() + value.len();
        writes.insert(key, Some(value));
        if writes.len() < BATCH_KEYS && bytes < BATCH_BYTES {
            return Ok(());
        }
        bytes = 0;
        put(&mut writes)
    })?;
    put(&mut writes).map_err(Unreadable::Damaged)
}

fn empty(shared: &Arc<Shared>) -> Result<(), Error> {
    let (range, mut pages) = (Range::prefix(b""), Pages::new());
    loop {
        let page = shared.state.scan(&range, Order::Forward, pages.limit)?;
        pages.saw(&page);
        if page.is_empty() {
            return Ok(());
        }
        let gone = page.into_iter().map(|(key, _)| (key, None)).collect();
        shared.state.apply(&gone, 0)?;
    }
}

/// Derives everything from all primary keys, into a state that has nothing derived.
fn derive_all(shared: &Arc<Shared>) -> Result<(), Error> {
    let tx = Tx::replay(shared, true);
    let mut rest = Range { from: Vec::new(), until: keys::FIRST_DERIVED.to_vec() };
    let mut counts: HashMap<Vec<u8>, u64> = HashMap::new();
    let (mut writes, mut bytes) = (Writes::new(), 0);
    let mut pages = Pages::new();
    loop {
        let page = shared.state.scan(&rest, Order::Forward, pages.limit)?;
        pages.saw(&page);
        let Some((last, _)) = page.last() else { break };
        rest.from = layers::after(last);
        shared.options.progress.add(page.len() as u64);
        for (key, value) in &page {
            let mut derived = Derived::default();
            shared.derive.derive(&tx, key, value, &mut derived)?;
            bytes += derived
                .entries
                .iter()
                .map(|(key, value)| key.len() + value.len() + ENTRY_BYTES)
                .sum::<usize>();
            let entries = derived.entries.into_iter();
            writes.extend(entries.map(|(key, value)| (key.into(), Some(value.into()))));
            derived.counts.into_iter().for_each(|counter| *counts.entry(counter).or_default() += 1);
        }
        if bytes >= DERIVED_BYTES {
            shared.state.apply(&std::mem::take(&mut writes), 0)?;
            bytes = 0;
        }
    }
    writes.extend(counts.into_iter().map(|(counter, n)| (counter.into(), Some(number(n)))));
    shared.state.apply(&writes, 0)
}

/// Is there a base that the journal goes on from?
fn reaches_base(end: &End, directory: &Directory) -> Result<bool, Trouble> {
    let refused = |error| Trouble::Refused(OpenError::io(&directory.bases(), &error));
    let bases = base::list(&directory.bases(), &directory.line()).map_err(refused)?;
    Ok(bases.iter().any(|base| !proof::begins_behind(end, &base.start)))
}

fn number(count: u64) -> Bytes {
    Bytes::copy_from_slice(&count.to_be_bytes())
}

fn damaged(what: &str) -> Trouble {
    Trouble::Refused(OpenError::Damaged(what.to_owned()))
}
