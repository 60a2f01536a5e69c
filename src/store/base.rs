//! A base: the primary keyspace in sorted, compressed, checksummed chunks.
//!
//! It is read from a store that goes on being written, page by page, so it is of no single moment:
//! `base + journal since its start` is. Its file: a header, chunks, an empty chunk, a trailer.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::store::directory::sync_directory;
use crate::store::state::Applied;

const MAGIC: [u8; 8] = *b"HOLDBAS1";
const HEADER: usize = 60;
const TRAILER: usize = 28;
/// What a base is called while it is made.
const NEW: &str = "new.tmp";
/// Entries are compressed together up to this many bytes.
const CHUNK: usize = 256 << 10;
/// A chunk is one value at least, so this is far above any; beyond it lies damage.
const CHUNK_LIMIT: usize = 1 << 30;
/// Little CPU: a base is made beside traffic.
const COMPRESSION: i32 = 1;

/// A base on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub path: PathBuf,
    /// The journal from here on (not included) makes it whole.
    pub start: Applied,
    pub bytes: u64,
}

/// Why a base cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Is there any base in `directory`, whole or not?
pub(super) fn is_any(directory: &Path) -> io::Result<bool> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        entries => {
            Ok(entries?.flatten().any(|e| e.path().extension().is_some_and(|x| x == "base")))
        }
    }
}

/// Removes what an interrupted making left.
pub(super) fn tidy(directory: &Path) -> io::Result<()> {
    match fs::remove_file(directory.join(NEW)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bases in `directory`, oldest first.
pub(super) fn list(directory: &Path, line: &[u8; 16]) -> io::Result<Vec<Base>> {
    let mut bases = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "base") {
            continue;
        }
        let mut file = File::open(&path)?;
        match read_header(&mut file, line) {
            Ok(start) => bases.push(Base { start, bytes: file.metadata()?.len(), path }),
            Err(why) => tracing::warn!("a base cannot be used: {}: {why}", path.display()),
        }
    }
    bases.sort_by_key(|base| base.start.seq);
    Ok(bases)
}

/// Removes all bases but this one.
pub(super) fn remove_others(directory: &Path, base: &Base) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path != base.path && path.extension().is_some_and(|extension| extension == "base") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Writes a base of what `page` tells: the entries behind a key, in order, until there are none.
/// It is read back before it counts. `pause` is called between two pieces of work, and may end it.
pub(super) fn write(
    directory: &Path,
    line: &[u8; 16],
    start: &Applied,
    pause: impl FnMut() -> io::Result<()>,
    page: impl FnMut(Option<&Bytes>) -> io::Result<Vec<(Bytes, Bytes)>>,
) -> io::Result<Base> {
    let written = write_new(directory, line, start, pause, page);
    if written.is_err() {
        // Half of a base is of no use, and its space is wanted.
        tidy(directory)?;
    }
    written
}

fn write_new(
    directory: &Path,
    line: &[u8; 16],
    start: &Applied,
    mut pause: impl FnMut() -> io::Result<()>,
    mut page: impl FnMut(Option<&Bytes>) -> io::Result<Vec<(Bytes, Bytes)>>,
) -> io::Result<Base> {
    let temporary = directory.join(NEW);
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    let mut out = BufWriter::new(file);
    out.write_all(&header(line, start))?;
    let mut last = None;
    let (mut chunk, mut count, mut chunks, mut entries) = (Vec::new(), 0u32, 0u64, 0u64);
    loop {
        pause()?;
        let found = page(last.as_ref())?;
        last = found.last().map(|(key, _)| key.clone());
        for (key, value) in &found {
            for bytes in [key, value] {
                chunk.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                chunk.extend_from_slice(bytes);
            }
            count += 1;
        }
        if count > 0 && (chunk.len() >= CHUNK || last.is_none()) {
            write_chunk(&mut out, &chunk, count)?;
            chunks += 1;
            entries += u64::from(count);
            chunk.clear();
            count = 0;
        }
        if last.is_none() {
            break;
        }
    }
    out.write_all(&[0; 16])?;
    out.write_all(&trailer(chunks, entries))?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    let path = directory.join(format!("{:020}.base", start.seq));
    let base = Base { path: temporary.clone(), start: *start, bytes };
    let seen = look_through(&base, line, |_, _, _| pause().map_err(|error| error.to_string()));
    seen.map_err(|error| io::Error::other(error.to_string()))?;
    fs::rename(&temporary, &path)?;
    sync_directory(directory)?;
    Ok(Base { path, ..base })
}

