//! The bytes of a stored record: header, one slot a value, then the values as one line of JSON.
//!
//! ```text
//! [0]      format in the high half; bit 0: slots are 4 bytes wide
//! [1]      0
//! [2..4]   number of the layout
//! [4..8]   length of the public part
//! [8..16]  creation stamp
//! [16..]   a slot a value, in the layout's order: where it starts; top bit: it has escapes
//! then     "name":value,"name":value…   first the public ones, then the private ones
//! ```
//! Numbers are little-endian. A value ends where the next one's `,"name":` begins.

use bytes::Bytes;

use crate::domain::record::shape::separator;
use crate::domain::schema::{Collection, Layout};
use crate::domain::{Error, Result};

const FORMAT: u8 = 0x10;
const WIDE: u8 = 0x01;
const HEADER: usize = 16;
/// Values that start further in than this need wide slots.
const NARROW_LIMIT: usize = 0x8000;
const ESCAPES: u32 = 1 << 31;

/// Checks that `bytes` are a record of one of the collection's layouts; returns which.
pub fn check(collection: &Collection, bytes: &[u8]) -> Result<usize> {
    let broken = |what: &str| Err(Error::Broken(format!("record of {}: {what}", collection.id)));
    if bytes.len() < HEADER {
        return broken("shorter than its header");
    }
    if bytes[0] & !WIDE != FORMAT {
        return broken("of an unknown format");
    }
    let number = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
    let Some(layout) = collection.layouts.get(number) else {
        return broken("of an unknown layout");
    };
    let slots = layout.slots.len();
    if bytes.len() < HEADER + slots * width(bytes) {
        return broken("shorter than its slots");
    }
    let data = &bytes[HEADER + slots * width(bytes)..];
    let mut end = 0;
    for (position, slot) in layout.slots.iter().enumerate() {
        let start = start(bytes, position);
        let gap = separator(&slot.name) - usize::from(position == 0);
        if start < end + gap || start > data.len() {
            return broken("with values out of place");
        }
        end = start;
    }
    if public_length(bytes) > data.len() {
        return broken("longer in public than in all");
    }
    Ok(number)
}

/// Whether the values are text. Asked where a record is written and where the store is checked,
/// not at every read: below us everything has its checksum.
pub fn is_text(bytes: &[u8], slots: usize) -> bool {
    std::str::from_utf8(data(bytes, slots)).is_ok()
}

pub fn stamp(bytes: &[u8]) -> u64 {
    bytes[8..16].try_into().map_or(0, u64::from_le_bytes)
}

/// Where value number `position` starts in the data.
pub fn start(bytes: &[u8], position: usize) -> usize {
    (slot(bytes, position) & !ESCAPES) as usize
}

pub fn has_escapes(bytes: &[u8], position: usize) -> bool {
    slot(bytes, position) & ESCAPES != 0
}

/// The text of value number `position`; `separators` are those of the record's layout.
pub fn value<'a>(bytes: &'a [u8], separators: &[usize], position: usize) -> &'a str {
    let data = &bytes[HEADER + separators.len() * width(bytes)..];
    let end = match separators.get(position + 1) {
        Some(separator) => start(bytes, position + 1).saturating_sub(*separator),
        None => data.len(),
    };
    let value = data.get(start(bytes, position)..end).unwrap_or_default();
    // Whoever wrote it had text; see `is_text`.
    std::str::from_utf8(value).unwrap_or("null")
}

/// All values with their names, private ones included.
pub fn data(bytes: &[u8], slots: usize) -> &[u8] {
    &bytes[HEADER + slots * width(bytes)..]
}

/// The public values with their names: `"id":"…","title":"…"`.
pub fn public(bytes: &[u8], slots: usize) -> &[u8] {
    &data(bytes, slots)[..public_length(bytes)]
}

fn public_length(bytes: &[u8]) -> usize {
    bytes[4..8].try_into().map_or(0, |length| u32::from_le_bytes(length) as usize)
}

fn width(bytes: &[u8]) -> usize {
    if bytes[0] & WIDE == 0 { 2 } else { 4 }
}

fn slot(bytes: &[u8], position: usize) -> u32 {
    if bytes[0] & WIDE == 0 {
        let at = HEADER + position * 2;
        let slot = bytes[at..at + 2].try_into().map_or(0, u16::from_le_bytes);
        u32::from(slot & 0x7fff) | u32::from(slot >> 15) << 31
    } else {
        let at = HEADER + position * 4;
        bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes)
    }
}

/// Puts a record together, value after value, in today's layout.
pub struct Builder {
    layout: u16,
    stamp: u64,
    public: usize,
    slots: Vec<u32>,
    data: Vec<u8>,
}

impl Builder {
    pub fn new(collection: &Collection, stamp: u64) -> Self {
        Self {
            layout: collection.layouts.len().saturating_sub(1) as u16,
            stamp,
            public: 0,
            slots: Vec::with_capacity(collection.fields.len()),
            data: Vec::with_capacity(512),
        }
    }

    /// Adds every value of today's layout: `put` appends the text of a field's value.
    pub fn fill(&mut self, collection: &Collection, mut put: impl FnMut(usize, &mut Vec<u8>)) {
        let empty = Layout::default();
        let layout = collection.layout().unwrap_or(&empty);
        let shape = collection.shape();
        for (position, slot) in layout.slots.iter().enumerate() {
            let field = shape.field.get(position).copied().flatten();
            if !self.data.is_empty() {
                self.data.push(b',');
            }
            self.data.push(b'"');
            self.data.extend_from_slice(slot.name.as_bytes());
            self.data.extend_from_slice(b"\":");
            let start = self.data.len();
            match field {
                Some(field) => put(field, &mut self.data),
                None => self.data.extend_from_slice(b"null"),
            }
            let escapes = memchr::memchr(b'\\', &self.data[start..]).is_some();
            self.slots.push(start as u32 | if escapes { ESCAPES } else { 0 });
            if !slot.hidden {
                self.public = self.data.len();
            }
        }
    }

    pub fn finish(self) -> Bytes {
        let wide = self.data.len() >= NARROW_LIMIT;
        let slots = self.slots.len() * if wide { 4 } else { 2 };
        let mut bytes = Vec::with_capacity(HEADER + slots + self.data.len());
        bytes.extend_from_slice(&[FORMAT | if wide { WIDE } else { 0 }, 0]);
        bytes.extend_from_slice(&self.layout.to_le_bytes());
        bytes.extend_from_slice(&(self.public as u32).to_le_bytes());
        bytes.extend_from_slice(&self.stamp.to_le_bytes());
        for slot in &self.slots {
            if wide {
                bytes.extend_from_slice(&slot.to_le_bytes());
            } else {
                let narrow = (slot & 0x7fff) as u16 | ((slot >> 31) as u16) << 15;
                bytes.extend_from_slice(&narrow.to_le_bytes());
            }
        }
        bytes.extend_from_slice(&self.data);
        bytes.into()
    }
}
