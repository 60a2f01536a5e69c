//! A directory that is held open: is it still where it was found?
//!
//! Files in it are made and removed by its path. Somebody may move it away while it is served, and put
//! another in its place, a backup say: nothing of that one may be touched.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    held: File,
}

impl Place {
    pub fn hold(path: &Path) -> io::Result<Self> {
        Ok(Self::of(path, File::open(path)?))
    }

    /// The place of a directory that is open already.
    pub fn of(path: &Path, held: File) -> Self {
        Self { path: path.to_owned(), held }
    }

    /// An error if another directory is there now, or none.
    pub fn check(&self) -> io::Result<()> {
        let held = self.held.metadata()?;
        let is_same = |found: fs::Metadata| (found.dev(), found.ino()) == (held.dev(), held.ino());
        if fs::metadata(&self.path).is_ok_and(is_same) {
            return Ok(());
        }
        let path = self.path.display();
        Err(io::Error::other(format!("{path} was moved away; put it back, or stop this server")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_that_was_moved_is_missed_until_it_is_back() {
        let home = tempfile::tempdir().unwrap();
        let (path, away) = (home.path().join("data"), home.path().join("away"));
        fs::create_dir(&path).unwrap();
        let place = Place::hold(&path).unwrap();
        place.check().unwrap();

        fs::rename(&path, &away).unwrap();
        assert!(place.check().is_err());
        fs::create_dir(&path).unwrap();
        assert!(place.check().unwrap_err().to_string().contains("was moved away"));

        fs::remove_dir(&path).unwrap();
        fs::rename(&away, &path).unwrap();
        place.check().unwrap();
    }
}
