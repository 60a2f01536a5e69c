//! sled's log as it lies on the disk, looked at for damage that sled passes over in silence.
//!
//! When sled opens, it reads what was written since its last snapshot, and where a message is not
//! whole it goes on with the next segment: right after a crash, where nothing that was durable is
//! lost with it; wrong where a byte was changed later, for then pages are as they once were, and
//! nobody is told. Pages behind the snapshot are checked when they are read.
//!
//! A large log is looked at while sled reads it too. sled may have noted by then that it has read
//! all, so where looking began is written down before, and holds until all was seen.
//!
//! Layout, of sled 0.34: segments of 512 KiB; each begins with a checksum, its number in the log and
//! how far the log was durable then; messages follow, each with a checksum of its own.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::store::directory::write_whole;
use crate::store::state::sled::Refused;

const SEGMENT: usize = 512 << 10;
const HEADER: usize = 20;
/// Segments that a thread looks at, at least.
const PART: usize = 16;
/// Of so many, sled's own reading takes long enough for ours to go on beside it.
const MANY: usize = 64;
/// Says from where on the log has still to be looked at.
const UNSEEN: &str = "UNSEEN";
/// Behind this no message begins.
const LAST_MESSAGE: usize = SEGMENT - 32;
/// Says that the rest of a segment is not used.
const CAP: u8 = 2;
const KINDS: std::ops::RangeInclusive<u8> = 1..=11;

/// Has sled open the state in `path`, and makes sure that all is whole that was durable in what it
/// reads of its log.
pub fn guard<T>(path: &Path, open: impl FnOnce() -> Result<T, Refused>) -> Result<T, Refused> {
    let Some(segments) = Segments::list(path)? else { return open() };
    let unseen = path.join(UNSEEN);
    let from = segments.from.to_be_bytes();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let opened = if segments.found.len() >= MANY && write_whole(&unseen, &from).is_ok() {
        std::thread::scope(|scope| {
            let checking = scope.spawn(|| segments.check(threads - 1));
            let opened = open();
            checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            opened
        })?
    } else {
        segments.check(threads)?;
        open()?
    };
    match fs::remove_file(&unseen) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(opened),
    }
}

/// The segments that sled will read when it opens a state, by their headers.
struct Segments {
    file: File,
    found: Vec<Segment>,
    /// Where in the log they begin.
    from: i64,
    /// What was written before here was durable, whatever came after.
    durable: i64,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    place: u64,
    /// Where it begins in the log.
    lsn: i64,
}

impl Segments {
    /// `None` if there is no log yet.
    fn list(path: &Path) -> Result<Option<Self>, Refused> {
        let file = match File::open(path.join("db")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let from = snapshot(path)?.min(unseen(path)?) / SEGMENT as i64 * SEGMENT as i64;
        let (mut found, mut durable) = (Vec::new(), 0);
        for place in (0..file.metadata()?.len()).step_by(SEGMENT) {
            let mut header = [0; HEADER];
            let length = read_at(&file, &mut header, place)?;
            if length < HEADER || header == [0; HEADER] {
                continue;
            }
            let Some((lsn, stable)) = read_header(&header) else {
                let what = format!("the segment at {place} of its log has a bad header");
                return Err(Refused::Damaged(what));
            };
            durable = durable.max(stable);
            if lsn >= from {
                found.push(Segment { place, lsn });
            }
        }
        Ok(Some(Self { file, found, from, durable }))
    }

    /// Is all whole that was durable?
    fn check(&self, threads: usize) -> Result<(), Refused> {
        // A thread for a few segments is not worth its start.
        let part = self.found.len().div_ceil(threads.max(1)).max(PART);
        let (first, others) = self.found.split_at(part.min(self.found.len()));
        std::thread::scope(|scope| {
            let others = others.chunks(part).map(|part| scope.spawn(|| self.check_part(part)));
            let others: Vec<_> = others.collect();
            self.check_part(first)?;
            others.into_iter().try_for_each(|other| {
                other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })
    }

    fn check_part(&self, segments: &[Segment]) -> Result<(), Refused> {
        let mut bytes = vec![0; SEGMENT];
        for segment in segments {
            let length = read_at(&self.file, &mut bytes, segment.place)?;
            let number = segment.lsn as u64 / SEGMENT as u64;
            if let Some(at) = broken_at(&bytes[..length], number)
                && segment.lsn + (at as i64) < self.durable
                && self.is_still(segment)?
            {
                let place = segment.place + at as u64;
                let what = format!("what stands at {place} of its log is not whole");
                return Err(Refused::Damaged(what));
            }
        }
        Ok(())
    }

    /// sled writes a segment anew from its header on once nothing in it is of use.
    fn is_still(&self, segment: &Segment) -> io::Result<bool> {
        let mut header = [0; HEADER];
        let length = read_at(&self.file, &mut header, segment.place)?;
        let found = (length == HEADER).then(|| read_header(&header)).flatten();
        Ok(found.is_some_and(|(lsn, _)| lsn == segment.lsn))
    }
}

/// From where on the log was to be looked at by who was killed over it.
fn unseen(path: &Path) -> io::Result<i64> {
    match fs::read(path.join(UNSEEN)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(i64::MAX),
        // Not whole: from the beginning.
        found => Ok(found?.try_into().map_or(0, i64::from_be_bytes)),
    }
}

/// How far sled's last snapshot reaches.
fn snapshot(path: &Path) -> io::Result<i64> {
    let mut newest = 0;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("snap."));
        let number = number.and_then(|number| i64::from_str_radix(number, 16).ok());
        newest = newest.max(number.unwrap_or(0));
    }
    Ok(newest)
}

/// Fills as much of `bytes` as there is from `place` on.
fn read_at(file: &File, bytes: &mut [u8], place: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], place + length as u64)? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

