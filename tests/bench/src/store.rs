//! The store as the bench uses it: records with two indexes, written after two gets and a range.

use std::path::Path;
use std::sync::Arc;

use holdall::store::{Derive, Derived, Home, Options, Order, Range, Read, Result, Store, Tx};

pub const BODY_BYTES: usize = 300;
const FIRST: [u8; 2] = [0x90, 1];
const SECOND: [u8; 2] = [0x90, 2];

/// Two indexes over the first sixteen bytes of a record, and a count.
struct Indexes;

impl Derive for Indexes {
    fn derive(&self, _: &dyn Read, key: &[u8], value: &[u8], derived: &mut Derived) -> Result<()> {
        if key.first() == Some(&b'R') && value.len() >= 16 {
            derived.counts.push(vec![0xa0]);
            derived.entries.push(([&FIRST[..], &value[..8], key].concat(), Vec::new()));
            derived.entries.push(([&SECOND[..], &value[8..16], key].concat(), Vec::new()));
        }
        Ok(())
    }
}

pub fn open(path: &Path) -> Store {
    Store::open(options(path)).expect("the store opens")
}

pub fn options(path: &Path) -> Options {
    let home = Home::Files(path.to_owned());
    Options { cache_bytes: 256 << 20, reserve_bytes: 0, ..Options::new(home, Arc::new(Indexes)) }
}

pub fn in_memory() -> Store {
    Store::open(Options::new(Home::Memory, Arc::new(Indexes))).expect("the store opens")
}

/// A record whose indexed parts follow from `number`.
pub fn body(number: u64) -> Vec<u8> {
    let mut body = vec![b'x'; BODY_BYTES];
    body[..8].copy_from_slice(&(number % 1_000).to_be_bytes());
    body[8..16].copy_from_slice(&mixed(!number).to_be_bytes());
    body
}

/// The key of a record, as random as ids are that clients know records by.
pub fn key(number: u64) -> Vec<u8> {
    format!("R{:015x}", mixed(number) >> 4).into_bytes()
}

fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Looks at what a rule would look at, then puts.
pub fn rule(tx: &mut Tx, number: u64) -> Result<()> {
    let body = body(number);
    tx.get(b"Rowner")?;
    tx.get(&key(number))?;
    tx.scan(&second(&body), Order::Forward, 2)?;
    tx.put(&key(number), body)
}

pub fn first(body: &[u8]) -> Range {
    Range::prefix(&[&FIRST[..], &body[..8]].concat())
}

fn second(body: &[u8]) -> Range {
    Range::prefix(&[&SECOND[..], &body[8..16]].concat())
}

/// Puts records in bulk.
pub fn fill(store: &Store, records: u64) {
    for start in (0..records).step_by(1_000) {
        store
            .write(|tx| {
                (start..start + 1_000).try_for_each(|number| tx.put(&key(number), body(number)))
            })
            .expect("the store takes writes");
    }
}
