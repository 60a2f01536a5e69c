//! A journal in a table that several stores share: who appends next, and what the others appended.
//!
//! The slot `seq` decides: whoever's gid stands there has won, and every other claim to it is void
//! for ever. What a store has is named by (seq, gid) of its last group, and is used only after that
//! row was found unchanged.

use std::io;

use bytes::Bytes;

use crate::store::Error;
use crate::store::Result;
use crate::store::journal::frame::{self, Found, Frame, Head};
use crate::store::journal::{Follow, Tip};

/// Groups followed while the others wait for the head; more are fetched without it.
const FOLLOW_LOCKED: usize = 64;
/// Groups fetched at a time.
const FETCH: usize = 256;
/// Turns given back because too much was to be followed, or asks what became of a commit.
const TRIES: usize = 100;

/// One connection to the table. Everything here takes time and may fail half-way.
pub(in crate::store) trait Table: Send {
    /// Begins a transaction and locks the head; returns where it is.
    fn lock(&mut self) -> Result<Tip, Away>;
    /// Frames from group `from` (included) on, in order.
    fn rows(&mut self, from: u64, limit: usize) -> Result<Vec<Bytes>, Away>;
    /// Puts the frame into its slot, moves the head there if it still is where the frame says, and
    /// commits.
    fn commit(&mut self, head: &Head, frame: &[u8]) -> Sent;
    /// Ends the transaction, if there is one, and with it the lock.
    fn rollback(&mut self);
}

/// The table cannot be asked now.
#[derive(Debug)]
pub(in crate::store) struct Away;

/// What is known of a commit that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Sent {
    Committed,
    /// Definitely not there.
    Refused,
    /// No answer came: it may be there, or come to be.
    Unknown,
}

/// A store's place at the table.
pub(in crate::store) struct Turn {
    table: Box<dyn Table>,
    line: [u8; 16],
}

impl Turn {
    pub fn new(table: Box<dyn Table>, line: [u8; 16]) -> Self {
        Self { table, line }
    }

    /// Locks the head when nothing stands behind `tip` that was not followed.
    pub fn enter(&mut self, mut tip: Tip, follow: Follow) -> Result<()> {
        for _ in 0..TRIES {
            let head = self.table.lock().map_err(away)?;
            if head == tip {
                return Ok(());
            }
            let frames = match head.seq.checked_sub(tip.seq) {
                Some(behind) if behind as usize <= FOLLOW_LOCKED => self.fetch(tip, FOLLOW_LOCKED),
                Some(_) => Ok(Vec::new()),
                None => Err(other_history()),
            };
            let frames = frames.inspect_err(|_| self.table.rollback())?;
            if frames.is_empty() {
                self.table.rollback();
                self.catch_up(&mut tip, follow)?;
                continue;
            }
            for frame in frames {
                tip = tip_of(&frame);
                follow(frame).inspect_err(|_| self.table.rollback())?;
            }
            if head == tip {
                return Ok(());
            }
            // The lock was lost meanwhile.
            self.table.rollback();
        }
        Err(Error::ReadOnly("others write more than this store can follow".to_owned()))
    }

    pub fn leave(&mut self) {
        self.table.rollback();
    }

    /// Commits `frame`. Nothing else is, until it is known what became of it.
    pub fn append(&mut self, head: &Head, frame: &[u8]) -> io::Result<bool> {
        for _ in 0..TRIES {
            match self.table.commit(head, frame) {
                Sent::Committed => return Ok(true),
                Sent::Refused => return Ok(false),
                Sent::Unknown => {}
            }
            if let Some(stands) = self.decide(head)? {
                self.table.rollback();
                return Ok(stands);
            }
            // The slot is empty and the head is ours: the same group again.
        }
        Err(io::Error::other("the journal never says what became of a group"))
    }

    /// Asks whether the group stands in its slot, until there is an answer: a second try before
    /// that could be told "refused" by what the first one did. `None`: nothing does, and the lock
    /// is ours.
    fn decide(&mut self, head: &Head) -> io::Result<Option<bool>> {
        let before = Tip { seq: head.seq - 1, gid: head.prev };
        for _ in 0..TRIES {
            // Behind the lock no transaction of ours is under way any more.
            let Ok(now) = self.table.lock() else { continue };
            let Ok(rows) = self.table.rows(head.seq, 1) else {
                self.table.rollback();
                continue;
            };
            let why = match rows.first().map(|row| self.read(row)) {
                Some(Ok(frame)) if frame.head.seq == head.seq => {
                    return Ok(Some(frame.head.gid == head.gid));
                }
                Some(Ok(_)) => "the journal was trimmed beyond a group that nobody knows of",
                Some(Err(_)) => "a group of the journal is damaged",
                None if now == before => return Ok(None),
                None => "the journal lost its end meanwhile",
            };
            self.table.rollback();
            return Err(io::Error::other(why));
        }
        Err(io::Error::other("nobody can be asked what became of a group"))
    }

    /// Follows what there is by now, without keeping anybody waiting.
    pub fn catch_up(&mut self, tip: &mut Tip, follow: Follow) -> Result<()> {
        loop {
            let frames = self.fetch(*tip, FETCH)?;
            let is_all = frames.len() < FETCH;
            for frame in frames {
                *tip = tip_of(&frame);
                follow(frame)?;
            }
            if is_all {
                return Ok(());
            }
        }
    }

    /// Up to `limit` groups behind `tip`, after its own row was found unchanged.
    fn fetch(&mut self, tip: Tip, limit: usize) -> Result<Vec<Frame>> {
        let rows = self.table.rows(tip.seq.max(1), limit + 1).map_err(away)?;
        let mut frames = Vec::with_capacity(rows.len());
        let mut last = (tip.seq == 0).then_some(tip);
        for row in &rows {
            let frame = self.read(row)?;
            match last {
                None if tip_of(&frame) != tip => return Err(other_history()),
                None => {}
                Some(last) if frame.head.seq != last.seq + 1 || frame.head.prev != last.gid => {
                    return Err(other_history());
                }
                Some(_) => frames.push(frame.clone()),
            }
            last = Some(tip_of(&frame));
        }
        if last.is_none() { Err(other_history()) } else { Ok(frames) }
    }

    fn read(&self, row: &Bytes) -> Result<Frame> {
        match frame::find(row, &self.line) {
            Found::Frame(found) if found.len() == row.len() => {
                frame::decode(row).map_err(Error::Broken)
            }
            _ => Err(Error::Broken("a group of the journal is damaged".to_owned())),
        }
    }
}

fn tip_of(frame: &Frame) -> Tip {
    Tip { seq: frame.head.seq, gid: frame.head.gid }
}

fn away(_: Away) -> Error {
    Error::ReadOnly("the journal cannot be reached".to_owned())
}

/// Trimmed, rewound or replaced: what this store has cannot be continued.
fn other_history() -> Error {
    Error::Broken("the journal does not continue what this store has".to_owned())
}