/// Where a segment begins in the log, and how far that was durable.
fn read_header(header: &[u8; HEADER]) -> Option<(i64, i64)> {
    let (crc, rest) = header.split_first_chunk::<4>()?;
    if crc32fast::hash(rest) != !u32::from_le_bytes(*crc) {
        return None;
    }
    let (lsn, stable) = rest.split_first_chunk::<8>()?;
    let number = |bytes: &[u8; 8]| i64::from_le_bytes(*bytes) ^ i64::MAX;
    Some((number(lsn), number(stable.first_chunk()?)))
}

/// Where the first message of a segment begins that is not whole.
fn broken_at(segment: &[u8], number: u64) -> Option<usize> {
    let mut at = HEADER;
    while at <= LAST_MESSAGE {
        match segment.get(at..).and_then(|rest| message(rest, number)) {
            Some((CAP, _)) => break,
            Some((_, length)) => at += length,
            None => return Some(at),
        }
    }
    None
}

/// Kind and length of a message; `None` if it is not whole.
fn message(bytes: &[u8], number: u64) -> Option<(u8, usize)> {
    let (crc, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, mut rest) = rest.split_first()?;
    let length = varint(&mut rest)? as usize;
    let segment = varint(&mut rest)?;
    varint(&mut rest)?;
    let body = rest.get(..length)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(&bytes[4..bytes.len() - rest.len()]);
    let is_whole = hasher.finalize() == !u32::from_le_bytes(*crc);
    let is_here = segment == number && KINDS.contains(kind);
    (is_whole && is_here).then(|| (*kind, bytes.len() - rest.len() + length))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    let more = match first {
        0..=240 => 0,
        241..=248 => 1,
        249 => 2,
        250.. => usize::from(first - 247),
    };
    let (more, rest) = rest.split_at_checked(more)?;
    *bytes = rest;
    let mut value = [0; 8];
    value[..more.len()].copy_from_slice(more);
    Some(match first {
        0..=240 => u64::from(*first),
        241..=248 => 240 + 256 * u64::from(first - 241) + u64::from(more[0]),
        249 => 2_288 + 256 * u64::from(more[0]) + u64::from(more[1]),
        250.. => u64::from_le_bytes(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::state::Sled;

    fn is_damaged(path: &Path) -> bool {
        let checked = Segments::list(path).and_then(|segments| segments.unwrap().check(1));
        assert!(!matches!(checked, Err(Refused::Io(_))), "{checked:?}");
        checked.is_err()
    }

    #[test]
    fn large_log_is_looked_at_beside_sled_and_again_until_all_was_seen() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        let open = || {
            let db = sled::Config::new().path(&path).open().unwrap();
            for n in 0..10_000u32 {
                db.insert(n.to_be_bytes(), vec![b'x'; 4_000]).unwrap();
            }
            db.flush().unwrap();
            drop(db);
            Sled::wait_until_free(&path);
        };
        // In a segment that was written long ago: which one is where is sled's affair.
        let in_a_value = || {
            let mut segments = Segments::list(&path).unwrap().unwrap();
            segments.found.sort_by_key(|segment| segment.lsn);
            let place = segments.found[segments.found.len() / 2].place;
            let mut bytes = vec![0; SEGMENT];
            segments.file.read_exact_at(&mut bytes, place).unwrap();
            place + 8 + bytes.windows(16).position(|some| some == [b'x'; 16]).unwrap() as u64
        };
        open();
        let db = File::options().write(true).open(path.join("db")).unwrap();
        let at = in_a_value();
        db.write_all_at(b"y", at).unwrap();

        assert!(matches!(guard(&path, || Ok(())), Err(Refused::Damaged(_))));

        db.write_all_at(b"x", at).unwrap();
        open();
        assert!(snapshot(&path).unwrap() > (MANY * SEGMENT) as i64, "sled noted all it read");
        let at = in_a_value();
        db.write_all_at(b"y", at).unwrap();
        assert!(matches!(guard(&path, || Ok(())), Err(Refused::Damaged(_))));

        db.write_all_at(b"x", at).unwrap();
        guard(&path, || Ok(())).unwrap();
        assert!(!path.join(UNSEEN).exists());
    }

    #[test]
    fn every_message_of_a_log_is_understood_and_every_damaged_byte_seen() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        for round in 0..3u32 {
            let db = sled::Config::new().path(&path).open().unwrap();
            for n in 0..6_000u32 {
                let key = (n.wrapping_mul(2_654_435_761) % 3_000).to_be_bytes();
                db.insert(key, vec![round as u8; n as usize % 700]).unwrap();
            }
            db.flush().unwrap();
            drop(db);
            Sled::wait_until_free(&path);
            assert!(!is_damaged(&path));
        }
        let log = path.join("db");
        let sound = fs::read(&log).unwrap();
        let segments = Segments::list(&path).unwrap().unwrap();
        let first = segments.found.iter().min_by_key(|segment| segment.lsn).unwrap();
        let written = |at: usize| sound[at] != 0;
        let places = (first.place as usize..first.place as usize + SEGMENT).step_by(997);
        for at in places.filter(|at| written(*at)) {
            let mut damaged = sound.clone();
            damaged[at] ^= 0x10;
            fs::write(&log, &damaged).unwrap();
            assert!(is_damaged(&path), "byte {at}");
        }
    }
}
