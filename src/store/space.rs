//! Writers are stopped before the disk is full, so that what is needed to recover still fits.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use crate::store::commit::Core;
use crate::store::shared::Shared;

/// The volume is looked at no more often than this.
const LOOK: Duration = Duration::from_millis(100);

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

fn free_bytes(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and the call fills the struct when it succeeds.
    let found = unsafe {
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        found.assume_init()
    };
    Ok(found.f_bavail as u64 * found.f_frsize as u64)
}
