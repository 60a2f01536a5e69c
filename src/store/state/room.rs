//! Room on the disk for what sled is going to write.
//!
//! sled does not recover from a full disk, and it writes behind our backs what it was given before.
//! So room is taken while there is some: others who fill the disk then find less of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Taken beyond the end of sled's file.
pub(super) struct Room(File);

/// What sled holds back of what it was given, and writes when it likes.
const HELD_BACK: u64 = 2 << 20;
/// Bytes that sled writes for a byte of keys and values, where they lie far apart.
const AMPLIFICATION: u64 = 8;

impl Room {
    pub fn of(path: &Path) -> io::Result<Self> {
        OpenOptions::new().write(true).open(path.join("db")).map(Self)
    }

    /// Takes room to write `bytes` of keys and values, but no more than `most`; an error says that
    /// the disk has none.
    pub fn take(&self, bytes: u64, most: u64) -> io::Result<()> {
        allocate(&self.0, (HELD_BACK + AMPLIFICATION * bytes).min(most))
    }
}

/// Has the file system set aside `bytes` behind the end of the file, which stays where it is.
#[cfg(target_os = "linux")]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let (Ok(end), Ok(bytes)) = (file.metadata()?.len().try_into(), bytes.try_into()) else {
        return Ok(());
    };
    // SAFETY: a system call on a descriptor that `file` keeps open.
    if unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, end, bytes) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Err(error),
        // A file system that cannot do it: there it is looked at how much is free.
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_file: &File, _bytes: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn room_is_taken_once_and_the_file_is_as_long_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("db"), b"some").unwrap();
        let room = Room::of(home.path()).unwrap();
        room.take(1 << 20, 64 << 20).unwrap();
        let taken = room.0.metadata().unwrap().blocks() * 512;
        room.take(1 << 20, 64 << 20).unwrap();
        let found = room.0.metadata().unwrap();
        assert_eq!((found.len(), found.blocks() * 512), (4, taken));
        // Where the file system can do it at all.
        assert!(taken <= 4096 || taken >= 10 << 20, "{taken}");
    }
}
