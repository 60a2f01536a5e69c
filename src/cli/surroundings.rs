//! What a server needs of the machine beside its settings: looked at before anything is touched.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::app;
use crate::cli::bind::bind;
use crate::cli::failure::Failure;
use crate::cli::{Result, admin, definitions, serve};
use crate::config::{Admin, Config, Home};
use crate::store::{OpenError, directory};

/// Refuses what a server could not start with.
pub fn check(config: &Config) -> Result {
    serve::tls(config)?;
    app::check_site(config.public.as_deref()).map_err(Failure::Refused)?;
    if let Some(path) = &config.schema {
        definitions::read(path)?;
    }
    check_admin(config)?;
    if config.store == Home::Files {
        check_directory(&config.data).map_err(|error| {
            Failure::refused(format!("cannot keep data in {}: {error}", config.data.display()))
        })?;
    }
    Ok(())
}

/// Refuses what another process has already. A server finds out for itself, at the moment that counts.
pub fn check_free(config: &Config) -> Result {
    if config.store == Home::Files {
        if let Some(pid) = directory::holder(&config.data) {
            // 0: it is not known who.
            let pid = Some(pid).filter(|pid| *pid > 0);
            return Err(OpenError::Locked { path: config.data.clone(), pid }.into());
        }
        directory::look(&config.data)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    let listeners = [Some(config.listen), config.metrics_listen].into_iter().flatten();
    // All at once: two of one address are one too many.
    listeners.map(bind).collect::<Result<Vec<_>>>()?;
    Ok(())
}

/// What a server would tell at its start though it starts.
pub fn doubts(config: &Config) -> Vec<String> {
    let site = config.public.iter().filter(|public| !public.join("index.html").is_file());
    site.map(|public| format!("the site in {} has no index.html", public.display())).collect()
}

/// The superuser that a fresh store could not be made with.
fn check_admin(config: &Config) -> Result {
    let Some(Admin { email, password }) = &config.admin else { return Ok(()) };
    admin::check(email, password).map_err(|failure| {
        Failure::refused(format!(
            "no superuser can be made of HOLDALL_ADMIN_EMAIL and HOLDALL_ADMIN_PASSWORD: {failure} \
             `openssl rand -hex 32` makes a good password"
        ))
    })
}

/// Whether there is a directory to write to, or it can be made.
fn check_directory(path: &Path) -> io::Result<()> {
    let is_there = |path: &&Path| path.symlink_metadata().is_ok();
    let nearest = path.ancestors().find(is_there).unwrap_or(Path::new("."));
    if !fs::metadata(nearest)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let name = CString::new(nearest.as_os_str().as_bytes())?;
    if is_kernel(&name)? {
        return Err(io::Error::other("the kernel's own file system keeps nothing"));
    }
    // SAFETY: the kernel reads a string that lives until it returns.
    match unsafe { libc::access(name.as_ptr(), libc::R_OK | libc::W_OK | libc::X_OK) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether `name` lies in /proc or /sys, where root may write and nobody can make anything.
fn is_kernel(name: &CStr) -> io::Result<bool> {
    const PROC: i64 = 0x9fa0;
    const SYSFS: i64 = 0x6265_6572;
    // SAFETY: a zeroed statfs is one; the kernel reads a string and writes to a local, both of which
    // live until it returns.
    unsafe {
        let mut told: libc::statfs = std::mem::zeroed();
        if libc::statfs(name.as_ptr(), &raw mut told) != 0 {
            return Err(io::Error::last_os_error());
        }
        #[allow(clippy::unnecessary_cast, reason = "other targets have other types")]
        let kind = told.f_type as i64;
        Ok([PROC, SYSFS].contains(&kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_is_there_or_can_be_made() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let kind = |path: &Path| check_directory(path).err().map(|error| error.kind());

        assert_eq!(kind(home.path()), None);
        assert_eq!(kind(&home.path().join("not/yet")), None);
        assert_eq!(kind(&file), Some(io::ErrorKind::NotADirectory));
        assert_eq!(kind(&file.join("below")), Some(io::ErrorKind::NotADirectory));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing was touched");
    }
}