/// Reads every entry in order, and checks all of it.
pub(super) fn read(
    base: &Base,
    line: &[u8; 16],
    mut visit: impl FnMut(Bytes, Bytes) -> Result<(), String>,
) -> Result<(), Unreadable> {
    look_through(base, line, |chunk, key, value| {
        visit(chunk.slice_ref(key), chunk.slice_ref(value))
    })
}

/// The same for whoever keeps none of it: nothing is counted that is only looked at.
pub(super) fn look_through(
    base: &Base,
    line: &[u8; 16],
    mut visit: impl FnMut(&Bytes, &[u8], &[u8]) -> Result<(), String>,
) -> Result<(), Unreadable> {
    let said = |what: &str| Unreadable::Damaged(format!("{}: {what}", base.path.display()));
    let mut file = BufReader::new(File::open(&base.path)?);
    let start = read_header(&mut file, line).map_err(|error| said(&error.to_string()))?;
    if start != base.start {
        return Err(said("is another base than its name says"));
    }
    let (mut chunks, mut entries) = (0u64, 0u64);
    let mut last = Vec::new();
    while let Some((chunk, count)) = read_chunk(&mut file).map_err(|error| said(&error))? {
        let mut at = 0;
        for entry in 0..count {
            let key = take(&chunk, &mut at).ok_or_else(|| said("has a damaged chunk"))?;
            let value = take(&chunk, &mut at).ok_or_else(|| said("has a damaged chunk"))?;
            if last.as_slice() >= key && (chunks > 0 || entry > 0) {
                return Err(said("is out of order"));
            }
            last.clear();
            last.extend_from_slice(key);
            visit(&chunk, key, value).map_err(|what| said(&what))?;
        }
        chunks += 1;
        entries += u64::from(count);
    }
    let mut found = [0; TRAILER];
    file.read_exact(&mut found).map_err(|_| said("is cut off"))?;
    if found != trailer(chunks, entries) {
        return Err(said("does not hold what it says"));
    }
    Ok(())
}

fn header(line: &[u8; 16], start: &Applied) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..24].copy_from_slice(line);
    header[24..32].copy_from_slice(&start.seq.to_le_bytes());
    header[32..48].copy_from_slice(&start.gid);
    header[48..56].copy_from_slice(&start.stamp.to_le_bytes());
    let crc = crc32fast::hash(&header[..56]);
    header[56..].copy_from_slice(&crc.to_le_bytes());
    header
}

fn read_header(file: &mut impl Read, line: &[u8; 16]) -> io::Result<Applied> {
    let mut found = [0; HEADER];
    file.read_exact(&mut found)?;
    let number = |at: usize| u64::from_le_bytes(found[at..at + 8].try_into().expect("eight bytes"));
    let gid = found[32..48].try_into().expect("sixteen bytes");
    let start = Applied { seq: number(24), gid, stamp: number(48) };
    if found == header(line, &start) {
        return Ok(start);
    }
    let other = found[..8] == MAGIC && found[8..24] != *line;
    Err(io::Error::other(if other { "is of another store" } else { "has a damaged header" }))
}

fn trailer(chunks: u64, entries: u64) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    trailer[..8].copy_from_slice(b"HOLDEND1");
    trailer[8..16].copy_from_slice(&chunks.to_le_bytes());
    trailer[16..24].copy_from_slice(&entries.to_le_bytes());
    let crc = crc32fast::hash(&trailer[..24]);
    trailer[24..].copy_from_slice(&crc.to_le_bytes());
    trailer
}

