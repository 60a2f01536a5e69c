//! A small product on the store: threads that each do a known sequence of changes, and the model
//! that says what must be there after any number of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdall::store::{
    Derive, Derived, Error, Home, Options, Order, Range, Read, Result, Store, Tx,
};

pub const THREADS: u64 = 6;
const COUNT: &[u8] = b"\xa0R";
const INDEX: &[u8] = b"\x90c";

/// Records `R…` = `<color> <rest>`: an index by color, and a count.
pub struct Paint;

impl Derive for Paint {
    fn derive(&self, _: &dyn Read, key: &[u8], value: &[u8], derived: &mut Derived) -> Result<()> {
        if key.starts_with(b"R") {
            derived.counts.push(COUNT.to_vec());
            derived.entries.push((index_entry(value, key), Vec::new()));
        }
        Ok(())
    }
}

fn index_entry(value: &[u8], key: &[u8]) -> Vec<u8> {
    let color = value.split(|byte| *byte == b' ').next().unwrap_or_default();
    [INDEX, color, b"\0", key].concat()
}

/// Small segments, so that rolling over happens all the time.
pub fn options(path: &Path) -> Options {
    Options {
        cache_bytes: 8 << 20,
        segment_bytes: 256 << 10,
        reserve_bytes: 0,
        ..Options::new(Home::Files(path.to_owned()), Arc::new(Paint))
    }
}

pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// A change of one thread.
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Clear(Vec<u8>),
}

/// The changes of thread `thread` in its commit number `number`: always the same ones.
fn changes(thread: u64, number: u64) -> Vec<Change> {
    let mut random = Random(thread << 32 | number);
    let key = |random: &mut Random| {
        // A third new, the others again and again.
        let hot = random.below(3) > 0;
        let which = if hot { random.below(20) } else { 100 + random.below(2_000) };
        format!("R{thread}-{which}").into_bytes()
    };
    let value = |random: &mut Random| {
        let bytes = if random.below(40) == 0 { 20_000 } else { 100 + random.below(300) };
        let filler = (b'a' + random.below(26) as u8) as char;
        // Some index entries are long, and begin alike.
        let shade = if random.below(8) == 0 { "x".repeat(3_000) } else { String::new() };
        let color = format!("color{shade}{}", random.below(5));
        format!("{color} {number} {}", filler.to_string().repeat(bytes as usize)).into_bytes()
    };
    match random.below(20) {
        0 => vec![Change::Clear(format!("R{thread}-1{}", random.below(10)).into_bytes())],
        1 | 2 => vec![Change::Delete(key(&mut random))],
        3 => (0..5).map(|_| Change::Put(key(&mut random), value(&mut random))).collect(),
        _ => vec![Change::Put(key(&mut random), value(&mut random))],
    }
}

fn number_key(thread: u64) -> Vec<u8> {
    format!("n{thread}").into_bytes()
}

/// Commits the next changes of `thread`; returns their number.
pub fn step(store: &Store, thread: u64) -> Result<u64> {
    store.write(|tx: &mut Tx| {
        let number = number_of(tx, thread)? + 1;
        for change in changes(thread, number) {
            match change {
                Change::Put(key, value) => tx.put(&key, value)?,
                Change::Delete(key) => tx.delete(&key)?,
                Change::Clear(prefix) => tx.clear(&prefix)?,
            }
        }
        tx.put(&number_key(thread), number.to_string())?;
        Ok::<_, Error>(number)
    })
}

fn number_of(read: &dyn Read, thread: u64) -> Result<u64> {
    let number = read.get(&number_key(thread))?;
    Ok(number.map_or(0, |number| std::str::from_utf8(&number).unwrap().parse().unwrap()))
}

/// What a store must hold after so many commits of each thread.
#[derive(Default, Clone)]
pub struct Model {
    content: Content,
    numbers: [u64; THREADS as usize],
}

impl Model {
    pub fn commits(&self) -> u64 {
        self.numbers.iter().sum()
    }

    fn advance(&mut self, thread: u64, to: u64) {
        let done = &mut self.numbers[thread as usize];
        while *done < to {
            *done += 1;
            for change in changes(thread, *done) {
                match change {
                    Change::Put(key, value) => drop(self.content.insert(key, value)),
                    Change::Delete(key) => drop(self.content.remove(&key)),
                    Change::Clear(prefix) => {
                        self.content.retain(|key, _| !key.starts_with(&prefix))
                    }
                }
            }
        }
    }

    /// Checks that `store` has at least what was acknowledged, nothing torn, nothing beside, and
    /// that index and count agree.
    pub fn check(&mut self, store: &Store, acknowledged: &[u64]) -> Result<(), String> {
        let snapshot = store.snapshot();
        for thread in 0..THREADS {
            let found = number_of(&snapshot, thread).unwrap();
            let least = acknowledged[thread as usize].max(self.numbers[thread as usize]);
            if found < least {
                return Err(format!("thread {thread}: {least} was acknowledged, {found} is there"));
            }
            self.advance(thread, found);
        }
        let records = all(&snapshot, b"R");
        if records != self.content {
            let differs = |key: &&Vec<u8>| records.get(*key) != self.content.get(*key);
            let keys = records.keys().chain(self.content.keys()).filter(differs);
            let keys: Vec<_> = keys.map(|key| key.escape_ascii().to_string()).collect();
            return Err(format!("records differ: {keys:?}"));
        }
        let expected: Vec<_> = {
            let mut entries: Vec<_> = records.iter().map(|(k, v)| index_entry(v, k)).collect();
            entries.sort();
            entries
        };
        if all(&snapshot, INDEX).into_keys().ne(expected) {
            return Err("the index differs from the records".to_owned());
        }
        let count = snapshot.count(COUNT).unwrap();
        if count != records.len() as u64 {
            return Err(format!("{count} counted, {} there", records.len()));
        }
        Ok(())
    }
}

fn all(read: &dyn Read, prefix: &[u8]) -> Content {
    let entries = read.scan(&Range::prefix(prefix), Order::Forward, usize::MAX).unwrap();
    entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Runs all threads on the store in `path` until the process dies, or for `commits` of each.
/// Every commit is told on standard output once it is acknowledged.
pub fn run(path: &Path, commits: u64) {
    let store = Store::open(options(path)).unwrap();
    say("open\n");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for _ in 0..commits {
                    let number = step(store, thread).unwrap();
                    say(&format!("ack {thread} {number}\n"));
                }
            });
        }
    });
}

/// One system call, so that a line is whole or not there.
pub fn say(line: &str) {
    // SAFETY: the pointer and the length are those of a live string.
    unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
}

/// The highest acknowledged commit of each thread, from what a run told.
pub fn acknowledged(told: &str, into: &mut [u64; THREADS as usize]) {
    for line in told.lines() {
        let mut words = line.split(' ');
        if let (Some("ack"), Some(thread), Some(number)) =
            (words.next(), words.next(), words.next())
            && let (Ok(thread), Ok(number)) = (thread.parse::<usize>(), number.parse::<u64>())
        {
            into[thread] = into[thread].max(number);
        }
    }
}
