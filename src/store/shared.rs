//! What snapshots, writers and the applier share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::store::Derive;
use crate::store::Error;
use crate::store::Memos;
use crate::store::Result;
use crate::store::base::Base;
use crate::store::batch::Writes;
use crate::store::cache::Cache;
use crate::store::commit::{Core, Queue};
use crate::store::directory::Directory;
use crate::store::leaves::Leaves;
use crate::store::open::{Clock, Options};
use crate::store::rolls::Rolls;
use crate::store::state::State;
use crate::store::stats::{self, Counters};
use crate::store::tail::Recent;
use crate::store::window::Window;

/// A writer waits at most this long for room in the window.
const ROOM_PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Shared {
    pub window: Window,
    pub state: State,
    /// The newest position that snapshots see. Moves when a group is on the disk.
    pub head: AtomicU64,
    /// Snapshots older than this are ended.
    pub oldest_readable: AtomicU64,
    /// The newest position that the state has.
    pub applied: AtomicU64,
    /// Positions of live snapshots, and how many are at each.
    live: Mutex<BTreeMap<u64, usize>>,
    pub window_bytes: AtomicUsize,
    /// Groups that the state does not have yet, oldest first.
    pub log: Mutex<VecDeque<Group>>,
    pub room: (Mutex<()>, Condvar),
    /// Wakes the applier.
    pub wake: (Mutex<bool>, Condvar),
    pub stop: AtomicBool,
    pub queue: Mutex<Queue>,
    pub core: Mutex<Core>,
    pub derive: Arc<dyn Derive>,
    pub memos: Memos,
    /// What was read of a state on disk.
    pub cache: Cache,
    pub leaves: Leaves,
    pub rolls: Rolls,
    pub clock: Clock,
    pub options: Options,
    /// The largest creation stamp given.
    pub stamp: AtomicU64,
    /// Set once the journal failed: nobody knows what the disk has, so nothing more is written.
    broken: Mutex<Option<String>>,
    pub read_only: AtomicBool,
    /// The latest group found no place in the journal: out of inodes, or of a quota.
    pub lacks_segment: AtomicBool,
    /// The latest groups as the journal has them, for its readers.
    pub recent: Recent,
    pub counters: Counters,
    pub directory: Option<Directory>,
    /// What was wrong with the state when the store was opened.
    pub mended: Mutex<Option<String>>,
    /// The newest base, and how much journal there may be before the next.
    pub base: Mutex<Option<Base>>,
    pub base_patience: AtomicU64,
    /// Whether nobody looked yet if that base is whole.
    pub is_base_doubted: AtomicBool,
    pub opened: Instant,
    pub base_thread: Mutex<Option<JoinHandle<()>>>,
    /// Held while a base is made: they share a file, and the one begun last must be the newest.
    pub base_making: Mutex<()>,
    /// Held from before something is erased until the disk has nothing of it.
    pub scrubbing: Mutex<()>,
}

/// A committed group on its way into the state.
pub(super) struct Group {
    /// Its last position.
    pub position: u64,
    pub gid: [u8; 16],
    pub stamp: u64,
    pub batches: Vec<Writes>,
}

pub(super) struct Parts {
    pub state: State,
    pub core: Core,
    pub head: u64,
    pub stamp: u64,
    pub options: Options,
    pub directory: Option<Directory>,
}

