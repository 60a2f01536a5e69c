//! Brings a state and a journal together: replay when a store opens.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::Error;
use crate::store::batch::position;
use crate::store::commit::Core;
use crate::store::directory::Directory;
use crate::store::journal::frame::{Frame, Writer};
use crate::store::journal::{self, Damage, End, Journal};
use crate::store::open::{OpenError, Options};
use crate::store::shared::{Parts, Shared};
use crate::store::state::{Applied, Memory, Refused, Sled, State};
use crate::store::tx::Tx;

/// Keys changed by replay before the state is told of them.
const REPLAY_KEYS: usize = 20_000;

/// A store without a home, starting from `state`.
pub(super) fn memory(options: Options, state: Memory) -> Arc<Shared> {
    shared(&options, State::Memory(state), None, &Applied::default())
}

/// The store in the directory `path`.
pub(super) fn files(options: Options, path: &Path) -> Result<Arc<Shared>, OpenError> {
    let directory = Directory::open(path)?;
    let aside = |name: &str, why: &str| {
        directory.set_aside(name, why).map_err(|error| OpenError::io(directory.path(), &error))
    };
    if Sled::is_half_made(&directory.state()) {
        aside("state", "half")?;
    }
    let state = match Sled::open(&directory.state(), options.cache_bytes) {
        Ok(state) => state,
        Err(Refused::Io(error)) => return Err(OpenError::Io(format!("the state: {error}"))),
        Err(Refused::Damaged(why)) => {
            tracing::warn!("the state is damaged and is made anew from the journal: {why}");
            aside("state", "damaged")?;
            fresh(&directory, &options)?
        }
    };
    match replay(&options, &directory, state) {
        Ok((loaded, end)) => finish(loaded, &options, directory, end),
        Err(Trouble::Refused(error)) => Err(error),
        Err(Trouble::State(why)) => {
            tracing::warn!("the state does not fit the journal and is made anew from it: {why}");
            aside("state", "damaged")?;
            let state = fresh(&directory, &options)?;
            match replay(&options, &directory, state) {
                Ok((loaded, end)) => finish(loaded, &options, directory, end),
                Err(Trouble::Refused(error)) => Err(error),
                Err(Trouble::State(why)) => Err(OpenError::Damaged(why)),
            }
        }
    }
}

enum Trouble {
    /// The state is of no use; the journal may be fine.
    State(String),
    Refused(OpenError),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::State(error.to_string())
    }
}

fn fresh(directory: &Directory, options: &Options) -> Result<Sled, OpenError> {
    Sled::open(&directory.state(), options.cache_bytes).map_err(|refused| match refused {
        Refused::Io(why) | Refused::Damaged(why) => {
            OpenError::Io(format!("cannot make a new state: {why}"))
        }
    })
}

fn shared(
    options: &Options,
    state: State,
    directory: Option<Directory>,
    applied: &Applied,
) -> Arc<Shared> {
    let core = Core {
        journal: None,
        line: directory.as_ref().map_or([0; 16], Directory::line),
        seq: applied.seq,
        gid: applied.gid,
        at: 0,
        counts: HashMap::new(),
        writer: Writer::default(),
    };
    Shared::new(Parts {
        state,
        core,
        head: position::end_of(applied.seq),
        stamp: applied.stamp,
        derive: options.derive.clone(),
        clock: options.clock.clone(),
        on_fatal: options.on_fatal.clone(),
        window_limit: options.window_bytes,
        directory,
    })
}

