//! A frame: one group of commits as it lies in the journal.
//!
//! All numbers are little-endian. `magic len crc level seq gid prev at stamp batches counts`, then
//! the batches, then the counters as they stand after the group. The checksum covers everything
//! behind it and the line, so that bytes of another store never pass for ours.

use bytes::Bytes;

use crate::store::batch::Op;

const MAGIC: [u8; 4] = *b"HJF1";
pub(super) const HEADER: usize = 80;
/// The format of frames that this program writes.
/// 2: puts and deletes may say what they took away, indexes are made slice by slice.
const LEVEL: u32 = 2;
/// No group is larger: a length above this is damage.
const MAX_FRAME: usize = 1 << 30;

pub(in crate::store) type Gid = [u8; 16];

/// What a frame says of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Head {
    pub seq: u64,
    pub gid: Gid,
    /// The group before this one: a foreign or rewound history does not fit.
    pub prev: Gid,
    /// Microseconds since the epoch, never before the previous group's.
    pub at: u64,
    /// The largest creation stamp given so far.
    pub stamp: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Entry {
    pub note: Bytes,
    pub ops: Vec<Op>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Frame {
    pub head: Head,
    pub batches: Vec<Entry>,
    /// Counters that the group changed, as they stand at its end.
    pub counts: Vec<(Bytes, u64)>,
}

/// Builds a frame batch by batch, in a buffer that is used again.
#[derive(Default)]
pub(in crate::store) struct Writer {
    buffer: Vec<u8>,
    batches: u32,
}

impl Writer {
    pub fn begin(&mut self) {
        self.buffer.clear();
        self.buffer.resize(HEADER, 0);
        self.batches = 0;
    }

    pub fn batch(&mut self, note: &[u8], ops: &[Op]) {
        self.batches += 1;
        self.bytes(note);
        self.buffer.extend_from_slice(&(ops.len() as u32).to_le_bytes());
        for op in ops {
            match op {
                Op::Put { key, value, undo } => {
                    self.buffer.push(if undo.is_empty() { 1 } else { 5 });
                    self.bytes(key);
                    self.bytes(value);
                    self.undo(undo);
                }
                Op::Delete { key, undo } => {
                    self.buffer.push(if undo.is_empty() { 2 } else { 6 });
                    self.bytes(key);
                    self.undo(undo);
                }
                Op::Clear { prefix } => {
                    self.buffer.push(3);
                    self.bytes(prefix);
                }
                Op::Derive { derived, from, until } => {
                    self.buffer.push(7);
                    [derived, from, until].into_iter().for_each(|key| self.bytes(key));
                }
                Op::Drop { from, until } => {
                    self.buffer.push(8);
                    [from, until].into_iter().for_each(|key| self.bytes(key));
                }
                Op::Rederive { derived, primary } => {
                    self.buffer.push(4);
                    self.bytes(primary);
                    self.buffer.extend_from_slice(&(derived.len() as u32).to_le_bytes());
                    derived.iter().for_each(|prefix| self.bytes(prefix));
                }
            }
        }
    }

    /// Closes the frame and returns its bytes.
    pub fn finish(&mut self, head: &Head, counts: &[(Bytes, u64)], line: &[u8; 16]) -> &[u8] {
        for (counter, count) in counts {
            self.bytes(counter);
            self.buffer.extend_from_slice(&count.to_le_bytes());
        }
        let len = self.buffer.len() as u32;
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&len.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&LEVEL.to_le_bytes());
        header.extend_from_slice(&head.seq.to_le_bytes());
        header.extend_from_slice(&head.gid);
        header.extend_from_slice(&head.prev);
        header.extend_from_slice(&head.at.to_le_bytes());
        header.extend_from_slice(&head.stamp.to_le_bytes());
        header.extend_from_slice(&self.batches.to_le_bytes());
        header.extend_from_slice(&(counts.len() as u32).to_le_bytes());
        self.buffer[..HEADER].copy_from_slice(&header);
        let crc = checksum(&self.buffer[12..], line);
        self.buffer[8..12].copy_from_slice(&crc.to_le_bytes());
        &self.buffer
    }

    /// The kind of the operation says whether there is one.
    fn undo(&mut self, undo: &[u8]) {
        if !undo.is_empty() {
            self.bytes(undo);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(bytes);
    }
}

/// What lies at the start of `bytes`.
pub(super) enum Found<'a> {
    Frame(&'a [u8]),
    /// Zeros: nothing was written here.
    Nothing,
    /// Something that is not a whole frame.
    Torn,
}

pub(super) fn find<'a>(bytes: &'a [u8], line: &[u8; 16]) -> Found<'a> {
    let Some(header) = bytes.get(..HEADER) else {
        let empty = bytes.iter().all(|byte| *byte == 0);
        return if empty { Found::Nothing } else { Found::Torn };
    };
    if header.iter().all(|byte| *byte == 0) {
        return Found::Nothing;
    }
    let len = u32::from_le_bytes(header[4..8].try_into().expect("four bytes")) as usize;
    if header[..4] != MAGIC || !(HEADER..MAX_FRAME).contains(&len) {
        return Found::Torn;
    }
    let Some(frame) = bytes.get(..len) else { return Found::Torn };
    let crc = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
    if checksum(&frame[12..], line) == crc { Found::Frame(frame) } else { Found::Torn }
}

