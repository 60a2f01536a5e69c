//! A segment: one file of the journal, given its space before it is written to.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::store::directory::sync_directory;

pub(super) const HEADER: u64 = 64;
const MAGIC: [u8; 8] = *b"HOLDSEG1";
/// Zeros are written and synced in pieces, so that commits beside them wait for little.
const PIECE: usize = 256 << 10;

pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:010}.segment"))
}

/// Makes segment `number` with room for `bytes`; it appears whole or not at all.
pub(super) fn allocate(
    directory: &Path,
    number: u64,
    bytes: u64,
    line: &[u8; 16],
) -> io::Result<File> {
    let temporary = directory.join(format!("{number:010}.tmp"));
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)?;
    let filled = fill(&file, bytes, &header(number, line));
    if let Err(error) = filled.and_then(|()| fs::rename(&temporary, path(directory, number))) {
        // The space is wanted back; if that fails too, the next open removes it.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_directory(directory)?;
    Ok(file)
}

fn fill(file: &File, bytes: u64, header: &[u8]) -> io::Result<()> {
    let zeros = vec![0; PIECE.min(bytes as usize)];
    let mut at = 0;
    while at < bytes {
        let piece = (bytes - at).min(PIECE as u64) as usize;
        file.write_all_at(&zeros[..piece], at)?;
        at += piece as u64;
        if at < bytes {
            file.sync_data()?;
        }
    }
    file.write_all_at(header, 0)?;
    file.sync_all()
}

fn header(number: u64, line: &[u8; 16]) -> [u8; HEADER as usize] {
    let mut header = [0; HEADER as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&number.to_le_bytes());
    header[16..32].copy_from_slice(line);
    let crc = crc32fast::hash(&header[..32]);
    header[32..36].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Says what is wrong with the header of segment `number`.
pub(super) fn check(bytes: &[u8], number: u64, line: &[u8; 16]) -> Result<(), String> {
    let expected = header(number, line);
    match bytes.get(..HEADER as usize) {
        Some(found) if found == expected => Ok(()),
        Some(found) if found[..8] == MAGIC && found[16..32] != *line => {
            Err("belongs to another store".to_owned())
        }
        _ => Err("has a damaged header".to_owned()),
    }
}

/// Numbers of the segments in `directory`, in order.
pub(super) fn list(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(numbers),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".segment"));
        numbers.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes what an interrupted allocation left.
pub(super) fn tidy(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
