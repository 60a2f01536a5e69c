//! A sheet: neighbouring index entries in one value, each told by how it differs from the one before.
//!
//! Layout: a format byte, then per entry how many bytes it shares with the key before (the first one
//! with the sheet's fence), how many more it has, and its value's length; then those bytes of the
//! key, and the value unless the key ends in it (as an entry that ends in the id it leads to does).

use bytes::Bytes;

const FORMAT: u8 = 2;

/// What a sheet holds, side by side.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entries {
    bytes: Vec<u8>,
    /// Where each key and each value ends in `bytes`; the value may lie within the key.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    key: usize,
    key_end: usize,
    value: usize,
    end: usize,
}

/// What cannot be a sheet.
#[derive(Debug, PartialEq, Eq)]
pub struct Damaged;

impl Entries {
    /// Reads the entries from `from` (included) up to `until` (excluded; `None`: all the rest).
    pub fn read(
        fence: &[u8],
        sheet: &[u8],
        from: &[u8],
        until: Option<&[u8]>,
    ) -> Result<Self, Damaged> {
        let mut entries = Self::default();
        let Some((format, rest)) = sheet.split_first() else { return Ok(entries) };
        if *format != FORMAT {
            return Err(Damaged);
        }
        entries.bytes.reserve(2 * sheet.len());
        let mut input = Input(rest);
        let mut key = Vec::with_capacity(fence.len() + 64);
        key.extend_from_slice(fence);
        while !input.0.is_empty() {
            let (shared, more, told) = (input.number()?, input.number()?, input.number()?);
            if shared > key.len() {
                return Err(Damaged);
            }
            key.truncate(shared);
            key.extend_from_slice(input.take(more)?);
            let length = told >> 1;
            let is_within = told & 1 == 1;
            let value = if is_within { &[][..] } else { input.take(length)? };
            if is_within && length > key.len() {
                return Err(Damaged);
            }
            if until.is_some_and(|until| &key[..] >= until) {
                break;
            }
            if &key[..] >= from {
                entries.add(&key, value, if is_within { length } else { 0 });
            }
        }
        Ok(entries)
    }

    fn add(&mut self, key: &[u8], value: &[u8], within: usize) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        let end = self.bytes.len();
        self.places.push(Place { key: at, key_end, value: key_end - within, end });
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> + ExactSizeIterator {
        self.places.iter().map(|place| self.at(place))
    }

    pub fn last_key(&self) -> Option<&[u8]> {
        self.places.last().map(|place| self.at(place).0)
    }

    fn at(&self, place: &Place) -> (&[u8], &[u8]) {
        (&self.bytes[place.key..place.key_end], &self.bytes[place.value..place.end])
    }

    /// The same as entries that share one allocation.
    pub fn shared(self) -> impl DoubleEndedIterator<Item = (Bytes, Bytes)> {
        let bytes = Bytes::from(self.bytes);
        self.places.into_iter().map(move |place| {
            (bytes.slice(place.key..place.key_end), bytes.slice(place.value..place.end))
        })
    }
}

/// Writes a sheet, entry by entry in order.
pub struct Writer {
    sheet: Vec<u8>,
    last: Vec<u8>,
}

/// How many bytes two keys begin with alike.
pub fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl Writer {
    pub fn new(fence: &[u8]) -> Self {
        Self { sheet: vec![FORMAT], last: fence.to_vec() }
    }

    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        debug_assert!(self.sheet.len() == 1 || self.last[..] < *key, "entries come in order");
        let shared = shared(&self.last, key);
        let is_within = !value.is_empty() && key.ends_with(value);
        put_number(&mut self.sheet, shared);
        put_number(&mut self.sheet, key.len() - shared);
        put_number(&mut self.sheet, value.len() << 1 | usize::from(is_within));
        self.sheet.extend_from_slice(&key[shared..]);
        if !is_within {
            self.sheet.extend_from_slice(value);
        }
        self.last.truncate(shared);
        self.last.extend_from_slice(&key[shared..]);
    }

    pub fn finish(self) -> Vec<u8> {
        self.sheet
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<usize, Damaged> {
        let mut number = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Damaged)?;
            self.0 = rest;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }
}

fn put_number(to: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const FENCE: &[u8] = &[1, 2];

    fn sheet(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
        let mut writer = Writer::new(FENCE);
        entries.iter().for_each(|(key, value)| writer.push(key, value));
        writer.finish()
    }

    fn entries() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
        let key = prop::collection::vec(0u8..4, 0..200);
        prop::collection::btree_map(key, prop::collection::vec(0u8..4, 0..9), 0..40)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            entries in entries(),
            from in prop::collection::vec(0u8..4, 0..3),
            until in prop::option::of(prop::collection::vec(0u8..4, 0..3)),
        ) {
            let read = Entries::read(FENCE, &sheet(&entries), &from, until.as_deref()).unwrap();
            let inside = |key: &[u8]| key >= &from[..] && until.as_ref().is_none_or(|u| key < &u[..]);
            let expected: Vec<(&[u8], &[u8])> = entries
                .iter()
                .filter(|(key, _)| inside(key))
                .map(|(key, value)| (&key[..], &value[..]))
                .collect();
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(read.len(), expected.len());
            prop_assert_eq!(read.last_key(), expected.last().map(|(key, _)| *key));
            let shared: Vec<_> = read.shared().collect();
            let shared: Vec<_> = shared.iter().map(|(k, v)| (&k[..], &v[..])).collect();
            prop_assert_eq!(shared, expected);
        }

        #[test]
        fn damage_is_no_panic(mut sheet in entries().prop_map(|e| sheet(&e)), at: usize, byte: u8) {
            let place = at % sheet.len();
            sheet[place] = byte;
            let _ = Entries::read(FENCE, &sheet, b"", None);
            sheet.truncate(place);
            let _ = Entries::read(FENCE, &sheet, b"", None);
        }
    }

    #[test]
    fn id_at_the_end_of_its_key_is_told_once() {
        let ids = [b"abcdefghijklmno", b"abcdefghijklmnp"];
        let bytes = |count: usize| {
            let mut writer = Writer::new(b"index");
            for id in &ids[..count] {
                writer.push(&[b"index/red/", &id[..]].concat(), &id[..]);
            }
            writer.finish().len()
        };
        assert_eq!(bytes(1), 1 + 3 + 20);
        assert_eq!(bytes(2), bytes(1) + 3 + 1);
    }
}
