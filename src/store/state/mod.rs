//! The state: what the journal adds up to, as of the position it was applied to.

mod claimed;
mod fences;
mod memory;
mod room;
mod segments;
mod sheet;
mod sheets;
mod sled;
mod values;

use bytes::Bytes;

use crate::store::Order;
use crate::store::Range;
use crate::store::Result;
use crate::store::batch::Writes;

pub(super) use memory::Memory;
pub(super) use sled::{Applied, Refused, Sled};

/// Where applied groups live.
pub(super) enum State {
    Memory(Memory),
    Sled(Sled),
}

impl State {
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self {
            Self::Memory(state) => Ok(state.get(key)),
            Self::Sled(state) => state.get(key),
        }
    }

    pub fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        match self {
            Self::Memory(state) => Ok(state.scan(range, order, limit)),
            Self::Sled(state) => state.scan(range, order, limit),
        }
    }

    /// Takes over `writes`, derived keys first: replay finds the entries of an old value by the
    /// value, so a value must not be replaced before its entries are.
    pub fn apply(&self, writes: &Writes, position: u64) -> Result<()> {
        match self {
            Self::Memory(state) => {
                state.apply(writes);
                Ok(())
            }
            Self::Sled(state) => state.apply(writes, position),
        }
    }
}
