//! A disk as a power loss leaves it: what was synced, and of the rest as much as chance wants.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::product::Random;

const PAGE: usize = 4096;

/// What a program did, as the recorder tells it.
pub enum Event {
    Write { inode: u64, offset: usize, bytes: Vec<u8> },
    Truncate { inode: u64, length: usize },
    Create { inode: u64, path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Unlink { path: PathBuf },
    MakeDirectory { path: PathBuf },
    RemoveDirectory { path: PathBuf },
    SyncBegin { inode: u64, id: u64 },
    SyncEnd { id: u64 },
    Print(String),
}

/// What happens to what was written and not synced.
#[derive(Debug, Clone, Copy)]
pub enum Unsynced {
    Dropped,
    /// Each page on its own is there or is not.
    AnyPages,
    /// Of each file the later writes are there, the earlier ones are not.
    LaterOnly,
}

pub fn parse(record: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut rest = record;
    while let Some((head, body)) = rest.split_at_checked(33) {
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
        let short = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap()) as usize;
        let (inode, offset, length) = (long(1), long(9), long(17));
        let Some((one, body)) = body.split_at_checked(short(25)) else { break };
        let Some((two, body)) = body.split_at_checked(short(29)) else { break };
        let path = |bytes: &[u8]| PathBuf::from(String::from_utf8(bytes.to_vec()).unwrap());
        events.push(match head[0] {
            1 => Event::Write { inode, offset: offset as usize, bytes: one.to_vec() },
            2 => Event::Truncate { inode, length: length as usize },
            3 => Event::Create { inode, path: path(one) },
            4 => Event::Rename { from: path(one), to: path(two) },
            5 => Event::Unlink { path: path(one) },
            6 => Event::SyncBegin { inode, id: offset },
            7 => Event::SyncEnd { id: offset },
            9 => Event::Print(String::from_utf8_lossy(one).into_owned()),
            10 => Event::MakeDirectory { path: path(one) },
            11 => Event::RemoveDirectory { path: path(one) },
            kind => panic!("the record has an entry of kind {kind}"),
        });
        rest = body;
    }
    events
}

#[derive(Default, Clone)]
struct Object {
    durable: Vec<u8>,
    /// Events that changed it since its last sync.
    pending: Vec<usize>,
}

#[derive(Default, Clone)]
pub struct Disk {
    objects: Vec<Object>,
    by_inode: HashMap<u64, usize>,
    /// Names that would be there after a power loss.
    names: BTreeMap<PathBuf, usize>,
    directories: BTreeSet<PathBuf>,
    pending_names: Vec<usize>,
    created: HashMap<usize, usize>,
    syncs: HashMap<u64, (usize, Option<usize>)>,
}

impl Disk {
    /// The disk as it is now, all of it synced.
    pub fn read(root: &Path) -> Self {
        let mut disk = Self::default();
        disk.add(root);
        disk
    }

