//! The data directory: made once, held by one process, marked with its format and its line.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::store::base;
use crate::store::journal::{self, Files};
use crate::store::open::OpenError;

mod lock;
mod place;

pub use lock::holder;
pub(in crate::store) use place::Place;

/// What this program writes. It reads this format and those before it.
/// 2: frames may say what a change took away, and make indexes slice by slice.
/// 3: index entries lie in sheets.
/// 4: sheets and pieces of large values have short names, however long the keys are.
pub const FORMAT: u32 = 4;

/// A data directory, locked for this process until dropped.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    place: Place,
    line: [u8; 16],
    /// The format that the marker says.
    format: u32,
    /// The flocks live as long as these files are open: of the directory itself, and of LOCK.
    _locks: [File; 2],
}

impl Directory {
    /// Makes the directory if there is none, locks it and reads its marker; refuses what it
    /// cannot serve before anything in it is touched.
    pub fn open(path: &Path, segment_bytes: u64) -> Result<Self, OpenError> {
        let created = !path.exists();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| OpenError::unusable(path, &error))?;
        if created && let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            sync_directory(parent).map_err(|error| OpenError::io(parent, &error))?;
        }
        let locks = lock::lock(path)?;
        let (format, line) = match read_marker(path)? {
            Some(found) => found,
            None => (FORMAT, create(path, segment_bytes)?),
        };
        let is_file = |name: &&str| path.join(name).metadata().is_ok_and(|found| found.is_file());
        if let Some(name) = ["journal", "base", "state"].into_iter().find(is_file) {
            let what = "is a file, where a directory of the store has to be";
            return Err(OpenError::Damaged(format!("{} {what}", path.join(name).display())));
        }
        // Empty in a young store: copies of it may lack it.
        let bases = DirBuilder::new().recursive(true).mode(0o700).create(path.join("base"));
        bases.map_err(|error| OpenError::unusable(path, &error))?;
        let held = locks[0].try_clone().map_err(|error| OpenError::io(path, &error))?;
        let place = Place::of(path, held);
        Ok(Self { path: path.to_owned(), place, line, format, _locks: locks })
    }

    /// An error if the directory is not where it was: nothing may be made or removed there.
    pub fn check_place(&self) -> io::Result<()> {
        self.place.check()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names this history: every store is born with another, and so is every restored one.
    pub fn line(&self) -> [u8; 16] {
        self.line
    }

    /// Was it last written by a version that knows an older format only?
    pub fn is_older(&self) -> bool {
        self.format < FORMAT
    }

    /// Marks the directory as of today's format: older versions refuse it from now on.
    pub fn renew(&self) -> io::Result<()> {
        write_marker(&self.path, self.line)
    }

    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Says that something erased may still be on the disk, see `scrub`.
    pub fn scrub_marker(&self) -> PathBuf {
        self.path.join("SCRUB")
    }

    pub fn bases(&self) -> PathBuf {
        self.path.join("base")
    }

    /// Renames `name` so that it is out of the way and nothing of it is lost; returns the new name.
    pub fn set_aside(&self, name: &str, why: &str) -> io::Result<Option<PathBuf>> {
        set_aside(&self.path, name, why)
    }

    /// Was anything set aside as `name` for this reason?
    pub fn has_aside(&self, name: &str, why: &str) -> io::Result<bool> {
        let prefix = format!("{name}.{why}-");
        Ok(names(&self.path)?.iter().any(|name| name.starts_with(&prefix)))
    }

    /// Removes everything that was set aside as `name` for this reason.
    pub fn remove_aside(&self, name: &str, why: &str) -> io::Result<()> {
        let prefix = format!("{name}.{why}-");
        self.remove(|name| name.starts_with(&prefix))
    }

    /// Removes everything that was ever set aside.
    pub fn remove_all_aside(&self) -> io::Result<()> {
        self.remove(is_aside)
    }

    fn remove(&self, which: impl Fn(&str) -> bool) -> io::Result<()> {
        self.check_place()?;
        for name in names(&self.path)?.into_iter().filter(|name| which(name)) {
            let path = self.path.join(name);
            if path.is_symlink() {
                // What it leads to, on another volume perhaps, is meant.
                fs::remove_dir_all(fs::canonicalize(&path)?)?;
                fs::remove_file(path)?;
            } else {
                fs::remove_dir_all(path)?;
            }
        }
        sync_directory(&self.path)
    }
}

