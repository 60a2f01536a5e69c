//! What lies where: the only file that knows the layout of keys.
//!
//! Primary keys start below 0x80 and are journaled; derived keys start at 0x80 and are not.
//! Key letters are on disks: never reuse one.

use std::ops::Bound;

/// Keys from here on are derived.
pub const FIRST_DERIVED: &[u8] = &[0x80];

/// The schema's version stamp: changes whenever any collection changes.
pub const SCHEMA: &[u8] = b"S";
/// Prefix of collection definitions: `C` + number (4 bytes, big-endian).
pub const COLLECTIONS: &[u8] = b"C";
/// The next unused collection number.
pub const NEXT_COLLECTION: &[u8] = b"N";

pub fn collection(number: u32) -> Vec<u8> {
    with_number(b'C', number)
}

/// Prefix of all records of a collection.
pub fn records(collection: u32) -> Vec<u8> {
    with_number(b'R', collection)
}

pub fn record(collection: u32, id: &str) -> Vec<u8> {
    let mut key = records(collection);
    key.extend_from_slice(id.as_bytes());
    key
}

/// Splits a record key into collection number and id.
pub fn as_record(key: &[u8]) -> Option<(u32, &[u8])> {
    let rest = key.strip_prefix(b"R")?;
    let (number, id) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), id))
}

/// The keys that rolls are kept of: all records.
pub fn rolled() -> (Bound<&'static [u8]>, Bound<&'static [u8]>) {
    (Bound::Included(b"R"), Bound::Excluded(b"S"))
}

/// Length of the prefix that keys of one roll share: that of one collection's records.
pub const ROLL_PREFIX: usize = 5;

/// How far the entries of an index that is being made are: its value is the last record's key.
pub fn build(collection: u32, index: u32) -> Vec<u8> {
    let mut key = with_number(b'B', collection);
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// A named document outside collections: settings, signing keys.
pub fn document(name: &str) -> Vec<u8> {
    let mut key = vec![b'D'];
    key.extend_from_slice(name.as_bytes());
    key
}

/// All entries of indexes lie from here on,
pub const FIRST_INDEX: &[u8] = &[0x90];
/// and before this.
pub const BEHIND_INDEXES: &[u8] = &[0x91];

/// Derived: prefix of one index of a collection. Entries: prefix + encoded columns + id.
pub fn index(collection: u32, index: u32) -> Vec<u8> {
    let mut key = indexes(collection);
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// Derived: prefix of all indexes of a collection.
pub fn indexes(collection: u32) -> Vec<u8> {
    with_number(0x90, collection)
}

/// Derived: how many records a collection has.
pub fn record_count(collection: u32) -> Vec<u8> {
    with_number(0xa0, collection)
}

pub fn is_derived(key: &[u8]) -> bool {
    key.first().is_some_and(|first| *first >= 0x80)
}

/// Counters are derived, and hold a number of 8 bytes.
pub fn is_counter(key: &[u8]) -> bool {
    key.first() == Some(&0xa0)
}

/// All counters.
pub fn counters() -> (Bound<&'static [u8]>, Bound<&'static [u8]>) {
    (Bound::Included(&[0xa0]), Bound::Excluded(&[0xa1]))
}

fn with_number(letter: u8, number: u32) -> Vec<u8> {
    // With room for an id: most keys end with one.
    let mut key = Vec::with_capacity(32);
    key.push(letter);
    key.extend_from_slice(&number.to_be_bytes());
    key
}
