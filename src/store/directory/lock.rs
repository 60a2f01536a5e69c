//! The lock of a data directory: one process at a time has it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::store::open::OpenError;
use crate::telemetry::process;

/// The lock of a process that just ended may be held for a moment longer.
const LOCK_PATIENCE: Duration = Duration::from_millis(400);

/// Locks the directory itself, which nobody can delete under a server, and the file LOCK in it,
/// which says who holds both, and which versions know that lock nothing else.
pub(super) fn lock(path: &Path) -> Result<[File; 2], OpenError> {
    let begun = Instant::now();
    loop {
        let directory = File::open(path).map_err(|error| OpenError::unusable(path, &error))?;
        // Network file systems lock no directories: there LOCK has to do.
        if try_lock(&directory, libc::LOCK_EX).unwrap_or(true)
            && let Some(file) = lock_file(&path.join("LOCK"))?
        {
            return Ok([directory, file]);
        }
        if begun.elapsed() > LOCK_PATIENCE {
            return Err(OpenError::Locked { path: path.to_owned(), pid: owner(path) });
        }
        drop(directory);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the process that holds the directory's lock, if one does; 0 when it is not known which.
pub fn holder(path: &Path) -> Option<u32> {
    let is_held = |path: &Path| {
        let free = File::open(path).and_then(|file| try_lock(&file, libc::LOCK_SH));
        matches!(free, Ok(false))
    };
    (is_held(path) || is_held(&path.join("LOCK"))).then(|| owner(path).unwrap_or(0))
}

/// `None` when another process has it.
fn lock_file(name: &Path) -> Result<Option<File>, OpenError> {
    let locked = || {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let mut file = options.open(name)?;
        // Somebody may have put another file there before the lock was ours.
        if !try_lock(&file, libc::LOCK_EX)?
            || fs::metadata(name).ok().map(|found| found.ino()) != Some(file.metadata()?.ino())
        {
            return Ok(None);
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Some(file))
    };
    locked().map_err(|error| OpenError::unusable(name, &error))
}

/// Whether the lock is this process's now; an error where there are no such locks.
fn try_lock(file: &File, kind: libc::c_int) -> io::Result<bool> {
    // SAFETY: flock on a descriptor that `file` keeps open.
    if unsafe { libc::flock(file.as_raw_fd(), kind | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        error => Err(error),
    }
}

/// The process that the kernel names. What is written in LOCK may be a number that is another
/// process's here, as between two containers, so it counts only where the kernel names nobody.
fn owner(path: &Path) -> Option<u32> {
    let lock = path.join("LOCK");
    let named = |path: &Path| process::holder_of_lock(&fs::metadata(path).ok()?);
    let written = || fs::read_to_string(&lock).ok()?.trim().parse().ok();
    // LOCK first: we may have the directory ourselves, where an old version has nothing but LOCK.
    named(&lock).or_else(|| named(path)).or_else(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::directory::Directory;

    fn open(path: &Path) -> Result<Directory, OpenError> {
        Directory::open(path, 64 << 10)
    }

    #[test]
    fn second_owner_is_told_who_holds_it() {
        let home = tempfile::tempdir().unwrap();
        let first = open(home.path()).unwrap();
        let pid = Some(std::process::id());
        assert_eq!(holder(home.path()), pid);
        match open(home.path()) {
            Err(OpenError::Locked { pid: found, .. }) => assert_eq!(found, pid),
            other => panic!("{other:?}"),
        }
        drop(first);
        assert_eq!(holder(home.path()), None);
        open(home.path()).unwrap();
    }

    #[test]
    fn what_the_kernel_says_counts_more_than_what_is_written() {
        let home = tempfile::tempdir().unwrap();
        let first = open(home.path()).unwrap();
        let lock = home.path().join("LOCK");
        fs::write(&lock, "1\n").unwrap();
        // A file system may hide its device from the kernel's list.
        let named = process::holder_of_lock(&fs::metadata(&lock).unwrap());
        assert!(named.is_none_or(|named| named == std::process::id()));
        assert_eq!(holder(home.path()), named.or(Some(1)));
        drop(first);
    }

    #[test]
    fn directory_without_its_lock_file_is_held_all_the_same() {
        let home = tempfile::tempdir().unwrap();
        let first = open(home.path()).unwrap();
        let pid = std::process::id();
        fs::remove_file(home.path().join("LOCK")).unwrap();

        let second = open(home.path());

        // A file system may hide its device from the kernel's list.
        let is_known = |found: u32| found == pid || found == 0;
        assert!(holder(home.path()).is_some_and(is_known));
        match second {
            Err(OpenError::Locked { pid: found, .. }) => assert!(is_known(found.unwrap_or(0))),
            other => panic!("{other:?}"),
        }
        assert!(!home.path().join("LOCK").exists(), "nothing was touched");
        drop(first);
        open(home.path()).unwrap();
    }
}