/// Length of the frame whose header this is; 0 if it is none.
pub(super) fn length(header: &[u8]) -> usize {
    let Some(length) = header.get(4..8).filter(|_| header.starts_with(&MAGIC)) else { return 0 };
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    if length < MAX_FRAME { length } else { 0 }
}

/// Is there a whole frame anywhere in `bytes`? Then what lies before it was not cut off, but
/// damaged.
pub(super) fn any_later(bytes: &[u8], line: &[u8; 16]) -> bool {
    memchr::memmem::find_iter(bytes, &MAGIC)
        .any(|start| matches!(find(&bytes[start..], line), Found::Frame(_)))
}

/// Reads the header of a frame that [`find`] found.
pub(super) fn head(frame: &[u8]) -> Result<Head, String> {
    let mut cursor = Cursor { bytes: frame, at: 12 };
    let level = cursor.u32()?;
    if level > LEVEL {
        return Err(format!("a frame of level {level}; this program knows {LEVEL}"));
    }
    Ok(Head {
        seq: cursor.u64()?,
        gid: cursor.gid()?,
        prev: cursor.gid()?,
        at: cursor.u64()?,
        stamp: cursor.u64()?,
    })
}

/// Reads the whole of a frame that [`find`] found.
pub(in crate::store) fn decode(frame: &Bytes) -> Result<Frame, String> {
    let head = head(frame)?;
    let mut cursor = Cursor { bytes: frame, at: HEADER - 8 };
    let (batches, counts) = (cursor.u32()?, cursor.u32()?);
    let batches = (0..batches).map(|_| cursor.entry(frame)).collect::<Result<_, _>>()?;
    let counts = (0..counts)
        .map(|_| Ok((cursor.slice(frame)?, cursor.u64()?)))
        .collect::<Result<_, String>>()?;
    Ok(Frame { head, batches, counts })
}

