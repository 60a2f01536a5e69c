//! Writers are stopped before the disk is full, so that what is needed to recover still fits.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::store::commit::Core;
use crate::store::directory::Directory;
use crate::store::open::{OpenError, Options};
use crate::store::shared::Shared;
use crate::store::state::State;

/// The volume is looked at no more often than this.
const LOOK: Duration = Duration::from_millis(100);
/// The state is written as long as this part of what is kept back for recovery is free.
const STATE_PART: u64 = 4;
/// Free space that opening a store needs.
pub(super) const OPENING: u64 = 4 << 20;
/// Files and directories that a new state comes to, and some more.
const STATE_FILES: u64 = 16;
/// While a store opens, the volume is looked at so often,
const WATCH: Duration = Duration::from_millis(250);
/// and given up on when it had no room so many times, one after the other.
const WATCHES: u32 = 12;
const FULL: u64 = 64 << 10;

impl Shared {
    /// Says why writers are not admitted, if the volume has too little space left. They are again
    /// as soon as it has more.
    pub fn check_space(&self, core: &mut Core) -> Result<(), String> {
        let Some(directory) = &self.directory else { return Ok(()) };
        if let Some((seen, found)) = &core.space_seen
            && seen.elapsed() < LOOK
        {
            return found.clone();
        }
        let reserve = self.options.reserve_bytes;
        let found = match free_bytes(directory.path()) {
            Ok(free) if free < reserve => Err(format!(
                "the disk is nearly full: {} MiB are free, {} MiB are kept back",
                free >> 20,
                reserve >> 20
            )),
            // A volume that cannot be asked is not taken for full.
            Ok(_) | Err(_) => Ok(()),
        };
        self.read_only.store(found.is_err(), SeqCst);
        core.space_seen = Some((Instant::now(), found.clone()));
        found
    }
}

impl Shared {
    /// Whether there is room for the state to be written, and takes it. sled does not recover from a
    /// full disk, so it is left alone before that; the journal has everything.
    pub fn has_room_for_state(&self) -> bool {
        let (Some(directory), State::Sled(state)) = (&self.directory, &self.state) else {
            return true;
        };
        let wanted = self.options.reserve_bytes / STATE_PART;
        let waiting = self.window_bytes.load(SeqCst) as u64;
        free_bytes(directory.path()).map_or(true, |free| free >= wanted)
            && state.take_room(waiting, wanted).is_ok()
    }

    /// Whether a base may take more room: what is kept back for recovery is not for it.
    pub fn has_room_for_base(&self) -> bool {
        let Some(directory) = &self.directory else { return true };
        free_bytes(directory.path()).map_or(true, |free| free >= self.options.reserve_bytes)
    }
}

/// Refuses to open a store on a volume with less room than `wanted`.
pub(super) fn check_opening(options: &Options, path: &Path, wanted: u64) -> Result<(), OpenError> {
    let wanted = if options.reserve_bytes == 0 { 0 } else { wanted };
    let free = free_bytes(path).unwrap_or(u64::MAX);
    if free >= wanted {
        return Ok(());
    }
    Err(OpenError::Unusable(format!(
        "the disk is full: {} KiB are free in {}, and {} KiB are needed to open the store; make room",
        free >> 10,
        path.display(),
        wanted >> 10
    )))
}

/// The same for a second state beside the one that is there.
pub(super) fn check_new_state(options: &Options, directory: &Directory) -> Result<(), OpenError> {
    let log = directory.state().join("db").metadata().map_or(0, |log| log.len());
    check_opening(options, directory.path(), OPENING + log)?;
    let path = directory.path();
    match volume(path) {
        // Some volumes do not count them.
        Ok(volume) if volume.f_files > 0 && volume.f_favail < STATE_FILES => {
            Err(OpenError::Unusable(format!(
                "no more files can be made in {}: its volume is out of inodes; remove some files",
                path.display()
            )))
        }
        _ => Ok(()),
    }
}

/// Reports a volume that fills up while a store is opened: sled would wait for ever.
pub(super) fn watch(options: &Options, path: &Path) -> Watch {
    let (end, ended) = mpsc::channel::<()>();
    let (path, on_fatal) = (path.to_owned(), options.on_fatal.clone());
    let look = move || {
        let mut looks = 0;
        while ended.recv_timeout(WATCH) == Err(RecvTimeoutError::Timeout) {
            looks = if free_bytes(&path).unwrap_or(u64::MAX) < FULL { looks + 1 } else { 0 };
            if looks == WATCHES {
                on_fatal("the disk is full, and the store cannot be opened without room");
            }
        }
    };
    // Without a thread nobody watches, and the store opens all the same.
    let _ = std::thread::Builder::new().name("space".to_owned()).spawn(look);
    Watch { _end: end }
}

/// Ends when dropped.
pub(super) struct Watch {
    _end: mpsc::Sender<()>,
}

fn free_bytes(path: &Path) -> io::Result<u64> {
    volume(path).map(|volume| volume.f_bavail * volume.f_frsize)
}

fn volume(path: &Path) -> io::Result<libc::statvfs> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and the call fills the struct when it succeeds.
    unsafe {
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(found.assume_init())
    }
}
