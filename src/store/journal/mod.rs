//! The journal: every commit in one order, on disk before it is acknowledged.

mod files;
pub(super) mod frame;
mod reader;
mod segment;

pub(super) use files::{Damage, End, Journal, scan};
pub(super) use reader::Reader;
