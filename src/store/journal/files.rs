//! The journal in files: appends frames to segments, and reads them back when the store opens.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::store::directory::{Place, sync_directory};
use crate::store::journal::frame::{self, Found, Frame, Gid, Head};
use crate::store::journal::reader::Reader;
use crate::store::journal::segment;

/// The first segment is small: an empty store opens in a few milliseconds.
const FIRST_SEGMENT: u64 = 256 << 10;

/// Where the journal ends, and the open file behind it. One thread appends at a time.
pub(in crate::store) struct Files {
    directory: PathBuf,
    place: Place,
    line: [u8; 16],
    segment_bytes: u64,
    file: File,
    /// Number of the segment that is written to.
    number: u64,
    offset: u64,
    capacity: u64,
    /// The segment after this one, on its way.
    next: Option<JoinHandle<io::Result<File>>>,
    segments: Vec<Segment>,
}

/// A segment that has groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    number: u64,
    bytes: u64,
    /// Its first group, and when that was written.
    first: u64,
    at: u64,
}

/// Why the journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum Damage {
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What a scan found: everything needed to go on appending.
pub(in crate::store) struct End {
    pub last: Option<Head>,
    pub first: Option<Head>,
    segments: Vec<Segment>,
    number: u64,
    offset: u64,
    torn: bool,
    /// Segments behind the last frame: given space, never written.
    spare: Vec<u64>,
}

impl Files {
    /// Makes the first segment of a new journal.
    pub fn create(directory: &Path, line: [u8; 16], segment_bytes: u64) -> io::Result<Self> {
        let capacity = FIRST_SEGMENT.min(segment_bytes);
        let file = segment::allocate(directory, 1, capacity, &line)?;
        Ok(Self {
            directory: directory.to_owned(),
            place: Place::hold(directory)?,
            line,
            segment_bytes,
            file,
            number: 1,
            offset: segment::HEADER,
            capacity,
            next: None,
            segments: Vec::new(),
        })
    }

    /// Opens the journal that `end` was found in, and cuts a torn tail.
    pub fn resume(
        directory: &Path,
        line: [u8; 16],
        segment_bytes: u64,
        end: End,
    ) -> io::Result<Self> {
        segment::tidy(directory)?;
        let name = segment::path(directory, end.number);
        let file = OpenOptions::new().read(true).write(true).open(name)?;
        let capacity = file.metadata()?.len();
        if end.torn {
            let zeros = vec![0; capacity.saturating_sub(end.offset) as usize];
            file.write_all_at(&zeros, end.offset)?;
            file.sync_all()?;
        }
        for number in &end.spare {
            fs::remove_file(segment::path(directory, *number))?;
        }
        if !end.spare.is_empty() {
            sync_directory(directory)?;
        }
        Ok(Self {
            directory: directory.to_owned(),
            place: Place::hold(directory)?,
            line,
            segment_bytes,
            file,
            number: end.number,
            offset: end.offset,
            capacity,
            next: None,
            segments: end.segments,
        })
    }

    /// Makes room for a frame of `len` bytes. An error leaves the journal as it was: nothing was
    /// written and writing may be tried again.
    pub fn reserve(&mut self, len: usize) -> io::Result<()> {
        let len = len as u64;
        if self.offset + len <= self.capacity {
            return Ok(());
        }
        let wanted = self.segment_bytes.max(segment::HEADER + len);
        let ready = self.next.take().map(|thread| match thread.join() {
            Ok(made) => made,
            Err(_) => Err(io::Error::other("making a segment panicked")),
        });
        let number = self.number + 1;
        let file = match ready {
            Some(Ok(file)) if file.metadata()?.len() >= wanted => file,
            _ => {
                self.place.check()?;
                segment::allocate(&self.directory, number, wanted, &self.line)?
            }
        };
        self.capacity = file.metadata()?.len();
        self.file = file;
        self.number = number;
        self.offset = segment::HEADER;
        Ok(())
    }

    /// Closes the segment that is written to: the next frame begins another.
    pub fn turn_over(&mut self) {
        if self.offset > segment::HEADER {
            self.capacity = self.offset;
        }
    }

    /// Writes a frame that room was made for and returns when it is on the disk. An error must not
    /// be tried again: nobody knows what the disk has.
    pub fn append(&mut self, head: &Head, frame: &[u8]) -> io::Result<()> {
        self.file.write_all_at(frame, self.offset)?;
        self.file.sync_data()?;
        if self.segments.last().is_none_or(|segment| segment.number != self.number) {
            let (number, bytes) = (self.number, self.capacity);
            self.segments.push(Segment { number, bytes, first: head.seq, at: head.at });
        }
        self.offset += frame.len() as u64;
        let is_next_due = self.next.is_none() && self.offset * 2 > self.capacity;
        if is_next_due && self.place.check().is_ok() {
            let (directory, line) = (self.directory.clone(), self.line);
            let (number, bytes) = (self.number + 1, self.segment_bytes);
            let make = move || segment::allocate(&directory, number, bytes, &line);
            self.next = Some(std::thread::spawn(make));
        }
        Ok(())
    }

    /// A reader of what follows group `seq`; `None` if that is not there any more.
    pub fn reader(&self, line: [u8; 16], seq: u64) -> Option<Reader> {
        let holds = |segment: &&Segment| segment.first <= seq + 1;
        let segment = self.segments.iter().rev().find(holds)?;
        // Before the first group that is wanted there may be others.
        let before = segment.first - 1;
        let mut reader = Reader::new(self.directory.clone(), line, segment.number, before);
        while reader.seq() < seq {
            reader.next().ok()??;
        }
        Some(reader)
    }