fn write_chunk(out: &mut impl Write, chunk: &[u8], count: u32) -> io::Result<()> {
    let packed = zstd::bulk::compress(chunk, COMPRESSION)?;
    let mut head = [0; 16];
    head[..4].copy_from_slice(&(packed.len() as u32).to_le_bytes());
    head[4..8].copy_from_slice(&(chunk.len() as u32).to_le_bytes());
    head[8..12].copy_from_slice(&count.to_le_bytes());
    let crc = checksum(&head, &packed);
    head[12..].copy_from_slice(&crc.to_le_bytes());
    out.write_all(&head)?;
    out.write_all(&packed)
}

/// The next chunk and how many entries it has; `None` at the end.
fn read_chunk(file: &mut impl Read) -> Result<Option<(Bytes, u32)>, String> {
    let mut head = [0; 16];
    file.read_exact(&mut head).map_err(|_| "is cut off".to_owned())?;
    if head == [0; 16] {
        return Ok(None);
    }
    let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let (packed_bytes, bytes) = (number(0) as usize, number(4) as usize);
    if packed_bytes > CHUNK_LIMIT || bytes > CHUNK_LIMIT {
        return Err("has a damaged chunk".to_owned());
    }
    let mut packed = Vec::new();
    let mut part = file.take(packed_bytes as u64);
    part.read_to_end(&mut packed).map_err(|error| error.to_string())?;
    if packed.len() != packed_bytes || checksum(&head, &packed) != number(12) {
        return Err("has a damaged chunk".to_owned());
    }
    let chunk = zstd::bulk::decompress(&packed, bytes).map_err(|error| error.to_string())?;
    Ok(Some((chunk.into(), number(8))))
}

fn checksum(head: &[u8; 16], packed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..12]);
    hasher.update(packed);
    hasher.finalize()
}

fn take<'c>(chunk: &'c [u8], at: &mut usize) -> Option<&'c [u8]> {
    let len = chunk.get(*at..)?.first_chunk::<4>()?;
    let start = *at + 4;
    let end = start.checked_add(u32::from_le_bytes(*len) as usize)?;
    let taken = chunk.get(start..end)?;
    *at = end;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: [u8; 16] = [3; 16];

    fn entries(count: u32) -> Vec<(Bytes, Bytes)> {
        let entry = |n: u32| (n.to_be_bytes().to_vec().into(), vec![n as u8; 500].into());
        (0..count).map(entry).collect()
    }

    fn make(directory: &Path, entries: &[(Bytes, Bytes)]) -> Base {
        let start = Applied { seq: 7, gid: [9; 16], stamp: 5 };
        write(
            directory,
            &LINE,
            &start,
            || Ok(()),
            |last| {
                let from = last.map_or(0, |last| entries.partition_point(|(key, _)| key <= last));
                Ok(entries[from..].iter().take(100).cloned().collect())
            },
        )
        .unwrap()
    }

    fn read_all(base: &Base) -> Result<Vec<(Bytes, Bytes)>, Unreadable> {
        let mut found = Vec::new();
        read(base, &LINE, |key, value| {
            found.push((key, value));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn what_is_written_is_read() {
        for count in [0, 1, 100, 3_000] {
            let home = tempfile::tempdir().unwrap();
            let base = make(home.path(), &entries(count));
            assert_eq!(read_all(&base).unwrap(), entries(count));
            assert_eq!(list(home.path(), &LINE).unwrap(), [base]);
        }
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let base = make(home.path(), &entries(20));
        let whole = fs::read(&base.path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            fs::write(&base.path, &damaged).unwrap();
            assert!(read_all(&base).is_err(), "byte {at}");
            fs::write(&base.path, &whole[..at]).unwrap();
            assert!(read_all(&base).is_err(), "cut at {at}");
        }
    }
}
