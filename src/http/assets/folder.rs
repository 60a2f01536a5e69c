//! A folder of somebody's own files: looked up on the disk every time, read only when they changed.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::file::Contents;
use super::file::File;
use super::file::mark_of;
use super::path::Wanted;
use crate::http::encoding::Encoding;

/// Memory that the files of a site may take. Larger sites are read from the disk, whose pages are
/// cached by the kernel anyway.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Files that the cache is laid out for.
const CACHE_FILES: usize = 1_000;

/// Largest file that is kept in memory. Larger ones are media, which don't compress either.
const KEEP_LIMIT_BYTES: u64 = 8 * 1024 * 1024;

/// What a folder's own address shows.
const INDEX: &str = "index.html";

/// A site in a folder.
pub(super) struct Folder {
    root: PathBuf,
    cache: Cache<String, Arc<Kept>, Weight>,
}

/// What there is at a path.
pub(super) enum Found {
    File(Arc<File>),
    /// A folder with a page of its own, asked for without the slash at its end.
    Folder,
}

#[derive(Debug)]
struct Kept {
    stamp: Stamp,
    file: Arc<File>,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    seconds: i64,
    nanoseconds: i64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<String, Arc<Kept>> for Weight {
    fn weight(&self, name: &String, kept: &Arc<Kept>) -> u64 {
        // Twice: compressed forms come later, and the cache weighs once.
        name.len() as u64 + 512 + kept.stamp.len.min(KEEP_LIMIT_BYTES) * 2
    }
}

impl Folder {
    /// Takes a folder as it stands; what comes into it later is served as well.
    pub fn new(root: &Path) -> Self {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Self { root, cache: Cache::with_weighter(CACHE_FILES, CACHE_BYTES, Weight) }
    }

    /// Finds what a visitor asked for; a page that no file has is the site's own to route.
    pub async fn find(&self, wanted: &Wanted) -> Option<Found> {
        if wanted.is_folder {
            let index = match wanted.name.as_str() {
                "" => INDEX.to_owned(),
                name => format!("{name}/{INDEX}"),
            };
            if let Some(file) = self.file(&index).await {
                return Some(Found::File(file));
            }
        } else if let Some(file) = self.file(&wanted.name).await {
            return Some(Found::File(file));
        } else if self.root.join(&wanted.name).join(INDEX).is_file() {
            return Some(Found::Folder);
        }
        if wanted.is_page() { self.file(INDEX).await.map(Found::File) } else { None }
    }

    /// The file of this name. One look at the disk is the price of never serving a stale one; it
    /// is cheaper than handing the question to another thread.
    async fn file(&self, name: &str) -> Option<Arc<File>> {
        let path = self.root.join(name);
        let metadata = std::fs::metadata(&path).ok().filter(Metadata::is_file)?;
        let stamp = Stamp::of(&metadata);
        if let Some(kept) = self.cache.get(name) {
            if kept.stamp == stamp {
                return Some(kept.file.clone());
            }
            self.cache.remove(name);
        }
        // Many may ask at once for a file that nobody has read yet: one reads.
        let kept = self
            .cache
            .get_or_insert_async(name, async {
                let root = self.root.clone();
                let name = name.to_owned();
                tokio::task::spawn_blocking(move || read(&root, &path, &name, stamp))
                    .await
                    .map_err(io::Error::other)?
            })
            .await
            .ok()?;
        Some(kept.file.clone())
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }
    }
}

fn read(root: &Path, path: &Path, name: &str, stamp: Stamp) -> io::Result<Arc<Kept>> {
    // A link may lead anywhere inside the folder, and no further.
    let path = path.canonicalize()?;
    if !path.starts_with(root) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if stamp.len > KEEP_LIMIT_BYTES {
        // Reading it all for a mark would cost more than sending it: this one changes with the file too.
        let mark = format!("{:x}-{:x}-{:x}", stamp.seconds, stamp.nanoseconds, stamp.len);
        let body = Contents::Disk { path, len: stamp.len };
        return Ok(Arc::new(Kept { stamp, file: Arc::new(File::new(name, &mark, body)) }));
    }
    let bytes = std::fs::read(&path)?;
    let mark = mark_of(&bytes);
    let mut file = File::new(name, &mark, Contents::Memory(bytes.into()));
    for encoding in Encoding::ALL {
        if let Some(packed) = beside(&path, encoding, stamp) {
            file = file.with(encoding, &mark_of(&packed), packed.into());
        }
    }
    Ok(Arc::new(Kept { stamp, file: Arc::new(file) }))
}

/// The compressed form that a build left beside a file. An older one belongs to an earlier build.
fn beside(path: &Path, encoding: Encoding, stamp: Stamp) -> Option<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(encoding.ending());
    let metadata = std::fs::metadata(&name).ok().filter(Metadata::is_file)?;
    let is_current = metadata.mtime() >= stamp.seconds && metadata.len() <= KEEP_LIMIT_BYTES;
    is_current.then(|| std::fs::read(&name).ok()).flatten()
}
