//! What the stores of a simulated world do beside transactions: follow, begin anew, make bases.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::store::contract::options;
use crate::store::journal::Tip;
use crate::store::journal::table::Turn;
use crate::store::load;
use crate::store::shared::Shared;
use crate::store::simulation::asks::Answer;
use crate::store::simulation::connection::Connection;
use crate::store::simulation::shelf::Base;
use crate::store::simulation::world::World;
use crate::store::state::Applied;
use crate::store::*;

const LINE: [u8; 16] = [7; 16];
/// Little: the window is full every now and then.
const WINDOW_BYTES: usize = 6 << 10;

/// A base on its way.
pub struct Making {
    shared: Arc<Shared>,
    start: Applied,
    entries: Answer,
}

impl World {
    /// Follows what others appended; false if that is not possible now.
    pub(super) fn freshen(self: &Arc<Self>, node: usize) -> bool {
        let store = self.store(node);
        // A thread would wait for the commit that is under way; here it is under us.
        if store.shared.core.is_locked() {
            return false;
        }
        self.stale.lock()[node] = false;
        self.following.lock()[node] = true;
        let followed = store.shared.catch_up();
        self.following.lock()[node] = false;
        match followed {
            Ok(()) => true,
            Err(Error::Broken(_)) => {
                self.count(|counts| counts.left_behind += 1);
                self.bootstrap(node);
                false
            }
            Err(_) => false,
        }
    }

    pub(super) fn restart(self: &Arc<Self>, node: usize) {
        if !self.store(node).shared.core.is_locked() {
            self.bootstrap(node);
        }
    }

    /// Opens the store of `node` anew, from the newest base that still counts.
    pub(super) fn bootstrap(self: &Arc<Self>, node: usize) {
        self.count(|counts| counts.bootstraps += 1);
        let (base, rows) = {
            let shelf = self.shelf.lock();
            let base = shelf.bases.iter().rev().find(|base| shelf.has(base.until)).cloned();
            let from = base.as_ref().map_or(1, |base| base.start.seq + 1);
            (base, shelf.rows.range(from..).map(|(_, row)| row.clone()).collect::<Vec<_>>())
        };
        let connection = Connection { world: self.clone(), node, session: None };
        let turn = Turn::new(Box::new(connection), LINE);
        let ticks = self.clone();
        let options = Options {
            clock: Arc::new(move || ticks.ticks.fetch_add(1, SeqCst)),
            window_bytes: WINDOW_BYTES,
            ..options(Home::Memory)
        };
        let (start, entries) = base.map(|base| (base.start, base.entries)).unwrap_or_default();
        match load::table(&options, turn, LINE, start, entries, &rows) {
            Ok(shared) => self.nodes.lock()[node] = Some(Arc::new(Store::around(shared))),
            Err(trouble) => self.check(false, || format!("store {node} cannot begin: {trouble:?}")),
        }
    }

    /// One more page of the base that is being made, or its end, or its beginning.
    pub(super) fn work_on_base(self: &Arc<Self>, node: usize) {
        let Some(mut making) = self.making.lock().take() else {
            let store = self.store(node);
            let stamp = store.shared.stamp.load(SeqCst);
            let tip = store.shared.core.try_lock().map(|core| (core.seq, core.gid));
            *self.making.lock() = tip.map(|(seq, gid)| {
                let start = Applied { seq, gid, stamp };
                Making { shared: store.shared.clone(), start, entries: Vec::new() }
            });
            return;
        };
        let last = making.entries.last().map(|(key, _)| key.clone());
        let Ok(page) = making.shared.page(last.as_ref(), 3) else { return };
        if !page.is_empty() {
            making.entries.extend(page);
            *self.making.lock() = Some(making);
            return;
        }
        let Some(core) = making.shared.core.try_lock() else { return };
        let until = Tip { seq: core.seq, gid: core.gid };
        let start = Tip { seq: making.start.seq, gid: making.start.gid };
        let mut shelf = self.shelf.lock();
        // One that has what was lost since, or begins before what is kept, is of no use to anybody.
        let newest = shelf.bases.last().map_or(0, |base| base.start.seq);
        if shelf.has(start) && shelf.has(until) && start.seq > newest {
            shelf.bases.push(Base { start: making.start, until, entries: making.entries });
            shelf.trim();
            self.count(|counts| counts.bases += 1);
        }
    }
}
