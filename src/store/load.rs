//! Brings a state and a journal together when a store opens.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::store::base;
use crate::store::batch::position;
use crate::store::commit::Core;
use crate::store::directory::Directory;
use crate::store::journal::frame::Writer;
use crate::store::journal::{End, Files, Journal};
use crate::store::open::{OpenError, Options};
use crate::store::replay::{self, Trouble};
use crate::store::scrub;
use crate::store::shared::{Parts, Shared};
use crate::store::state::{Applied, Memory, Refused, Sled, State};

/// A store without a home, starting from `state`.
pub(super) fn memory(options: &Options, state: Memory, applied: &Applied) -> Arc<Shared> {
    shared(options, State::Memory(state), None, applied)
}

/// A store at the table that `turn` is a place of: from a base and all groups behind its start.
#[cfg(test)]
pub(super) fn table(
    options: &Options,
    turn: crate::store::journal::table::Turn,
    line: [u8; 16],
    start: Applied,
    entries: Vec<(bytes::Bytes, bytes::Bytes)>,
    rows: &[bytes::Bytes],
) -> Result<Arc<Shared>, Trouble> {
    let replayed = shared(options, State::Memory(Memory::default()), None, &start);
    let (applied, at) = replay::from_rows(&replayed, start, entries, rows)?;
    let state = Arc::into_inner(replayed).expect("replay is over and shared it with nobody").state;
    let shared = shared(options, state, None, &applied);
    let mut core = shared.core.lock();
    core.journal = Some(Journal::Table(turn));
    (core.line, core.at) = (line, at);
    drop(core);
    Ok(shared)
}

/// The store in the directory `path`.
pub(super) fn files(options: &Options, path: &Path) -> Result<Arc<Shared>, OpenError> {
    let directory = Directory::open(path)?;
    scrub::make_way(&directory)?;
    if Sled::is_half_made(&directory.state()) {
        aside(&directory, "half")?;
    }
    if directory.is_older() {
        // The layout of states may change with the format; base and journal have everything.
        aside(&directory, "older")?;
    }
    let state = match Sled::open(&directory.state(), options.cache_bytes) {
        Ok(state) => state,
        Err(Refused::Io(error)) => return Err(OpenError::Io(format!("the state: {error}"))),
        Err(Refused::Damaged(why)) => {
            tracing::warn!("the state is damaged and is made anew from the journal: {why}");
            aside(&directory, "damaged")?;
            fresh(&directory, options)?
        }
    };
    match bring_up(options, &directory, state) {
        Ok(loaded) => finish(loaded, options, directory),
        Err(Trouble::Refused(error)) => Err(error),
        Err(Trouble::State(why)) => {
            tracing::warn!("the state does not fit the journal and is made anew from it: {why}");
            aside(&directory, "damaged")?;
            let state = fresh(&directory, options)?;
            match bring_up(options, &directory, state) {
                Ok(loaded) => finish(loaded, options, directory),
                Err(Trouble::Refused(error)) => Err(error),
                Err(Trouble::State(why)) => Err(OpenError::Damaged(why)),
            }
        }
    }
}

/// Sets the state aside, so that the next open makes it anew from base and journal.
pub(super) fn forget_state(path: &Path) -> Result<(), OpenError> {
    let directory = Directory::open(path)?;
    aside(&directory, "old")
}

fn aside(directory: &Directory, why: &str) -> Result<(), OpenError> {
    let moved = directory.set_aside("state", why);
    moved.map(drop).map_err(|error| OpenError::io(directory.path(), &error))
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
        space_seen: None,
    };
    Shared::new(Parts {
        state,
        core,
        head: position::end_of(applied.seq),
        stamp: applied.stamp,
        options: options.clone(),
        directory,
    })
}

/// Makes of `state` what base and journal add up to.
fn bring_up(
    options: &Options,
    directory: &Directory,
    state: Sled,
) -> Result<(Arc<Shared>, Applied, End), Trouble> {
    let applied = state.applied()?;
    let shared = shared(options, State::Sled(state), None, &applied);
    let (applied, end) = if applied.seq == 0 {
        replay::from_base(&shared, directory)?
    } else {
        replay::from_state(&shared, directory, applied)?
    };
    Ok((shared, applied, end))
}

/// Makes a store that can be written to of what replay left.
fn finish(
    (replayed, applied, end): (Arc<Shared>, Applied, End),
    options: &Options,
    directory: Directory,
) -> Result<Arc<Shared>, OpenError> {
    let state = Arc::into_inner(replayed).expect("replay is over and shared it with nobody").state;
    let at = end.last.as_ref().map_or(0, |head| head.at);
    let path = directory.journal();
    let journal = Files::resume(&path, directory.line(), options.segment_bytes, end);
    let journal = journal.map_err(|error| OpenError::io(&path, &error))?;
    let bases = base::list(&directory.bases(), &directory.line(), true);
    let bases = bases.map_err(|error| OpenError::io(&directory.bases(), &error))?;
    let shared = shared(options, state, Some(directory), &applied);
    *shared.base.lock() = bases.into_iter().next_back();
    let mut core = shared.core.lock();
    core.journal = Some(Journal::Files(journal));
    core.at = at;
    drop(core);
    renew(&shared)?;
    Ok(shared)
}

/// Brings a directory of an older format up to today's: a base first, so that whatever reads the
/// old journal differently one day, there is a copy that does not depend on it. Killed in between,
/// it is done again.
fn renew(shared: &Arc<Shared>) -> Result<(), OpenError> {
    let Some(directory) = shared.directory.as_ref().filter(|directory| directory.is_older()) else {
        return Ok(());
    };
    let made = shared.make_base().and_then(|_| directory.renew());
    let made = made.and_then(|()| directory.remove_aside("state", "older"));
    made.map_err(|error| OpenError::io(directory.path(), &error))?;
    tracing::info!(
        "the data directory was brought up to format {}",
        crate::store::directory::FORMAT
    );
    Ok(())
}