/// Applies to `state` every group of the journal that it does not have.
fn replay(options: &Options, directory: &Directory, state: Sled) -> Result<(Loaded, End), Trouble> {
    let applied = state.applied()?;
    let shared = shared(options, State::Sled(state), None, &applied);
    let mut replay = Replay::new(&shared, applied);
    let mut state_trouble = None;
    let scanned = journal::scan(&directory.journal(), &directory.line(), applied.seq, |frame| {
        replay.frame(&frame).map_err(|error| {
            state_trouble = Some(error.to_string());
            "replay failed".to_owned()
        })
    });
    if let Some(why) = state_trouble {
        return Err(Trouble::State(why));
    }
    let end = scanned.map_err(|damage| {
        Trouble::Refused(match damage {
            Damage::Damaged(what) => OpenError::Damaged(what),
            Damage::Io(error) => OpenError::io(&directory.journal(), &error),
        })
    })?;
    let missing = |what: &str| Trouble::Refused(OpenError::Damaged(what.to_owned()));
    let last = end.last.as_ref().map_or(0, |head| head.seq);
    if last < applied.seq {
        return Err(missing("the journal ends before what the state has: its end is missing"));
    }
    if end.first.as_ref().is_some_and(|first| first.seq > applied.seq + 1) {
        return Err(missing("the journal begins after what the state has"));
    }
    if let Some(head) = end.last.as_ref().filter(|head| head.seq == applied.seq)
        && head.gid != applied.gid
    {
        return Err(Trouble::State("it is of another history".to_owned()));
    }
    let applied = replay.finish()?;
    Ok((Loaded { shared, applied }, end))
}

struct Loaded {
    shared: Arc<Shared>,
    applied: Applied,
}

/// Makes a store that can be written to of what replay left.
fn finish(
    loaded: Loaded,
    options: &Options,
    directory: Directory,
    end: End,
) -> Result<Arc<Shared>, OpenError> {
    let Loaded { shared: replayed, applied } = loaded;
    let state = Arc::into_inner(replayed).expect("replay is over and shared it with nobody").state;
    let at = end.last.as_ref().map_or(0, |head| head.at);
    let path = directory.journal();
    let journal = Journal::resume(&path, directory.line(), options.segment_bytes, end);
    let journal = journal.map_err(|error| OpenError::io(&path, &error))?;
    let shared = shared(options, state, Some(directory), &applied);
    let mut core = shared.core.lock();
    core.journal = Some(journal);
    core.at = at;
    drop(core);
    Ok(shared)
}

/// Does journaled groups again, by the code that did them first.
struct Replay<'a> {
    shared: &'a Arc<Shared>,
    tx: Tx,
    /// Counters as the latest group left them. Set, never added: however much of a group the state
    /// already had, they come out right.
    counts: HashMap<Bytes, u64>,
    applied: Applied,
    groups: u64,
}

impl<'a> Replay<'a> {
    fn new(shared: &'a Arc<Shared>, applied: Applied) -> Self {
        Self { shared, tx: Tx::replay(shared), counts: HashMap::new(), applied, groups: 0 }
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), Error> {
        if self.groups == 0 && frame.head.seq == self.applied.seq + 1 {
            let expected = self.applied.gid;
            if frame.head.prev != expected {
                return Err(Error::Broken("it is of another history".to_owned()));
            }
        }
        for op in frame.batches.iter().flat_map(|batch| &batch.ops) {
            self.tx.redo(op)?;
        }
        self.counts.extend(frame.counts.iter().cloned());
        let head = &frame.head;
        self.applied = Applied { seq: head.seq, gid: head.gid, stamp: head.stamp };
        self.groups += 1;
        if self.tx.len() >= REPLAY_KEYS {
            self.apply()?;
        }
        Ok(())
    }

    fn apply(&mut self) -> Result<(), Error> {
        let mut batch = self.tx.take();
        let number = |count: u64| Some(Bytes::copy_from_slice(&count.to_be_bytes()));
        batch.writes.extend(self.counts.drain().map(|(counter, count)| (counter, number(count))));
        self.shared.state.apply(&batch.writes, position::end_of(self.applied.seq))
    }

    fn finish(mut self) -> Result<Applied, Error> {
        if self.groups == 0 {
            return Ok(self.applied);
        }
        self.apply()?;
        if let State::Sled(state) = &self.shared.state {
            state.claim(&self.applied)?;
            state.sweep()?;
        }
        tracing::info!("replayed {} groups of the journal", self.groups);
        Ok(self.applied)
    }
}
