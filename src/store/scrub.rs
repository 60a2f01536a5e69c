//! Erases for good: nothing of what is deleted stays in the journal, in bases or in the state.
//!
//! A marker in the data directory says what is left to do. Whoever opens the store finishes it, so
//! that a kill at any moment only delays it.

use std::fs;
use std::io;

use crate::store::Error;
use crate::store::Result;
use crate::store::directory::{self, Directory, sync_directory};
use crate::store::home::Store;
use crate::store::keys;
use crate::store::open::{OpenError, Options};
use crate::store::proof;
use crate::store::space;
use crate::store::state::Sled;

/// Why the state was set aside.
const WHY: &str = "scrubbed";

/// What may still have old values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Journal, bases and state.
    All,
    /// The state alone: the files of sled keep old values in their free space.
    State,
}

impl Store {
    /// Runs `delete` and returns when neither journal nor bases have anything of what it deleted;
    /// nor have they any other history. The files of the state are made anew when the store is
    /// opened next. An error of `delete` must mean that it wrote nothing.
    pub fn scrub<T, E: From<Error>>(&self, delete: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let Some(directory) = &self.shared.directory else { return delete() };
        // Two at a time would not know of each other how far they are.
        let _alone = self.shared.scrubbing.lock();
        directory.check_place().map_err(|error| Error::ReadOnly(error.to_string()))?;
        let before = due(directory);
        // First: a kill right behind the delete must leave word of it.
        mark(directory, Some(Due::All)).map_err(|error| Error::ReadOnly(error.to_string()))?;
        match delete() {
            Ok(done) => {
                self.clear(directory).map_err(|error| unfinished(&error))?;
                Ok(done)
            }
            Err(error) => {
                // Unless the journal failed: then nobody knows what was written.
                if self.shared.broken().is_none()
                    && let Err(error) = mark(directory, before)
                {
                    tracing::warn!("the history will be removed at the next start: {error}");
                }
                Err(error)
            }
        }
    }

    /// Whether journal and bases may still have something that was erased.
    pub fn is_unscrubbed(&self) -> bool {
        self.shared.directory.as_ref().and_then(due) == Some(Due::All)
    }

    /// Whether the files of the state may still have something that was erased.
    pub fn has_unscrubbed_state(&self) -> bool {
        self.shared.directory.as_ref().and_then(due).is_some()
    }

    /// Finishes what was begun before this store was opened. If that cannot be, the store is served
    /// all the same, and the next open tries again.
    pub(super) fn finish_scrub(self, options: &Options) -> Result<Self, OpenError> {
        let Some(directory) = &self.shared.directory else { return Ok(self) };
        let done = match due(directory) {
            None => return Ok(self),
            // The old one is in its place still: there was a reason.
            Some(Due::State) if !directory.has_aside("state", WHY).unwrap_or(false) => {
                return Ok(self);
            }
            Some(Due::State) => directory.remove_all_aside().and_then(|()| mark(directory, None)),
            Some(Due::All) => match self.clear(directory) {
                Ok(()) => {
                    drop(self);
                    return Self::open(options.clone());
                }
                Err(error) => Err(io::Error::other(error.to_string())),
            },
        };
        match done {
            Ok(()) => tracing::info!("nothing of what was erased is left in the data directory"),
            Err(error) => {
                tracing::error!("what was erased is still in the data directory: {error}");
            }
        }
        Ok(self)
    }

    /// Removes journal and bases before now, whatever was to be kept for history.
    fn clear(&self, directory: &Directory) -> Result<()> {
        let broken = |error: io::Error| Error::Broken(error.to_string());
        if let Some(journal) = &mut self.shared.core.lock().journal {
            journal.turn_over();
        }
        // A group in the new segment, so that a base can begin in it.
        let now_ms = (self.shared.clock)() / 1_000;
        self.write(|tx| tx.put(&keys::document("erased"), now_ms.to_string()))?;
        self.shared.make_only_base().map_err(broken)?;
        directory.remove_all_aside().map_err(broken)?;
        mark(directory, Some(Due::State)).map_err(broken)
    }
}

/// Before the state is opened: sets it aside if it is to be made anew. It goes for good only when
/// the new one is whole.
pub(super) fn make_way(directory: &Directory, options: &Options) -> Result<(), OpenError> {
    let set_aside = || -> io::Result<()> {
        let has_aside = directory.has_aside("state", WHY)?;
        if due(directory) == Some(Due::State) && !directory.state().exists() && !has_aside {
            return mark(directory, None);
        }
        // Once: what is there since is new already, and a full disk must not fill with copies.
        if due(directory) == Some(Due::State) && !has_aside {
            let is_possible = proof::prove(directory)
                .and_then(|()| space::check_new_state(options, directory))
                .and_then(|()| {
                    space::check_opening(options, directory.path(), options.reserve_bytes)
                });
            if let Err(error) = is_possible {
                tracing::error!("what was erased is still in the state: {error}");
                return Ok(());
            }
            Sled::wait_until_free(&directory.state());
            directory.set_aside("state", WHY)?;
        }
        Ok(())
    };
    set_aside().map_err(|error| OpenError::io(directory.path(), &error))
}

/// A marker that cannot be read asks for everything.
fn due(directory: &Directory) -> Option<Due> {
    match fs::read_to_string(directory.scrub_marker()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Ok(text) if text.trim() == "state" => Some(Due::State),
        _ => Some(Due::All),
    }
}

fn mark(directory: &Directory, due: Option<Due>) -> io::Result<()> {
    let marker = directory.scrub_marker();
    match due {
        Some(Due::All) => directory::write_whole(&marker, b"all\n"),
        Some(Due::State) => directory::write_whole(&marker, b"state\n"),
        None if marker.exists() => {
            fs::remove_file(&marker)?;
            sync_directory(directory.path())
        }
        None => Ok(()),
    }
}

fn unfinished(error: &Error) -> Error {
    let what = "it is deleted, but still in the data directory until the next start";
    Error::Broken(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests;