/// What lies in the data directory `path` that is none of the store's.
pub fn strangers(path: &Path) -> io::Result<Vec<String>> {
    let is_own = |name: &str| {
        ["FORMAT", "LOCK", "SCRUB", "journal", "state", "base"].contains(&name)
            || is_aside(name)
            || name.ends_with(".tmp")
    };
    let mut strangers = names(path)?;
    strangers.retain(|name| !is_own(name));
    // The state goes as a whole; these two are cleared file by file.
    for (folder, kind) in [("journal", ".segment"), ("base", ".base")] {
        let others = names(&path.join(folder)).unwrap_or_default().into_iter();
        let others = others.filter(|name| !name.ends_with(kind) && !name.ends_with(".tmp"));
        strangers.extend(others.map(|name| format!("{folder}/{name}")));
    }
    strangers.sort();
    Ok(strangers)
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Is this a name that `set_aside` gives?
fn is_aside(name: &str) -> bool {
    let Some((kind, rest)) = name.split_once('.') else { return false };
    let Some((why, number)) = rest.split_once('-') else { return false };
    ["journal", "state", "base"].contains(&kind)
        && ["half", "older", "old", "damaged", "scrubbed"].contains(&why)
        && number.parse::<u64>().is_ok()
}

/// Whether this program can open what is in `path`, as far as its marker tells; touches nothing.
pub fn look(path: &Path) -> Result<(), OpenError> {
    match read_marker(path)? {
        Some(_) => Ok(()),
        None => refuse_lost_marker(path),
    }
}

/// Makes what was done to the names inside `path` survive a power loss.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Writes a file that after a crash is either whole or not there.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

fn read_marker(path: &Path) -> Result<Option<(u32, [u8; 16])>, OpenError> {
    let name = path.join("FORMAT");
    let text = match fs::read(&name) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::unusable(&name, &error)),
    };
    let damaged = || OpenError::Damaged(format!("{} is not a format marker", name.display()));
    let mut words = text.split_whitespace();
    let (Some("holdall"), Some(format)) = (words.next(), words.next()) else {
        return Err(damaged());
    };
    let format = format.parse().ok().filter(|format: &u32| *format > 0).ok_or_else(damaged)?;
    if format > FORMAT {
        return Err(OpenError::Newer { path: path.to_owned(), found: format, known: FORMAT });
    }
    let line = words.next().filter(|hex| hex.len() == 32);
    let line = line.and_then(|hex| u128::from_str_radix(hex, 16).ok());
    Ok(Some((format, line.ok_or_else(damaged)?.to_be_bytes())))
}

/// First use: what a creation that never finished left is set aside; the marker comes last.
fn create(path: &Path, segment_bytes: u64) -> Result<[u8; 16], OpenError> {
    refuse_lost_marker(path)?;
    for name in ["journal", "state", "base"] {
        set_aside(path, name, "half").map_err(|error| OpenError::io(&path.join(name), &error))?;
    }
    let mut line = [0; 16];
    getrandom::fill(&mut line).map_err(|error| OpenError::Io(format!("no randomness: {error}")))?;
    for name in ["journal", "base"] {
        let name = path.join(name);
        let made = DirBuilder::new().mode(0o700).create(&name);
        made.map_err(|error| OpenError::unusable(&name, &error))?;
    }
    // Before the marker: a store without a segment has lost its journal.
    Files::create(&path.join("journal"), line, segment_bytes)
        .map_err(|error| OpenError::unusable(&path.join("journal"), &error))?;
    write_marker(path, line).map_err(|error| OpenError::io(&path.join("FORMAT"), &error))?;
    Ok(line)
}

