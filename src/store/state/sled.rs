//! State in sled 0.34.7, written so that a power loss leaves something replay can mend.
//!
//! sled alone loses acknowledged writes: on Linux its flush is `sync_file_range`, which makes
//! nothing durable. We replace that call by `fdatasync`, and check at every open that we did.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::store::Error;
use crate::store::Order;
use crate::store::Range;
use crate::store::Result;
use crate::store::batch::Writes;
use crate::store::directory::{sync_directory, write_whole};
use crate::store::journal::frame::Gid;
use crate::store::keys;
use crate::store::state::claimed;
use crate::store::state::room::Room;
use crate::store::state::segments;
use crate::store::state::sheets::Sheets;
use crate::store::state::values::{self, Values, broken, is_locked};

/// How long sled may take to let go of files it was just closed over.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Says what was found to be damaged.
const SUSPECT: &str = "SUSPECT";

static SYNCS: AtomicU64 = AtomicU64::new(0);

/// Replaces libc's for the whole process: see above.
#[unsafe(no_mangle)]
pub extern "C" fn sync_file_range(file: i32, _offset: i64, _bytes: i64, _flags: u32) -> i32 {
    SYNCS.fetch_add(1, Relaxed);
    // SAFETY: a system call on a descriptor that the caller holds open.
    unsafe { libc::fdatasync(file) }
}

pub(in crate::store) struct Sled {
    path: PathBuf,
    /// Something was found to be damaged.
    is_suspect: AtomicBool,
    /// Says beside sled what the state has claimed.
    claimed: File,
    room: Room,
    db: sled::Db,
    /// Everything but index entries.
    values: Values,
    sheets: Sheets,
    meta: sled::Tree,
}

/// How far the state is, and in which history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct Applied {
    pub seq: u64,
    pub gid: Gid,
    pub stamp: u64,
}

/// Why sled's files cannot be used.
#[derive(Debug)]
pub(in crate::store) enum Refused {
    /// They can be made again from the journal.
    Damaged(String),
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Sled {
    /// Opens the state in `path`, or makes an empty one.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, Refused> {
        Self::wait_until_free(path);
        remove(path, |name| name.starts_with("snap.") && name.ends_with(".generating"))?;
        let opened = match Self::try_open(path, cache_bytes) {
            Err(Refused::Damaged(_)) => {
                // Snapshots only save sled time; a bad one must not cost the state.
                remove(path, |name| name.starts_with("snap."))?;
                Self::try_open(path, cache_bytes)?
            }
            other => other?,
        };
        opened.prove_syncs()?;
        let made = path.join("CREATED");
        if !made.exists() {
            let finish = || {
                for name in ["conf", "db"] {
                    File::open(path.join(name))?.sync_all()?;
                }
                sync_directory(&path.join("blobs"))?;
                write_whole(&made, b"")?;
                sync_directory(path.parent().unwrap_or(Path::new(".")))
            };
            finish()?;
        }
        Ok(opened)
    }

    /// Was the making of the state in `path` begun and never finished?
    pub fn is_half_made(path: &Path) -> bool {
        path.exists() && !path.join("CREATED").exists()
    }

    /// How far the state in `path` says it is, without opening it if that can be told.
    pub fn claimed(path: &Path) -> Option<Applied> {
        Self::claimed_beside(path).or_else(|| {
            // Older states have it in sled alone.
            let is_made = path.join("CREATED").exists();
            let state = is_made.then(|| Self::open_once(path, 8 << 20).ok()).flatten()?;
            state.applied().ok()
        })
    }

    /// What the state in `path` said last of how far it is; what sled has of it may be older.
    pub fn claimed_beside(path: &Path) -> Option<Applied> {
        claimed::read(path)
    }

    /// What was found wrong with the state in `path` while it was open.
    pub fn suspicion(path: &Path) -> Option<String> {
        fs::read_to_string(path.join(SUSPECT)).ok()
    }

    /// Leaves word for the next open that something is damaged; false if that is known.
    pub fn suspect(&self, why: &str) -> bool {
        let is_news = !self.is_suspect.swap(true, SeqCst);
        if is_news && let Err(error) = write_whole(&self.path.join(SUSPECT), why.as_bytes()) {
            tracing::warn!("{}: {error}", self.path.display());
        }
        is_news
    }

