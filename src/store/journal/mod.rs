//! The journal: every commit in one order, on disk before it is acknowledged.

mod files;
pub(super) mod frame;
mod reader;
mod segment;
#[cfg(test)]
pub(super) mod table;

use std::io;

pub(super) use files::{Damage, End, Files, is_any, last, scan};
pub(super) use reader::Reader;

use crate::store::Result;
use crate::store::journal::frame::{Frame, Gid, Head};

/// The door to the journal. One thread of a store stands at it: the leader of its commits.
pub(super) enum Journal {
    /// Files that this store alone appends to.
    Files(Files),
    /// A table that several stores append to, each in its turn.
    #[cfg(test)]
    Table(table::Turn),
}

/// The end of what a store has of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tip {
    pub seq: u64,
    pub gid: Gid,
}

/// Takes over a group that another store appended.
type Follow<'a> = &'a mut dyn FnMut(Frame) -> Result<()>;

impl Journal {
    /// Waits for the turn to append behind `tip`. What others appended since is followed first.
    #[cfg_attr(not(test), expect(unused_variables, reason = "files have no other writers"))]
    pub fn enter(&mut self, tip: Tip, follow: Follow) -> Result<()> {
        match self {
            Self::Files(_) => Ok(()),
            #[cfg(test)]
            Self::Table(turn) => turn.enter(tip, follow),
        }
    }

    /// Gives the turn back: there is nothing to append.
    pub fn leave(&mut self) {
        match self {
            Self::Files(_) => {}
            #[cfg(test)]
            Self::Table(turn) => turn.leave(),
        }
    }

    /// Makes room for a frame of `len` bytes. An error leaves the journal as it was: nothing was
    /// written and writing may be tried again.
    pub fn reserve(&mut self, len: usize) -> io::Result<()> {
        match self {
            Self::Files(files) => files.reserve(len),
            #[cfg(test)]
            Self::Table(_) => Ok(()),
        }
    }

    /// Sees to it that the next frame and those before can be trimmed apart.
    pub fn turn_over(&mut self) {
        match self {
            Self::Files(files) => files.turn_over(),
            #[cfg(test)]
            Self::Table(_) => {}
        }
    }

    /// Appends a frame that room was made for; returns when it is durable. False: another store
    /// was quicker, and nothing was written. An error must not be tried again: nobody knows what
    /// the journal has.
    pub fn append(&mut self, head: &Head, frame: &[u8]) -> io::Result<bool> {
        match self {
            Self::Files(files) => files.append(head, frame).map(|()| true),
            #[cfg(test)]
            Self::Table(turn) => turn.append(head, frame),
        }
    }

    /// A reader of what follows group `seq`; `None` if that is not there any more.
    pub fn reader(&self, line: [u8; 16], seq: u64) -> Option<Reader> {
        match self {
            Self::Files(files) => files.reader(line, seq),
            #[cfg(test)]
            Self::Table(_) => None,
        }
    }

    /// What the groups since `seq` take, counted in whole segments but for the last.
    pub fn bytes_since(&self, seq: u64) -> u64 {
        match self {
            Self::Files(files) => files.bytes_since(seq),
            #[cfg(test)]
            Self::Table(_) => 0,
        }
    }

    /// Removes what lies at or below `seq` and is of no more use: older than `before`, or beyond
    /// `bytes`.
    pub fn trim(&mut self, seq: u64, before: u64, bytes: u64) -> io::Result<usize> {
        match self {
            Self::Files(files) => files.trim(seq, before, bytes),
            #[cfg(test)]
            Self::Table(_) => Ok(0),
        }
    }
}
