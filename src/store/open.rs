//! How a store is opened: what it is told, and why it may refuse.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::store::Derive;
use crate::store::progress::Progress;

/// Microseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;
/// Told the reason when the store may not go on: the process should end with exit code 70.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Where a store keeps what it is told to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// Nowhere: gone with the process.
    Memory,
    /// In this directory, alone.
    Files(PathBuf),
}

/// What a store is told when it is opened.
#[derive(Clone)]
pub struct Options {
    pub home: Home,
    pub derive: Arc<dyn Derive>,
    pub clock: Clock,
    /// What sled may keep in memory.
    pub cache_bytes: u64,
    /// What is kept in memory of records read from a state on disk.
    pub record_bytes: u64,
    /// What is kept in memory of its indexes.
    pub leaf_bytes: u64,
    /// What columns of values may take in memory.
    pub column_bytes: usize,
    /// What the latest groups may take in memory before the oldest snapshot ends.
    pub window_bytes: usize,
    /// Size of a journal segment; the first one is smaller, so that starting is quick.
    pub segment_bytes: u64,
    /// Free space of the volume below which no writes are taken.
    pub reserve_bytes: u64,
    /// A base is made when the journal since the last is larger than this, and than that base.
    pub base_bytes: u64,
    /// Whether bases are made beside traffic, as they come due.
    pub makes_bases: bool,
    /// Journal below a base is kept for history, this long and up to this size.
    pub retention_us: u64,
    pub retention_bytes: u64,
    pub on_fatal: OnFatal,
    /// Told how far opening is.
    pub progress: Progress,
}

impl Options {
    pub fn new(home: Home, derive: Arc<dyn Derive>) -> Self {
        Self {
            home,
            derive,
            clock: Arc::new(system_clock),
            cache_bytes: 64 << 20,
            record_bytes: 32 << 20,
            leaf_bytes: 8 << 20,
            column_bytes: 64 << 20,
            window_bytes: 32 << 20,
            segment_bytes: 16 << 20,
            reserve_bytes: 128 << 20,
            base_bytes: 64 << 20,
            makes_bases: true,
            retention_us: 7 * 24 * 3600 * 1_000_000,
            retention_bytes: 1 << 30,
            on_fatal: Arc::new(|_| {}),
            progress: Progress::default(),
        }
    }
}

fn system_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// Why a store did not open.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    #[error(
        "{} is in use by {}; stop it, or choose another directory",
        path.display(),
        pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked { path: PathBuf, pid: Option<u32> },
    #[error(
        "{} was written by a newer version (format {found}, this program knows {known}); use that version",
        path.display()
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// The directory cannot be made, read or written.
    #[error("{0}")]
    Unusable(String),
    /// What is on disk is not what was acknowledged; nothing was changed.
    #[error("the store is damaged: {0}; restore a backup, or keep the directory for inspection")]
    Damaged(String),
    #[error("{0}")]
    Io(String),
}

impl OpenError {
    /// Refused before anything was touched (exit code 2), as opposed to a fault (70).
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Io(_))
    }

    pub(super) fn unusable(path: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            // SAFETY: asks the kernel for a number.
            io::ErrorKind::PermissionDenied => {
                format!("; it has to be writable for user {}", unsafe { libc::geteuid() })
            }
            io::ErrorKind::ReadOnlyFilesystem => "; choose a directory elsewhere".to_owned(),
            _ => String::new(),
        };
        Self::Unusable(format!("cannot use {}: {error}{remedy}", path.display()))
    }

    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return Self::unusable(path, error);
        }
        Self::Io(format!("{}: {error}", path.display()))
    }
}