    /// The first group there is.
    pub fn first(&self) -> Option<u64> {
        self.segments.first().map(|segment| segment.first)
    }

    /// What the groups since `seq` take, counted in whole segments but for the last.
    pub fn bytes_since(&self, seq: u64) -> u64 {
        let newer = self.segments.iter().rev().skip(1).take_while(|segment| segment.first > seq);
        newer.map(|segment| segment.bytes).sum::<u64>() + self.offset
    }

    /// Removes the oldest segments, as long as all of their groups are at or below `seq` and they
    /// are of no more use: older than `before`, or the journal is larger than `bytes`. Returns how
    /// many were removed.
    pub fn trim(&mut self, seq: u64, before: u64, bytes: u64) -> io::Result<usize> {
        self.place.check()?;
        let mut total: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        let mut removed = 0;
        while let [oldest, next, ..] = self.segments[..]
            && next.first <= seq + 1
            && (next.at < before || total > bytes)
        {
            fs::remove_file(segment::path(&self.directory, oldest.number))?;
            self.segments.remove(0);
            total -= oldest.bytes;
            removed += 1;
        }
        if removed > 0 {
            sync_directory(&self.directory)?;
        }
        Ok(removed)
    }
}

impl End {
    /// Was there not even a segment?
    pub fn is_nowhere(&self) -> bool {
        self.number == 0
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(thread) = self.next.take() {
            // The directory may be gone the moment we return.
            let _ = thread.join();
        }
    }
}

/// Reads every frame in order, checks the chain, and hands those above `after` to `visit`. May
/// run beside the writer: what it is about to append is not seen.
pub(in crate::store) fn scan(
    directory: &Path,
    line: &[u8; 16],
    after: u64,
    mut visit: impl FnMut(Frame) -> Result<(), String>,
) -> Result<End, Damage> {
    let mut end = End {
        last: None,
        first: None,
        segments: Vec::new(),
        number: 0,
        offset: segment::HEADER,
        torn: false,
        spare: Vec::new(),
    };
    for number in segment::list(directory)? {
        let name = segment::path(directory, number);
        let said = |what: &str| Damage::Damaged(format!("{}: {what}", name.display()));
        let bytes = Bytes::from(fs::read(&name)?);
        segment::check(&bytes, number, line).map_err(|what| said(&what))?;
        let mut offset = segment::HEADER as usize;
        let mut begun = false;
        let torn = loop {
            let found = match frame::find(&bytes[offset..], line) {
                Found::Frame(found) => found,
                Found::Nothing => break bytes[offset..].iter().any(|byte| *byte != 0),
                Found::Torn => break true,
            };
            if end.torn {
                return Err(said("a whole group stands behind a broken one"));
            }
            let head = frame::head(found).map_err(|what| said(&what))?;
            follows(end.last.as_ref(), &head).map_err(|what| said(&what))?;
            if !begun {
                begun = true;
                let size = bytes.len() as u64;
                end.segments.push(Segment { number, bytes: size, first: head.seq, at: head.at });
            }
            if head.seq > after {
                let whole = frame::decode(&bytes.slice(offset..offset + found.len()));
                whole.and_then(&mut visit).map_err(|what| said(&what))?;
            }
            offset += found.len();
            end.first.get_or_insert_with(|| head.clone());
            end.last = Some(head);
        };
        if torn && frame::any_later(&bytes[offset..], line) {
            return Err(said("a whole group stands behind a broken one"));
        }
        if begun || end.number == 0 {
            (end.number, end.offset) = (number, offset as u64);
            end.spare.clear();
        } else {
            end.spare.push(number);
        }
        end.torn |= torn;
    }
    Ok(end)
}

/// Does any segment in `directory` hold anything?
pub(in crate::store) fn is_any(directory: &Path) -> io::Result<bool> {
    for number in segment::list(directory)? {
        let bytes = fs::read(segment::path(directory, number))?;
        if bytes.iter().skip(segment::HEADER as usize).any(|byte| *byte != 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The number of the last group, found from the end; `None` if that cannot be told so quickly.
pub(in crate::store) fn last(directory: &Path, line: &[u8; 16]) -> Option<u64> {
    for number in segment::list(directory).ok()?.into_iter().rev() {
        let bytes = fs::read(segment::path(directory, number)).ok()?;
        let mut rest = bytes.get(segment::HEADER as usize..)?;
        let mut last = None;
        while let Found::Frame(found) = frame::find(rest, line) {
            last = frame::head(found).ok();
            rest = &rest[found.len()..];
        }
        if let Some(head) = last {
            return Some(head.seq);
        }
    }
    None
}

fn follows(last: Option<&Head>, head: &Head) -> Result<(), String> {
    let Some(last) = last else {
        let genesis = Gid::default();
        let fits = (head.seq == 1) == (head.prev == genesis);
        return if fits { Ok(()) } else { Err("the first group has no place".to_owned()) };
    };
    if head.seq != last.seq + 1 {
        return Err(format!("group {} stands behind group {}", head.seq, last.seq));
    }
    if head.prev != last.gid {
        return Err(format!("group {} is of another history", head.seq));
    }
    Ok(())
}