    /// Waits until nobody has the state in `path` open: threads of sled's outlive it for a moment,
    /// and write by its path.
    pub fn wait_until_free(path: &Path) {
        let Ok(file) = File::open(path.join("db")) else { return };
        let begun = Instant::now();
        // SAFETY: flock on a descriptor that `file` keeps open.
        while unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0
            && begun.elapsed() < LOCK_PATIENCE
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn try_open(path: &Path, cache_bytes: u64) -> Result<Self, Refused> {
        let begun = Instant::now();
        loop {
            match Self::open_once(path, cache_bytes) {
                // A state that was just closed is let go of by a thread of sled's.
                Err(Refused::Io(error))
                    if is_locked(&error.to_string()) && begun.elapsed() < LOCK_PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }

    fn open_once(path: &Path, cache_bytes: u64) -> Result<Self, Refused> {
        let open = || {
            let config = sled::Config::new().path(path).cache_capacity(cache_bytes);
            let db = config.flush_every_ms(Some(500)).open()?;
            let pieces = db.open_tree("pieces")?;
            let values = Values::new(sled::Tree::clone(&db), pieces.clone());
            let sheets = Sheets::new(Values::new(db.open_tree("sheets")?, pieces));
            let meta = db.open_tree("meta")?;
            let is_suspect = AtomicBool::new(path.join(SUSPECT).exists());
            let (claimed, room) = (claimed::open(path)?, Room::of(path)?);
            Ok(Self { path: path.to_owned(), is_suspect, claimed, room, db, values, sheets, meta })
        };
        segments::guard(path, || match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(state)) => Ok(state),
            Ok(Err(sled::Error::Io(error))) if !values::is_told_of_damage(&error) => {
                Err(Refused::Io(error))
            }
            Ok(Err(error)) => Err(Refused::Damaged(error.to_string())),
            Err(_) => Err(Refused::Damaged("sled could not read its files".to_owned())),
        })
    }

    /// A flush must reach our `sync_file_range`. A value that changes, or a flush has nothing to do.
    fn prove_syncs(&self) -> Result<(), Refused> {
        let before = SYNCS.load(Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let io = |error: sled::Error| Refused::Io(io::Error::other(error.to_string()));
        self.meta.insert("opened", &now.to_be_bytes()).map_err(io)?;
        self.db.flush().map_err(io)?;
        if SYNCS.load(Relaxed) == before {
            let what = "flushes of the state do not reach the disk";
            return Err(Refused::Io(io::Error::other(what)));
        }
        Ok(())
    }

    pub fn applied(&self) -> Result<Applied> {
        let Some(found) = self.meta.get("applied").map_err(broken)? else {
            return Ok(Applied::default());
        };
        let read = |at: usize| found.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        let gid = found.get(8..24).and_then(|bytes| bytes.try_into().ok());
        let (Some(seq), Some(gid), Some(stamp)) = (read(0), gid, read(24)) else {
            return Err(Error::Damaged("it does not say how far it is".to_owned()));
        };
        Ok(Applied { seq: u64::from_be_bytes(seq), gid, stamp: u64::from_be_bytes(stamp) })
    }

    /// Takes room on the disk for `bytes` of keys and values, but no more than `most`.
    pub fn take_room(&self, bytes: u64, most: u64) -> io::Result<()> {
        self.room.take(bytes, most)
    }

    /// Makes everything applied so far durable, and only then claims it.
    pub fn claim(&self, applied: &Applied) -> Result<()> {
        self.flush()?;
        let mut value = Vec::with_capacity(32);
        value.extend_from_slice(&applied.seq.to_be_bytes());
        value.extend_from_slice(&applied.gid);
        value.extend_from_slice(&applied.stamp.to_be_bytes());
        self.meta.insert("applied", value).map_err(broken)?;
        // Of use only if it can be written, and never ahead of what is durable.
        let _ = self.claimed.write_all_at(&claimed::encode(applied), 0);
        Ok(())
    }

    /// Only for whoever applies.
    pub fn flush(&self) -> Result<()> {
        self.db.flush().map_err(broken)?;
        self.sheets.flushed()
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        if is_indexed(key) { self.sheets.get(key) } else { self.values.get(key) }
    }

    pub fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let mut parts = parts(range);
        if order == Order::Backward {
            parts.reverse();
        }
        let mut found = Vec::new();
        for part in parts.into_iter().flatten() {
            let wanted = limit - found.len();
            found.extend(match is_indexed(&part.from) {
                true => self.sheets.scan(&part, order, wanted)?,
                false => self.values.scan(&part, order, wanted)?,
            });
        }
        Ok(found)
    }

    /// Plain inserts in order: a sled batch would sync twice and hold sled's global lock.
    pub fn apply(&self, writes: &Writes, position: u64) -> Result<()> {
        let (indexes, behind) = (keys::FIRST_INDEX, keys::BEHIND_INDEXES);
        let indexed = writes.range::<[u8], _>((Bound::Included(indexes), Bound::Excluded(behind)));
        let flush = || self.db.flush().map(drop).map_err(broken);
        self.sheets.apply(&indexed.collect::<Vec<_>>(), flush)?;
        let first: &[u8] = keys::FIRST_DERIVED;
        let derived = writes.range::<[u8], _>((Bound::Included(first), Bound::Unbounded));
        let primary = writes.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(first)));
        for (key, value) in derived.filter(|(key, _)| !is_indexed(key)).chain(primary) {
            self.values.set(key, value.as_deref(), position)?;
        }
        Ok(())
    }

    /// Removes what a crash left of large values.
    pub fn sweep(&self) -> Result<usize> {
        values::sweep([&self.values, self.sheets.values()])
    }

    pub fn bytes_on_disk(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

/// Index entries lie in sheets, everything else in values.
fn is_indexed(key: &[u8]) -> bool {
    key >= keys::FIRST_INDEX && key < keys::BEHIND_INDEXES
}

/// What of a range lies before, in and behind the indexes.
fn parts(range: &Range) -> [Option<Range>; 3] {
    let part = |low: &[u8], high: &[u8]| {
        let from = low.max(&range.from);
        let until = match (&range.until[..], high) {
            (until, []) | ([], until) => until,
            (until, high) => until.min(high),
        };
        // An empty `until` means "to the end".
        let has_keys = until.is_empty() || from < until;
        has_keys.then(|| Range { from: from.to_vec(), until: until.to_vec() })
    };
    [
        part(b"", keys::FIRST_INDEX),
        part(keys::FIRST_INDEX, keys::BEHIND_INDEXES),
        part(keys::BEHIND_INDEXES, b""),
    ]
}

fn remove(path: &Path, unwanted: impl Fn(&str) -> bool) -> Result<(), Refused> {
    let Ok(entries) = fs::read_dir(path) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(&unwanted) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {

    use super::*;
    use values::PIECE;

    #[test]
    fn state_that_is_open_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        let state = Sled::open(&path, 8 << 20).unwrap();
        let let_go = std::sync::atomic::AtomicBool::new(false);

        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                let_go.store(true, std::sync::atomic::Ordering::SeqCst);
                drop(state);
            });
            Sled::wait_until_free(&path);
        });

        assert!(let_go.into_inner());
        Sled::wait_until_free(&home.path().join("nothing"));
    }

    #[test]
    fn large_value_is_whole_while_it_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let state = Sled::open(&home.path().join("state"), 8 << 20).unwrap();
        let value = |fill: u8| Bytes::from(vec![fill; 3 * PIECE]);
        let put = |position: u64| {
            let writes = Writes::from([(Bytes::from("key"), Some(value(position as u8)))]);
            state.apply(&writes, position).unwrap();
        };
        put(1);

        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (2..2_000).for_each(put));
            while !writer.is_finished() {
                let found = state.scan(&Range::prefix(b"key"), Order::Forward, 10).unwrap();
                let got = state.get(b"key").unwrap().unwrap();

                assert_eq!((found.len(), found[0].1.len(), got.len()), (1, 3 * PIECE, 3 * PIECE));
                assert!(got.iter().all(|byte| *byte == got[0]), "pieces of two values");
            }
        });
    }
}