fn checksum(bytes: &[u8], line: &[u8; 16]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(line);
    hasher.update(bytes);
    hasher.finalize()
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.first_chunk::<N>().ok_or("a frame ends too early")?;
        self.at += N;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.take().map(u64::from_le_bytes)
    }

    fn gid(&mut self) -> Result<Gid, String> {
        self.take()
    }

    fn slice(&mut self, frame: &Bytes) -> Result<Bytes, String> {
        let len = self.u32()? as usize;
        let end = self.at.checked_add(len).filter(|end| *end <= frame.len());
        let end = end.ok_or("a frame ends too early")?;
        let slice = frame.slice(self.at..end);
        self.at = end;
        Ok(slice)
    }

    fn entry(&mut self, frame: &Bytes) -> Result<Entry, String> {
        let note = self.slice(frame)?;
        let ops = self.u32()?;
        let ops = (0..ops).map(|_| self.op(frame)).collect::<Result<_, _>>()?;
        Ok(Entry { note, ops })
    }

    fn op(&mut self, frame: &Bytes) -> Result<Op, String> {
        match self.take::<1>()? {
            [kind @ (1 | 5)] => {
                let (key, value) = (self.slice(frame)?, self.slice(frame)?);
                let undo = if kind == 5 { self.slice(frame)? } else { Bytes::new() };
                Ok(Op::Put { key, value, undo })
            }
            [kind @ (2 | 6)] => {
                let key = self.slice(frame)?;
                let undo = if kind == 6 { self.slice(frame)? } else { Bytes::new() };
                Ok(Op::Delete { key, undo })
            }
            [3] => Ok(Op::Clear { prefix: self.slice(frame)? }),
            [7] => {
                let (derived, from) = (self.slice(frame)?, self.slice(frame)?);
                Ok(Op::Derive { derived, from, until: self.slice(frame)? })
            }
            [8] => Ok(Op::Drop { from: self.slice(frame)?, until: self.slice(frame)? }),
            [4] => {
                let primary = self.slice(frame)?;
                let prefixes = self.u32()?;
                let derived = (0..prefixes).map(|_| self.slice(frame)).collect::<Result<_, _>>()?;
                Ok(Op::Rederive { derived, primary })
            }
            [tag] => Err(format!("an operation of kind {tag}, which this program does not know")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from)
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (bytes(), bytes(), bytes()).prop_map(|(key, value, undo)| Op::Put { key, value, undo }),
            (bytes(), bytes()).prop_map(|(key, undo)| Op::Delete { key, undo }),
            bytes().prop_map(|prefix| Op::Clear { prefix }),
            (bytes(), bytes(), bytes()).prop_map(|(derived, from, until)| Op::Derive {
                derived,
                from,
                until
            }),
            (bytes(), bytes()).prop_map(|(from, until)| Op::Drop { from, until }),
            (prop::collection::vec(bytes(), 0..3), bytes())
                .prop_map(|(derived, primary)| Op::Rederive { derived, primary }),
        ]
    }

    fn frame() -> impl Strategy<Value = Frame> {
        let entry = (bytes(), prop::collection::vec(op(), 0..4))
            .prop_map(|(note, ops)| Entry { note, ops });
        let counts = prop::collection::vec((bytes(), any::<u64>()), 0..3);
        let head = (any::<u64>(), any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u64>());
        (head, prop::collection::vec(entry, 0..4), counts).prop_map(|(head, batches, counts)| {
            let (seq, gid, prev, at) = head;
            Frame { head: Head { seq, gid, prev, at, stamp: at / 2 }, batches, counts }
        })
    }

    fn encode(frame: &Frame, line: &[u8; 16]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.begin();
        for batch in &frame.batches {
            writer.batch(&batch.note, &batch.ops);
        }
        writer.finish(&frame.head, &frame.counts, line).to_vec()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(frame in frame(), line: [u8; 16]) {
            let mut encoded = encode(&frame, &line);
            let len = encoded.len();
            encoded.extend_from_slice(&[0; 100]);
            let Found::Frame(found) = find(&encoded, &line) else { panic!("no frame") };
            prop_assert_eq!(found.len(), len);
            prop_assert_eq!(decode(&Bytes::copy_from_slice(found)).unwrap(), frame);
            prop_assert!(matches!(find(&encoded[len..], &line), Found::Nothing));
        }

        #[test]
        fn any_changed_byte_is_noticed(frame in frame(), at: prop::sample::Index, by in 1u8..) {
            let line = [7; 16];
            let mut encoded = encode(&frame, &line);
            let at = at.index(encoded.len());
            encoded[at] ^= by;
            prop_assert!(!matches!(find(&encoded, &line), Found::Frame(_)));
        }

        #[test]
        fn nonsense_is_an_error_and_no_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&Bytes::from(noise));
        }
    }

    #[test]
    fn frame_of_another_store_is_not_ours() {
        let head = Head { seq: 1, gid: [1; 16], prev: [0; 16], at: 0, stamp: 0 };
        let encoded = encode(&Frame { head, batches: vec![], counts: vec![] }, &[1; 16]);
        assert!(matches!(find(&encoded, &[2; 16]), Found::Torn));
        assert!(any_later(&[&[9; 50], &encoded[..]].concat(), &[1; 16]));
    }
}
