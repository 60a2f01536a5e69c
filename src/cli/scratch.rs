//! A private directory that is gone when it is dropped, where one can be made at all.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::auth::random;

/// Nobody guesses these, and none is met twice.
const NAME_LENGTH: usize = 16;

pub struct Scratch {
    path: PathBuf,
    is_there: bool,
}

impl Scratch {
    /// In a root that can't be written there is none: then its path leads nowhere.
    pub fn new() -> Self {
        let name = format!("holdall-{}", random::text(random::LOWER, NAME_LENGTH));
        let path = std::env::temp_dir().join(name);
        let is_there = DirBuilder::new().mode(0o700).create(&path).is_ok();
        Self { path, is_there }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_there(&self) -> bool {
        self.is_there
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
