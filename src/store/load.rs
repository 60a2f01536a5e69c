//! Brings a state and a journal together when a store opens.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::store::base;
use crate::store::batch::position;
use crate::store::commit::Core;
use crate::store::directory::Directory;
use crate::store::journal::frame::Writer;
use crate::store::journal::{End, Files, Journal};
use crate::store::open::{OpenError, Options};
use crate::store::proof;
use crate::store::replay::{self, Trouble};
use crate::store::scrub;
use crate::store::shared::{Parts, Shared};
use crate::store::space;
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
    let _watch = space::watch(options, path);
    let directory = Directory::open(path, options.segment_bytes)?;
    base::tidy(&directory.bases()).map_err(|error| OpenError::io(&directory.bases(), &error))?;
    space::check_opening(options, path, space::OPENING)?;
    scrub::make_way(&directory, options)?;
    if Sled::is_half_made(&directory.state()) {
        aside(&directory, options, "half")?;
    }
    if directory.is_older() {
        // The layout of states may change with the format; base and journal have everything.
        aside(&directory, options, "older")?;
    }
    if let Some(why) = suspicion(&directory)? {
        return anew(options, directory, &why);
    }
    let state = match Sled::open(&directory.state(), options.cache_bytes) {
        Ok(state) => state,
        Err(Refused::Io(error)) => return Err(OpenError::io(&directory.state(), &error)),
        Err(Refused::Damaged(why)) => return anew(options, directory, &why),
    };
    match bring_up(options, &directory, state) {
        Ok(loaded) => finish(loaded, options, directory),
        Err(Trouble::Refused(error)) => Err(error),
        Err(Trouble::State(why)) => anew(options, directory, &why),
    }
}

/// What was found wrong with the state while it was open, if it can be made anew. If it cannot,
/// what is sound of it is served.
fn suspicion(directory: &Directory) -> Result<Option<String>, OpenError> {
    let Some(why) = Sled::suspicion(&directory.state()) else { return Ok(None) };
    match proof::prove(directory) {
        Ok(()) => Ok(Some(why)),
        Err(OpenError::Damaged(what)) => {
            tracing::error!("the state is damaged and cannot be made anew: {why}; {what}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Makes the state of base and journal, and keeps the one that is damaged for inspection.
fn anew(options: &Options, directory: Directory, why: &str) -> Result<Arc<Shared>, OpenError> {
    let kept = aside(&directory, options, "damaged").map_err(|error| match error {
        OpenError::Damaged(what) => OpenError::Damaged(format!("the state: {why}; {what}")),
        other => other,
    })?;
    let kept = kept.map_or_else(String::new, |path| format!("; it is kept as {}", path.display()));
    let told =
        format!("the state was of no use ({why}) and is made anew from base and journal{kept}");
    tracing::warn!("{told}");
    let state = fresh(&directory, options)?;
    match bring_up(options, &directory, state) {
        Ok(loaded) => {
            let shared = finish(loaded, options, directory)?;
            *shared.mended.lock() = Some(told);
            Ok(shared)
        }
        Err(Trouble::Refused(error)) => Err(error),
        Err(Trouble::State(why)) => Err(OpenError::Damaged(why)),
    }
}

/// Sets the state aside, so that the next open makes it anew from base and journal.
pub(super) fn forget_state(options: &Options, path: &Path) -> Result<(), OpenError> {
    let directory = Directory::open(path, options.segment_bytes)?;
    aside(&directory, options, "old").map(drop)
}

/// Sets the state aside if it can be made anew, and removes the one that was set aside before for
/// the same reason.
fn aside(
    directory: &Directory,
    options: &Options,
    why: &str,
) -> Result<Option<PathBuf>, OpenError> {
    proof::prove(directory)?;
    space::check_new_state(options, directory)?;
    // Whoever looked into it, or failed to use it, has threads of sled's that write by its path.
    Sled::wait_until_free(&directory.state());
    let move_away = || {
        directory.remove_aside("state", why)?;
        directory.set_aside("state", why)
    };
    move_away().map_err(|error| OpenError::io(directory.path(), &error))
}

fn fresh(directory: &Directory, options: &Options) -> Result<Sled, OpenError> {
    Sled::open(&directory.state(), options.cache_bytes).map_err(|refused| match refused {
        Refused::Io(error) => OpenError::io(&directory.state(), &error),
        Refused::Damaged(why) => OpenError::Io(format!("cannot make a new state: {why}")),
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
    let bases = base::list(&directory.bases(), &directory.line());
    let bases = bases.map_err(|error| OpenError::io(&directory.bases(), &error))?;
    let is_trimmed = journal.first().is_some_and(|first| first > 1);
    let shared = shared(options, state, Some(directory), &applied);
    shared.is_base_doubted.store(is_trimmed || !bases.is_empty(), SeqCst);
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