/// A creation that never finished has no groups: what has some is a store without its marker.
fn refuse_lost_marker(path: &Path) -> Result<(), OpenError> {
    let is_store = || -> io::Result<bool> {
        // The state is made when the marker is there.
        let is_made = path.join("state").exists();
        Ok(is_made || base::is_any(&path.join("base"))? || journal::is_any(&path.join("journal"))?)
    };
    if is_store().map_err(|error| OpenError::io(path, &error))? {
        let marker = path.join("FORMAT");
        return Err(OpenError::Damaged(format!(
            "{} is missing, but journal, base or state of a store are there",
            marker.display()
        )));
    }
    Ok(())
}

fn write_marker(path: &Path, line: [u8; 16]) -> io::Result<()> {
    let marker = format!("holdall {FORMAT} {:032x}\n", u128::from_be_bytes(line));
    write_whole(&path.join("FORMAT"), marker.as_bytes())
}

fn set_aside(path: &Path, name: &str, why: &str) -> io::Result<Option<PathBuf>> {
    let from = path.join(name);
    if !from.exists() {
        return Ok(None);
    }
    let free = (1..).map(|n| path.join(format!("{name}.{why}-{n}"))).find(|to| !to.exists());
    let to = free.expect("numbers do not run out");
    fs::rename(&from, &to)?;
    sync_directory(path)?;
    Ok(Some(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn open(path: &Path) -> Result<Directory, OpenError> {
        Directory::open(path, 64 << 10)
    }

    #[test]
    fn is_private_and_keeps_its_line() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let line = open(&path).unwrap().line();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(open(&path).unwrap().line(), line);
    }

    #[test]
    fn newer_format_is_refused_and_left_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        drop(open(home.path()).unwrap());
        let newer = format!("holdall {} {:032x}\n", FORMAT + 1, 7);
        fs::write(home.path().join("FORMAT"), &newer).unwrap();
        assert!(matches!(open(home.path()), Err(OpenError::Newer { .. })));
        assert_eq!(fs::read_to_string(home.path().join("FORMAT")).unwrap(), newer);
    }

    #[test]
    fn half_created_store_is_set_aside_and_made_anew() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("journal")).unwrap();
        fs::write(home.path().join("journal/0000000001.segment"), b"torn").unwrap();
        open(home.path()).unwrap();
        assert!(home.path().join("journal.half-1/0000000001.segment").exists());
    }

    #[test]
    fn store_that_lost_its_marker_is_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let journal = home.path().join("journal");
        drop(open(home.path()).unwrap());
        fs::remove_file(home.path().join("FORMAT")).unwrap();
        drop(open(home.path()).unwrap());
        assert!(home.path().join("journal.half-1").exists(), "there was no group in it");

        crate::store::contract::put(&crate::store::contract::in_files(home.path()), "R1", "red");
        let segments = || fs::read_dir(&journal).unwrap().count();
        let before = segments();
        fs::remove_file(home.path().join("FORMAT")).unwrap();
        assert!(matches!(open(home.path()), Err(OpenError::Damaged(_))));
        assert_eq!(segments(), before);
    }

    #[test]
    fn marker_of_something_else_is_refused() {
        let zero = format!("holdall 0 {:032x}\n", 7);
        for marker in [&b"tape 3"[..], b"holdall 4 \xff", zero.as_bytes()] {
            let home = tempfile::tempdir().unwrap();
            fs::write(home.path().join("FORMAT"), marker).unwrap();
            assert!(matches!(open(home.path()), Err(OpenError::Damaged(_))));
        }
    }

    #[test]
    fn file_in_the_place_of_a_directory_is_told_by_its_name() {
        for name in ["journal", "base", "state"] {
            let home = tempfile::tempdir().unwrap();
            drop(open(home.path()).unwrap());
            let path = home.path().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::write(&path, b"").unwrap();
            let told = open(home.path()).unwrap_err().to_string();
            assert!(told.contains(&format!("{} is a file", path.display())), "{told}");
        }
    }
}