impl Shared {
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            window: Window::default(),
            state: parts.state,
            head: AtomicU64::new(parts.head),
            oldest_readable: AtomicU64::new(0),
            applied: AtomicU64::new(parts.head),
            live: Mutex::default(),
            window_bytes: AtomicUsize::new(0),
            log: Mutex::default(),
            room: Default::default(),
            wake: Default::default(),
            stop: AtomicBool::new(false),
            queue: Mutex::default(),
            core: Mutex::new(parts.core),
            derive: parts.options.derive.clone(),
            memos: Memos::default(),
            cache: Cache::new(parts.options.record_bytes),
            leaves: Leaves::new(parts.options.leaf_bytes),
            rolls: Rolls::default(),
            clock: parts.options.clock.clone(),
            stamp: AtomicU64::new(parts.stamp),
            broken: Mutex::default(),
            read_only: AtomicBool::new(false),
            lacks_segment: AtomicBool::new(false),
            recent: Recent::default(),
            counters: Counters::default(),
            directory: parts.directory,
            mended: Mutex::default(),
            base: Mutex::default(),
            base_patience: AtomicU64::new(parts.options.base_bytes),
            is_base_doubted: AtomicBool::new(false),
            opened: Instant::now(),
            base_thread: Mutex::default(),
            base_making: Mutex::default(),
            scrubbing: Mutex::default(),
            options: parts.options,
        })
    }

    /// Keeps what the newest position sees from leaving the window; returns that position.
    pub fn pin(&self) -> u64 {
        let mut live = self.live.lock();
        let at = self.head.load(Ordering::SeqCst);
        *live.entry(at).or_default() += 1;
        at
    }

    pub fn unpin(&self, at: u64) {
        let mut live = self.live.lock();
        if let Some(count) = live.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                live.remove(&at);
            }
        }
    }

    /// The newest position, or that of the oldest live snapshot if there is one.
    pub fn oldest_live(&self) -> u64 {
        let live = self.live.lock();
        let head = self.head.load(Ordering::SeqCst);
        live.keys().next().map_or(head, |oldest| head.min(*oldest))
    }

    /// Ends every snapshot older than `position`, before what they need leaves the window.
    pub fn end_snapshots_before(&self, position: u64) {
        let live = self.live.lock();
        self.cache.while_nobody_fills(|| {
            self.oldest_readable.fetch_max(position, Ordering::SeqCst);
        });
        let ended: usize = live.range(..position).map(|(_, count)| *count).sum();
        stats::add(&self.counters.ended_snapshots, ended as u64);
    }

    pub fn is_readable(&self, at: u64) -> bool {
        self.oldest_readable.load(Ordering::SeqCst) <= at
    }

    pub fn has_room(&self) -> bool {
        self.window_bytes.load(Ordering::SeqCst) < self.options.window_bytes
    }

    /// Waits until the window has room. Called before a writer takes its snapshot: a waiting
    /// writer with a snapshot would keep in the window what it waits for to leave.
    pub fn wait_for_room(&self) -> Result<()> {
        if self.has_room() {
            return Ok(());
        }
        let begun = Instant::now();
        let mut room = self.room.0.lock();
        while !self.has_room() && begun.elapsed() < ROOM_PATIENCE {
            self.wake_applier();
            self.room.1.wait_for(&mut room, Duration::from_millis(20));
        }
        stats::add(&self.counters.wait_us, begun.elapsed().as_micros() as u64);
        if !self.has_room() {
            return Err(Error::ReadOnly("the disk does not keep up".to_owned()));
        }
        Ok(())
    }

    pub fn wake_applier(&self) {
        *self.wake.0.lock() = true;
        self.wake.1.notify_one();
    }

    /// A stamp larger than all before.
    pub fn next_stamp(&self) -> u64 {
        let now = (self.clock)();
        let next = |last: u64| Some(now.max(last + 1));
        let last = self.stamp.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        now.max(last.expect("there always is a next one") + 1)
    }

    /// Why nothing can be written any more, if so.
    pub fn broken(&self) -> Option<String> {
        self.broken.lock().clone()
    }

    /// An answer of the state. If the state is damaged, the process has to end: the next open makes
    /// it anew.
    pub fn told<T>(&self, answer: Result<T>) -> Result<T> {
        if let (Err(error @ Error::Damaged(_)), State::Sled(state)) = (&answer, &self.state)
            && state.suspect(&error.to_string())
        {
            self.fail(error.to_string());
        }
        answer
    }

    /// The disk failed in a way that only opening anew can decide.
    pub fn fail(&self, why: String) {
        let mut broken = self.broken.lock();
        if broken.is_none() {
            *broken = Some(why.clone());
            drop(broken);
            (self.options.on_fatal)(&why);
        }
    }
}
