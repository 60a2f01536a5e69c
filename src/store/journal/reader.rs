//! Reads frames one by one, beside the writer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::Bytes;

use crate::store::journal::frame::{self, Found, Frame};
use crate::store::journal::segment;

/// Read in one go; a larger frame is read by itself.
const PIECE: usize = 1 << 20;

/// A place in the journal. Reads only what was there when it was asked for.
pub(in crate::store) struct Reader {
    directory: PathBuf,
    line: [u8; 16],
    number: u64,
    offset: u64,
    /// The latest group that was read.
    seq: u64,
    /// What lies at `offset`.
    piece: Bytes,
}

impl Reader {
    /// A reader of what follows group `seq`, from the beginning of segment `number`.
    pub fn new(directory: PathBuf, line: [u8; 16], number: u64, seq: u64) -> Self {
        Self { directory, line, number, offset: segment::HEADER, seq, piece: Bytes::new() }
    }

    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The next frame; `None` if its segment is gone.
    pub fn next(&mut self) -> Result<Option<Frame>, String> {
        loop {
            let Some(bytes) = self.frame()? else { return Ok(None) };
            let head = frame::head(&bytes)?;
            if head.seq > self.seq + 1 {
                return Err(format!("group {} stands behind group {}", head.seq, self.seq));
            }
            if head.seq == self.seq + 1 {
                self.seq = head.seq;
                return frame::decode(&bytes).map(Some);
            }
        }
    }

    fn frame(&mut self) -> Result<Option<Bytes>, String> {
        // What is at hand, then what the file has by now, then the next segment.
        for attempt in 0..3 {
            if attempt == 2 {
                self.number += 1;
                self.offset = segment::HEADER;
            }
            if attempt > 0 && !self.refill()? {
                return Ok(None);
            }
            if let Found::Frame(found) = frame::find(&self.piece, &self.line) {
                let length = found.len();
                let found = self.piece.split_to(length);
                self.offset += length as u64;
                return Ok(Some(found));
            }
        }
        Err(format!("nothing stands behind group {}", self.seq))
    }

    /// Reads what lies at the offset; false if the segment is gone.
    fn refill(&mut self) -> Result<bool, String> {
        let file = match File::open(segment::path(&self.directory, self.number)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.to_string()),
        };
        let wanted = frame::length(&read(&file, self.offset, frame::HEADER)?).max(PIECE);
        self.piece = read(&file, self.offset, wanted)?.into();
        Ok(true)
    }
}

fn read(file: &File, offset: u64, length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return Err(error.to_string()),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