    fn add(&mut self, path: &Path) {
        let Ok(entries) = fs::read_dir(path) else { return };
        self.directories.insert(path.to_owned());
        for entry in entries.flatten() {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                self.add(&entry.path());
                continue;
            }
            let durable = fs::read(entry.path()).unwrap();
            self.objects.push(Object { durable, pending: Vec::new() });
            self.by_inode.insert(metadata.ino(), self.objects.len() - 1);
            self.names.insert(entry.path(), self.objects.len() - 1);
        }
    }

    /// Lets event number `at` happen.
    pub fn happen(&mut self, events: &[Event], at: usize) {
        match &events[at] {
            Event::Create { inode, .. } => {
                self.objects.push(Object::default());
                self.by_inode.insert(*inode, self.objects.len() - 1);
                self.created.insert(at, self.objects.len() - 1);
                self.pending_names.push(at);
            }
            Event::Rename { .. }
            | Event::Unlink { .. }
            | Event::MakeDirectory { .. }
            | Event::RemoveDirectory { .. } => self.pending_names.push(at),
            Event::Write { inode, .. } | Event::Truncate { inode, .. } => {
                if let Some(object) = self.by_inode.get(inode) {
                    self.objects[*object].pending.push(at);
                }
            }
            Event::SyncBegin { inode, id } => {
                self.syncs.insert(*id, (at, self.by_inode.get(inode).copied()));
            }
            Event::SyncEnd { id } => self.sync(events, *id),
            Event::Print(_) => {}
        }
    }

    /// What was done before the sync began is durable now; names too, by the file system's journal.
    fn sync(&mut self, events: &[Event], id: u64) {
        let (begun, object) = self.syncs[&id];
        if let Some(object) = object.map(|object| &mut self.objects[object]) {
            let pending = std::mem::take(&mut object.pending);
            let (done, later): (Vec<_>, _) = pending.into_iter().partition(|at| *at < begun);
            done.into_iter().for_each(|at| object.change(&events[at], || true));
            object.pending = later;
        }
        let names = std::mem::take(&mut self.pending_names);
        let (done, later): (Vec<_>, _) = names.into_iter().partition(|at| *at < begun);
        done.into_iter().for_each(|at| self.rename(events, at));
        self.pending_names = later;
    }

    fn rename(&mut self, events: &[Event], at: usize) {
        match &events[at] {
            Event::Create { path, .. } => drop(self.names.insert(path.clone(), self.created[&at])),
            Event::Unlink { path } => drop(self.names.remove(path)),
            Event::MakeDirectory { path } => drop(self.directories.insert(path.clone())),
            Event::RemoveDirectory { path } => drop(self.directories.remove(path)),
            Event::Rename { from, to } => {
                if let Some(object) = self.names.remove(from) {
                    self.names.insert(to.clone(), object);
                    return;
                }
                let moved = |path: &PathBuf| path.strip_prefix(from).ok().map(|rest| to.join(rest));
                let names = std::mem::take(&mut self.names).into_iter();
                self.names = names.map(|(path, o)| (moved(&path).unwrap_or(path), o)).collect();
                let directories = std::mem::take(&mut self.directories).into_iter();
                self.directories = directories.map(|path| moved(&path).unwrap_or(path)).collect();
            }
            _ => {}
        }
    }

    /// Pulls the plug: writes what is left of `root` to `image`.
    pub fn lose_power(
        mut self,
        events: &[Event],
        unsynced: Unsynced,
        random: &mut Random,
        root: &Path,
        image: &Path,
    ) {
        let names = std::mem::take(&mut self.pending_names);
        let kept = match unsynced {
            Unsynced::Dropped => 0,
            _ => random.below(names.len() as u64 + 1) as usize,
        };
        names[..kept].iter().for_each(|at| self.rename(events, *at));
        for object in &mut self.objects {
            let pending = std::mem::take(&mut object.pending);
            let from = random.below(pending.len() as u64 + 1) as usize;
            for (number, at) in pending.into_iter().enumerate() {
                object.change(&events[at], || match unsynced {
                    Unsynced::Dropped => false,
                    Unsynced::LaterOnly => number >= from,
                    Unsynced::AnyPages => random.below(2) == 0,
                });
            }
        }
        let place = |path: &Path| path.strip_prefix(root).ok().map(|rest| image.join(rest));
        for path in self.directories.iter().filter_map(|path| place(path)) {
            fs::create_dir_all(path).unwrap();
        }
        for (path, object) in &self.names {
            if let Some(path) = place(path) {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &self.objects[*object].durable).unwrap();
            }
        }
    }
}

impl Object {
    /// Applies a change, page by page as far as `keep` wants it.
    fn change(&mut self, event: &Event, mut keep: impl FnMut() -> bool) {
        match event {
            Event::Truncate { length, .. } if keep() => self.durable.resize(*length, 0),
            Event::Write { offset, bytes, .. } => {
                let mut at = 0;
                while at < bytes.len() {
                    let place = offset + at;
                    let piece = (PAGE - place % PAGE).min(bytes.len() - at);
                    if keep() {
                        if self.durable.len() < place + piece {
                            self.durable.resize(place + piece, 0);
                        }
                        self.durable[place..place + piece].copy_from_slice(&bytes[at..at + piece]);
                    }
                    at += piece;
                }
            }
            _ => {}
        }
    }
}
