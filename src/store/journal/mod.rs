//! The journal: every commit in one order, on disk before it is acknowledged.

mod files;
pub(super) mod frame;
mod segment;

pub(super) use files::{Damage, End, Journal, scan};
