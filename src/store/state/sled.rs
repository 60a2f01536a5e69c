//! State in sled 0.34.7, written so that a power loss leaves something replay can mend.
//!
//! sled alone loses acknowledged writes: on Linux its flush is `sync_file_range`, which makes
//! nothing durable. We replace that call by `fdatasync`, and check at every open that we did.

use std::fs::{self, File};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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
use crate::store::layers::after;

/// Larger values make sled's nodes overflow into unsynced files: they are cut into pieces.
const PIECE: usize = 7_000;
/// A value of this length stands for pieces: its first bytes say how many bytes, and which pieces.
const CUT: usize = PIECE + 1;

/// How long sled may take to let go of files it was just closed over.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

static SYNCS: AtomicU64 = AtomicU64::new(0);

/// Replaces libc's for the whole process: see above.
#[unsafe(no_mangle)]
pub extern "C" fn sync_file_range(file: i32, _offset: i64, _bytes: i64, _flags: u32) -> i32 {
    SYNCS.fetch_add(1, Relaxed);
    // SAFETY: a system call on a descriptor that the caller holds open.
    unsafe { libc::fdatasync(file) }
}

pub(in crate::store) struct Sled {
    db: sled::Db,
    pieces: sled::Tree,
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
    Io(String),
}

impl Sled {
    /// Opens the state in `path`, or makes an empty one.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, Refused> {
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
            finish().map_err(|error| Refused::Io(format!("{}: {error}", path.display())))?;
        }
        Ok(opened)
    }

    /// Was the making of the state in `path` begun and never finished?
    pub fn is_half_made(path: &Path) -> bool {
        path.exists() && !path.join("CREATED").exists()
    }

    fn try_open(path: &Path, cache_bytes: u64) -> Result<Self, Refused> {
        let begun = Instant::now();
        loop {
            match Self::open_once(path, cache_bytes) {
                // A state that was just closed is let go of by a thread of sled's.
                Err(Refused::Io(why))
                    if why.contains("could not acquire lock")
                        && begun.elapsed() < LOCK_PATIENCE =>
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
            let meta = db.open_tree("meta")?;
            Ok(Self { db, pieces, meta })
        };
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(state)) => Ok(state),
            Ok(Err(sled::Error::Io(error))) => Err(Refused::Io(error.to_string())),
            Ok(Err(error)) => Err(Refused::Damaged(error.to_string())),
            Err(_) => Err(Refused::Damaged("sled could not read its files".to_owned())),
        }
    }

    /// A flush must reach our `sync_file_range`. A value that changes, or a flush has nothing to do.
    fn prove_syncs(&self) -> Result<(), Refused> {
        let before = SYNCS.load(Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let io = |error: sled::Error| Refused::Io(error.to_string());
        self.meta.insert("opened", &now.to_be_bytes()).map_err(io)?;
        self.db.flush().map_err(io)?;
        if SYNCS.load(Relaxed) == before {
            return Err(Refused::Io("flushes of the state do not reach the disk".to_owned()));
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
            return Err(Error::Broken("the state does not say how far it is".to_owned()));
        };
        Ok(Applied { seq: u64::from_be_bytes(seq), gid, stamp: u64::from_be_bytes(stamp) })
    }

    /// Makes everything applied so far durable, and only then claims it.
    pub fn claim(&self, applied: &Applied) -> Result<()> {
        self.db.flush().map_err(broken)?;
        let mut value = Vec::with_capacity(32);
        value.extend_from_slice(&applied.seq.to_be_bytes());
        value.extend_from_slice(&applied.gid);
        value.extend_from_slice(&applied.stamp.to_be_bytes());
        self.meta.insert("applied", value).map_err(broken)?;
        Ok(())
    }

    pub fn flush(&self) -> Result<()> {
        self.db.flush().map_err(broken)?;
        Ok(())
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.db.get(key).map_err(broken)? {
            Some(value) => self.whole(key, value),
            None => Ok(None),
        }
    }

    pub fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let Some(bounds) = range.bounds() else { return Ok(Vec::new()) };
        let mut found = Vec::with_capacity(limit.min(64));
        let mut entries = self.db.range::<&[u8], _>(bounds);
        while found.len() < limit {
            let next = match order {
                Order::Forward => entries.next(),
                Order::Backward => entries.next_back(),
            };
            let Some(entry) = next else { break };
            let (key, value) = entry.map_err(broken)?;
            if let Some(value) = self.whole(&key, value)? {
                found.push((Bytes::copy_from_slice(&key), value));
            }
        }
        Ok(found)
    }

    /// Plain inserts in order: a sled batch would sync twice and hold sled's global lock.
    pub fn apply(&self, writes: &Writes, position: u64) -> Result<()> {
        let split: &[u8] = keys::FIRST_DERIVED;
        let derived = writes.range::<[u8], _>((Bound::Included(split), Bound::Unbounded));
        let primary = writes.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(split)));
        for (key, value) in derived.chain(primary) {
            let old = match value {
                Some(value) if value.len() > PIECE => {
                    let head = self.cut(key, value, position)?;
                    self.db.insert(key, head).map_err(broken)?
                }
                Some(value) => self.db.insert(key, &value[..]).map_err(broken)?,
                None => self.db.remove(key).map_err(broken)?,
            };
            if let Some(old) = old.filter(|old| old.len() == CUT) {
                self.drop_pieces(key, &old, position)?;
            }
        }
        Ok(())
    }

    /// Writes the pieces of a large value, and returns what stands for them.
    fn cut(&self, key: &[u8], value: &[u8], position: u64) -> Result<Vec<u8>> {
        for (number, piece) in value.chunks(PIECE).enumerate() {
            let name = piece_name(key, position, number as u32);
            self.pieces.insert(name, piece).map_err(broken)?;
        }
        let mut head = vec![0; CUT];
        head[..8].copy_from_slice(&(value.len() as u64).to_be_bytes());
        head[8..16].copy_from_slice(&position.to_be_bytes());
        Ok(head)
    }

    fn drop_pieces(&self, key: &[u8], head: &[u8], unless: u64) -> Result<()> {
        let (bytes, position) = read_head(head);
        if position == unless {
            return Ok(());
        }
        for number in 0..bytes.div_ceil(PIECE) {
            self.pieces.remove(piece_name(key, position, number as u32)).map_err(broken)?;
        }
        Ok(())
    }

    /// Puts a value that was cut together again; `None` if it was removed meanwhile.
    ///
    /// The applier may replace a value between the look at its head and the look at its pieces.
    /// Then what it put there counts: whoever may not see that has its own version in the window.
    fn whole(&self, key: &[u8], mut value: sled::IVec) -> Result<Option<Bytes>> {
        while value.len() == CUT {
            let (bytes, position) = read_head(&value);
            if let Some(whole) = self.pieces_of(key, bytes, position)? {
                return Ok(Some(whole));
            }
            let Some(now) = self.db.get(key).map_err(broken)? else { return Ok(None) };
            if now.len() == CUT && read_head(&now).1 == position {
                return Err(lost_piece(key));
            }
            value = now;
        }
        Ok(Some(Bytes::copy_from_slice(&value)))
    }

    fn pieces_of(&self, key: &[u8], bytes: usize, position: u64) -> Result<Option<Bytes>> {
        let mut whole = Vec::with_capacity(bytes);
        for number in 0..bytes.div_ceil(PIECE) {
            let name = piece_name(key, position, number as u32);
            let Some(piece) = self.pieces.get(name).map_err(broken)? else { return Ok(None) };
            whole.extend_from_slice(&piece);
        }
        Ok((whole.len() == bytes).then(|| whole.into()))
    }

    /// Removes pieces that no value stands for: a crash between the two left them.
    pub fn sweep(&self) -> Result<usize> {
        let mut swept = 0;
        let mut from = Vec::new();
        while let Some((name, _)) =
            self.pieces.range(&from[..]..).next().transpose().map_err(broken)?
        {
            from = after(&name);
            let Some((key, position)) = split_piece_name(&name) else { continue };
            let owner = self.db.get(key).map_err(broken)?;
            let owned =
                owner.is_some_and(|head| head.len() == CUT && read_head(&head).1 == position);
            if !owned {
                self.pieces.remove(&name).map_err(broken)?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    pub fn bytes_on_disk(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

fn piece_name(key: &[u8], position: u64, number: u32) -> Vec<u8> {
    let mut name = key.to_vec();
    name.extend_from_slice(&position.to_be_bytes());
    name.extend_from_slice(&number.to_be_bytes());
    name
}

fn split_piece_name(name: &[u8]) -> Option<(&[u8], u64)> {
    let (rest, _number) = name.split_last_chunk::<4>()?;
    let (key, position) = rest.split_last_chunk::<8>()?;
    Some((key, u64::from_be_bytes(*position)))
}

/// Length of the value and position of its pieces.
fn read_head(head: &[u8]) -> (usize, u64) {
    let read = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("CUT is longer"));
    (read(0) as usize, read(8))
}

fn remove(path: &Path, unwanted: impl Fn(&str) -> bool) -> Result<(), Refused> {
    let Ok(entries) = fs::read_dir(path) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(&unwanted) {
            let removed = fs::remove_file(entry.path());
            removed.map_err(|error| Refused::Io(format!("{}: {error}", path.display())))?;
        }
    }
    Ok(())
}

fn lost_piece(key: &[u8]) -> Error {
    Error::Broken(format!("a piece of the value under {} is missing", key.escape_ascii()))
}

fn broken(error: sled::Error) -> Error {
    Error::Broken(error.to_string())
}

#[cfg(test)]
mod tests {

    use super::*;

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
