//! Rolls: dense numbers for the keys under a prefix, and when each of them last changed.
//!
//! A roll lets others keep values in columns, block by block: a value taken at position B is good
//! for a snapshot S where the key's last change is not after either. Rolls are local, in memory,
//! and made when somebody asks; commits keep them up to date before they become visible.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock};

/// Numbers of a block: what is taken, and taken anew, at a time.
pub const BLOCK: usize = 1024;
/// What a name costs beyond its bytes: its start, its place in the table, its position.
const OVERHEAD: usize = 24;

/// The keys under one prefix, numbered from 0 in the order in which they became known. A number is
/// never given to another key.
pub struct Roll {
    /// No other roll ever has the same.
    pub(super) id: u64,
    /// Snapshots before this position may know keys that the roll does not; `MAX`: all of them.
    born: AtomicU64,
    names: RwLock<Names>,
    /// What others keep beside the roll, under numbers of theirs.
    kept: Mutex<HashMap<u64, Arc<dyn Any + Send + Sync>>>,
    bytes: AtomicUsize,
    pub(super) used: AtomicU64,
}

/// When the keys of one block last changed.
pub struct Block {
    changed: [AtomicU64; BLOCK],
    newest: AtomicU64,
}

struct Names {
    hasher: RandomState,
    table: HashTable<u32>,
    /// All names, one behind the other.
    text: Vec<u8>,
    /// Where each begins; one more than there are names.
    starts: Vec<u32>,
    blocks: Arc<Vec<Arc<Block>>>,
}

static ROLLS: AtomicU64 = AtomicU64::new(0);

impl Default for Roll {
    fn default() -> Self {
        Self {
            id: ROLLS.fetch_add(1, SeqCst),
            born: AtomicU64::new(u64::MAX),
            names: RwLock::new(Names {
                hasher: RandomState::new(),
                table: HashTable::new(),
                text: Vec::new(),
                starts: vec![0],
                blocks: Arc::default(),
            }),
            kept: Mutex::default(),
            bytes: AtomicUsize::new(0),
            used: AtomicU64::new(0),
        }
    }
}

impl Roll {
    /// How many keys it knows, gone ones included.
    pub fn len(&self) -> usize {
        self.names.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The blocks of all numbers so far, and how many numbers there are.
    pub fn blocks(&self) -> (Arc<Vec<Arc<Block>>>, usize) {
        let names = self.names.read();
        (names.blocks.clone(), names.len())
    }

    /// The name of number `number`: its key without the prefix.
    pub fn name(&self, number: usize) -> Vec<u8> {
        self.names.read().name(number).to_vec()
    }

    /// Calls `visit` with the names of these numbers.
    pub fn names(&self, numbers: impl Iterator<Item = usize>, mut visit: impl FnMut(usize, &[u8])) {
        let names = self.names.read();
        for number in numbers {
            visit(number, names.name(number));
        }
    }

    /// How the names of two numbers follow each other.
    pub fn compare(&self, one: u32, other: u32) -> Ordering {
        let names = self.names.read();
        names.name(one as usize).cmp(names.name(other as usize))
    }

    /// The number of a key that is told without the prefix.
    pub fn number(&self, name: &[u8]) -> Option<usize> {
        self.names.read().find(name)
    }

    /// The numbers of all these keys; `None` if it does not know one of them.
    pub(super) fn numbers<'n>(&self, named: impl Iterator<Item = &'n [u8]>) -> Option<Box<[u32]>> {
        let names = self.names.read();
        named.map(|name| names.find(name).map(|number| number as u32)).collect()
    }

