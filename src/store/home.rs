//! The store as others see it: opened, read, written, closed.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::store::Derive;
use crate::store::batch::position;
use crate::store::load;
use crate::store::open::{Home, OpenError, Options};
use crate::store::shared::Shared;
use crate::store::snapshot::Snapshot;
use crate::store::state::{Applied, Memory, State};
use crate::store::stats::{Stats, Tally};

/// Keys and bytes: every read is a snapshot, every write serializable, and durable when answered.
pub struct Store {
    pub(super) shared: Arc<Shared>,
    applier: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the store in its home, replays what the state does not have yet, and refuses what it
    /// cannot serve.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let shared = match options.home.clone() {
            Home::Memory => load::memory(&options, Memory::default(), &Applied::default()),
            Home::Files(path) => load::files(&options, &path)?,
        };
        let store = Self::around(shared);
        if let State::Sled(_) = store.shared.state {
            let shared = store.shared.clone();
            let thread = std::thread::Builder::new()
                .name("applier".to_owned())
                .spawn(move || shared.run_applier())
                .map_err(|error| OpenError::Io(format!("cannot start a thread: {error}")))?;
            *store.applier.lock() = Some(thread);
        }
        store.finish_scrub(&options)
    }

    /// Opens a throw-away store.
    pub fn memory(derive: Arc<dyn Derive>) -> Self {
        let options = Options::new(Home::Memory, derive);
        Self::around(load::memory(&options, Memory::default(), &Applied::default()))
    }

    pub(super) fn around(shared: Arc<Shared>) -> Self {
        Self { shared, applier: Mutex::default() }
    }

    /// Sets the state aside: the next open makes it anew from base and journal. Refused if those
    /// don't add up to it, or there is no room for both.
    pub fn forget_state(options: &Options) -> Result<(), OpenError> {
        match &options.home {
            Home::Memory => Ok(()),
            Home::Files(path) => load::forget_state(options, path),
        }
    }

    /// What was wrong with the state when the store was opened, and had to be mended.
    pub fn mended(&self) -> Option<String> {
        self.shared.mended.lock().clone()
    }

    /// Looks whether the volume has room for writes, as the next writer would.
    pub fn look_for_room(&self) {
        // Whoever leads now looks for itself.
        if let Some(mut core) = self.shared.core.try_lock() {
            let _ = self.shared.check_space(&mut core);
        }
    }

    /// All of the store as of now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.shared)
    }

    /// All of the store as of now, for whoever must not wait: see [`Snapshot::gave_up`].
    pub fn glance(&self) -> Snapshot {
        Snapshot::glance(&self.shared)
    }

    /// Stops taking writes, brings the state up to date and returns when all is on disk. Live
    /// snapshots end.
    pub fn close(&self) {
        self.shared.stop.store(true, SeqCst);
        // Whoever leads now finishes first.
        drop(self.shared.core.lock());
        self.shared.wake_applier();
        self.shared.join_base();
        if let Some(thread) = self.applier.lock().take() {
            // A panic of the applier was its last word; the journal has everything.
            let _ = thread.join();
        }
    }

    /// Why nothing can be written until the store is opened anew, if so.
    pub fn broken(&self) -> Option<String> {
        self.shared.broken()
    }

    /// What was asked of the store so far.
    pub fn tally(&self) -> Tally {
        self.shared.counters.tally()
    }

    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        let counters = &shared.counters;
        Stats {
            tally: counters.tally(),
            seq: position::seq(shared.head.load(SeqCst)),
            applied_seq: position::seq(shared.applied.load(SeqCst)),
            groups: counters.groups.load(Relaxed),
            conflicts: counters.conflicts.load(Relaxed),
            ended_snapshots: counters.ended_snapshots.load(Relaxed),
            window_bytes: shared.window_bytes.load(Relaxed) as u64,
            window_keys: shared.window.len() as u64,
            wait_us: counters.wait_us.load(Relaxed),
            state_bytes: match &shared.state {
                State::Memory(_) => 0,
                State::Sled(state) => state.bytes_on_disk(),
            },
            read_only: shared.read_only.load(Relaxed) || shared.lacks_segment.load(Relaxed),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
