//! Reading at one position: the window above, the state below.

use std::sync::Arc;

use bytes::Bytes;

use crate::store::Error;
use crate::store::Memos;
use crate::store::Order;
use crate::store::Range;
use crate::store::Read;
use crate::store::Result;
use crate::store::layers;
use crate::store::shared::Shared;
use crate::store::stats;

/// All of the store as of one position, for as long as it lives.
pub struct Snapshot {
    view: View,
}

/// A reader at a position. A pinned one holds that position; the other, used inside the commit,
/// reads the newest, even what is not on the disk yet.
pub(super) struct View {
    pub shared: Arc<Shared>,
    at: u64,
    pinned: bool,
}

impl Snapshot {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { view: View::pinned(shared) }
    }

    /// The number of the latest group that this snapshot sees.
    pub fn seq(&self) -> u64 {
        crate::store::batch::position::seq(self.view.at)
    }
}

impl View {
    pub fn pinned(shared: &Arc<Shared>) -> Self {
        Self { at: shared.pin(), shared: shared.clone(), pinned: true }
    }

    pub fn newest(shared: &Arc<Shared>) -> Self {
        Self { at: u64::MAX, shared: shared.clone(), pinned: false }
    }

    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        stats::add(&self.shared.counters.gets, 1);
        self.look(key)
    }

    fn look(&self, key: &[u8]) -> Result<Option<Bytes>> {
        if let Some(version) = self.shared.window.get(key, self.at) {
            return Ok(version);
        }
        let found = self.shared.state.get(key);
        // After the look: what we needed may have left the window before it.
        self.is_alive()?;
        found
    }

    pub fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        stats::add(&self.shared.counters.scans, 1);
        let found = layers::scan(
            range,
            order,
            limit,
            |range, limit| self.shared.window.page(range, order, self.at, limit),
            |range, limit| self.shared.state.scan(range, order, limit),
        );
        self.is_alive()?;
        found
    }

    pub fn count(&self, counter: &[u8]) -> Result<u64> {
        Ok(self
            .look(counter)?
            .and_then(|bytes| bytes[..].try_into().ok())
            .map_or(0, u64::from_be_bytes))
    }

    fn is_alive(&self) -> Result<()> {
        if self.pinned && !self.shared.is_readable(self.at) {
            return Err(Error::TooOld);
        }
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if self.pinned {
            self.shared.unpin(self.at);
        }
    }
}

impl Read for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.view.get(key)
    }

    fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        self.view.scan(range, order, limit)
    }

    fn count(&self, counter: &[u8]) -> Result<u64> {
        self.view.count(counter)
    }

    fn memos(&self) -> &Memos {
        &self.view.shared.memos
    }
}