    /// What is kept under `place`; made if nothing is, or if it is of another kind.
    pub fn keep<T: Send + Sync + 'static>(&self, place: u64, make: impl FnOnce() -> T) -> Arc<T> {
        let mut kept = self.kept.lock();
        if let Some(found) = kept.get(&place).and_then(|found| found.clone().downcast().ok()) {
            return found;
        }
        let made = Arc::new(make());
        kept.insert(place, made.clone());
        made
    }

    /// Tells what the things kept beside it take.
    pub fn account(&self, added: usize, freed: usize) {
        self.bytes.fetch_add(added, SeqCst);
        self.bytes.fetch_sub(freed, SeqCst);
    }

    /// About what it takes in memory, with all that is kept beside it.
    pub fn bytes(&self) -> usize {
        self.bytes.load(SeqCst)
    }

    pub(super) fn is_good_for(&self, at: u64) -> bool {
        self.born.load(SeqCst) <= at
    }

    pub(super) fn is_ready(&self) -> bool {
        self.born.load(SeqCst) != u64::MAX
    }

    /// From now on it is good for nobody, and keeps nothing.
    pub(super) fn give_up(&self) {
        self.born.store(u64::MAX, SeqCst);
        self.kept.lock().clear();
        let names = self.names.read().bytes();
        self.bytes.store(names, SeqCst);
    }

    /// From `position` on it knows every key there is.
    pub(super) fn ready(&self, position: u64) {
        self.born.store(position, SeqCst);
    }

    /// Adds keys that are there and have not changed since anybody looked.
    pub(super) fn adopt<'n>(&self, found: impl Iterator<Item = &'n [u8]>) {
        let mut names = self.names.write();
        let before = names.bytes();
        for name in found {
            if names.find(name).is_none() {
                names.add(name);
            }
        }
        self.account(names.bytes() - before, 0);
    }

    /// Notes that the key changes at `position`, which nobody sees yet.
    pub(super) fn touch(&self, name: &[u8], position: u64) {
        let known = {
            let names = self.names.read();
            names.find(name).map(|number| names.place(number))
        };
        let (block, at) = known.unwrap_or_else(|| {
            let mut names = self.names.write();
            let before = names.bytes();
            // Only commits add names once it is registered, but the one who makes it does too.
            let number = names.find(name).unwrap_or_else(|| names.add(name));
            self.account(names.bytes() - before, 0);
            names.place(number)
        });
        block.changed[at].store(position, SeqCst);
        block.newest.fetch_max(position, SeqCst);
    }
}

impl Block {
    /// Whether no key of the block changed after `position`.
    pub fn is_settled(&self, position: u64) -> bool {
        self.newest.load(SeqCst) <= position
    }

    /// Whether key number `at` of the block changed after `position`.
    pub fn is_changed(&self, at: usize, position: u64) -> bool {
        self.changed[at].load(SeqCst) > position
    }
}

impl Names {
    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.len() * OVERHEAD
    }

    fn name(&self, number: usize) -> &[u8] {
        name(&self.text, &self.starts, number)
    }

    fn find(&self, wanted: &[u8]) -> Option<usize> {
        let is_it = |number: &u32| self.name(*number as usize) == wanted;
        self.table.find(self.hasher.hash_one(wanted), is_it).map(|number| *number as usize)
    }

    fn place(&self, number: usize) -> (Arc<Block>, usize) {
        (self.blocks[number / BLOCK].clone(), number % BLOCK)
    }

    fn add(&mut self, added: &[u8]) -> usize {
        let number = self.len();
        self.text.extend_from_slice(added);
        self.starts.push(self.text.len() as u32);
        let Self { hasher, table, text, starts, .. } = self;
        let hash = |number: &u32| hasher.hash_one(name(text, starts, *number as usize));
        table.insert_unique(hasher.hash_one(added), number as u32, hash);
        if number.is_multiple_of(BLOCK) {
            Arc::make_mut(&mut self.blocks).push(Arc::new(Block {
                changed: [const { AtomicU64::new(0) }; BLOCK],
                newest: AtomicU64::new(0),
            }));
        }
        number
    }
}

fn name<'t>(text: &'t [u8], starts: &[u32], number: usize) -> &'t [u8] {
    &text[starts[number] as usize..starts[number + 1] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_numbers() {
        let roll = Roll::default();
        let names: Vec<String> = (0..3000).map(|number| format!("name{number}")).collect();
        roll.touch(b"name2", 7);
        roll.adopt(names.iter().map(String::as_bytes));
        roll.touch(b"another", 9);

        assert_eq!(
            (roll.len(), roll.name(0), roll.name(3000)),
            (3001, b"name2".to_vec(), b"another".to_vec())
        );
        let (blocks, len) = roll.blocks();
        assert_eq!((blocks.len(), len), (3, 3001));
        assert!(blocks[0].is_changed(0, 6) && !blocks[0].is_changed(0, 7));
        assert!(blocks[1].is_settled(0) && !blocks[2].is_settled(8) && blocks[2].is_settled(9));
    }

    #[test]
    fn what_is_kept_is_made_once() {
        let roll = Roll::default();
        let first = roll.keep(1, || Mutex::new(1));
        *first.lock() = 2;
        assert_eq!(*roll.keep(1, || Mutex::new(1)).lock(), 2);
        roll.give_up();
        assert_eq!(*roll.keep(1, || Mutex::new(1)).lock(), 1);
    }
}
