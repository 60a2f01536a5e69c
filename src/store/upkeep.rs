//! Keeps the journal short: a new base when it has grown, and then away with what no one needs.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::store::Error;
use crate::store::Order;
use crate::store::Range;
use crate::store::base::{self, Base};
use crate::store::directory::sync_directory;
use crate::store::home::Store;
use crate::store::keys;
use crate::store::layers;
use crate::store::pages::Pages;
use crate::store::proof::Look;
use crate::store::shared::Shared;
use crate::store::snapshot::View;
use crate::store::state::Applied;

/// How long a base is worked at before it rests as long: where cores are few, commits wait for one.
/// Only while it is in time: under load that does not end, the journal would grow without end.
const STRETCH: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(10);
/// A base is late when the journal has grown since it began by this part of what makes one due.
const PATIENCE_SHARE: u64 = 4;
/// How many times as large was what a base packs, about.
const UNPACKED: u64 = 4;
/// Entries of a base that are read at a time, in about that time.
const BASE_PAGE: usize = 250;

/// A server that has just started has cold caches and its first callers: whether its base is whole
/// is looked at later.
const LOOK_AFTER: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 60 });

/// Before a base is tried again that the store cannot be without.
const REST: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 20 });

impl Store {
    /// Makes a base now, reads it back, and drops the journal below it that is past retention.
    pub fn make_base(&self) -> io::Result<()> {
        self.shared.make_base().map(drop)
    }
}

impl Shared {
    /// Starts making a base beside traffic if one is due. Called now and then.
    pub fn start_base_if_due(self: &Arc<Self>) {
        let mut running = self.base_thread.lock();
        let is_running = running.as_ref().is_some_and(|thread| !thread.is_finished());
        let is_wanted = self.is_look_due() || self.is_base_due();
        // Whoever closes the store joins the thread that is there when it has said so.
        let is_closing = self.stop.load(SeqCst);
        if is_running || is_closing || !is_wanted || !self.options.makes_bases {
            return;
        }
        let shared = self.clone();
        let make = move || {
            let is_doubted = shared.is_base_doubted.swap(false, SeqCst);
            if is_doubted {
                // While the state has everything still.
                let look = shared.look();
                match look {
                    _ if shared.stop.load(SeqCst) => return,
                    Look::Whole => return,
                    // One is due, and is read back itself.
                    Look::Ended => {}
                    Look::Lacking(why) => tracing::warn!(
                        "a new base of the store is made, there is none to rely on: {why}"
                    ),
                }
            }
            if let Err(error) = shared.make_base()
                && !shared.stop.load(SeqCst)
            {
                tracing::error!("a base of the store cannot be made: {error}");
                // Not again at once: twice as much journal first, or a while.
                shared.base_patience.fetch_add(shared.options.base_bytes, SeqCst);
                if is_doubted {
                    shared.rest_from_base();
                    shared.is_base_doubted.store(true, SeqCst);
                }
            }
        };
        let thread = std::thread::Builder::new().name("base".to_owned()).spawn(make);
        // Without a thread there is no base now; the journal keeps everything until there is.
        *running = thread.ok();
    }

    /// Lets some time pass before a base is tried again.
    fn rest_from_base(&self) {
        let until = Instant::now() + REST;
        while !self.stop.load(SeqCst) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a base that is being made. It gives up by itself once the store stops.
    pub fn join_base(&self) {
        if let Some(thread) = self.base_thread.lock().take() {
            // Whatever it panicked over, the journal has everything.
            let _ = thread.join();
        }
    }

    /// Whether it is time to look if the base is whole. One that is lost is missed at once.
    fn is_look_due(&self) -> bool {
        self.is_base_doubted.load(SeqCst)
            && (self.opened.elapsed() >= LOOK_AFTER || self.base.lock().is_none())
    }

    pub fn is_base_due(&self) -> bool {
        let last = self.base.lock().as_ref().map(|base| (base.start.seq, base.bytes));
        let (seq, packed) = last.unwrap_or_default();
        let least = self.base_patience.load(SeqCst);
        self.has_grown(seq, enough_journal(packed, self.options.retention_bytes).max(least))
    }

    /// Whether the journal has grown by more than `bytes` since `seq`, if that can be told at once.
    fn has_grown(&self, seq: u64, bytes: u64) -> bool {
        let core = self.core.try_lock();
        let journal = core.as_ref().and_then(|core| core.journal.as_ref());
        journal.is_some_and(|journal| journal.bytes_since(seq) > bytes)
    }

    pub fn make_base(self: &Arc<Self>) -> io::Result<Option<Base>> {
        let _making = self.base_making.lock();
        let Some(base) = self.new_base()? else { return Ok(None) };
        let before = (self.clock)().saturating_sub(self.options.retention_us);
        self.trim(&base, before, self.options.retention_bytes)?;
        Ok(Some(base))
    }

    /// Makes a base and removes all that there was before it, however long it was to be kept.
    pub fn make_only_base(self: &Arc<Self>) -> io::Result<()> {
        // One that is being made now began earlier: it must not come out as the newest.
        let _making = self.base_making.lock();
        let (Some(directory), Some(base)) = (&self.directory, self.new_base()?) else {
            return Ok(());
        };
        base::remove_others(&directory.bases(), &base)?;
        sync_directory(&directory.bases())?;
        self.trim(&base, u64::MAX, 0)
    }

    /// For whoever holds `base_making`.
    fn new_base(self: &Arc<Self>) -> io::Result<Option<Base>> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let start = {
            let core = self.core.lock();
            Applied { seq: core.seq, gid: core.gid, stamp: self.stamp.load(SeqCst) }
        };
        directory.check_place()?;
        let mut pages = Pages::new();
        let mut begun = Instant::now();
        let is_late = Cell::new(false);
        let pause = || {
            let worked = begun.elapsed();
            if worked >= STRETCH {
                self.go_on()?;
                directory.check_place()?;
                let patience = self.base_patience.load(SeqCst) / PATIENCE_SHARE;
                is_late.set(is_late.get() || self.has_grown(start.seq, patience));
                if !is_late.get() {
                    std::thread::sleep(worked.min(PAUSE_MAX));
                }
                begun = Instant::now();
            }
            Ok(())
        };
        let made = base::write(&directory.bases(), &directory.line(), &start, pause, |last| {
            if !self.has_room_for_base() {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            let most = if is_late.get() { usize::MAX } else { BASE_PAGE };
            let page = self.page(last, pages.limit.min(most))?;
            pages.saw(&page);
            Ok(page)
        })?;
        directory.check_place()?;
        *self.base.lock() = Some(made.clone());
        // Damaged ones as well.
        base::remove_others(&directory.bases(), &made)?;
        Ok(Some(made))
    }

    fn trim(&self, base: &Base, before: u64, bytes: u64) -> io::Result<()> {
        let mut core = self.core.lock();
        let Some(journal) = &mut core.journal else { return Ok(()) };
        journal.trim(base.start.seq, before, bytes).map(drop)
    }

    /// Nobody waits for upkeep while the store closes.
    fn go_on(&self) -> io::Result<()> {
        match self.stop.load(SeqCst) {
            true => Err(io::Error::other("the store is closing")),
            false => Ok(()),
        }
    }

    /// Up to `limit` primary entries behind `last`, as of now.
    pub fn page(
        self: &Arc<Self>,
        last: Option<&Bytes>,
        limit: usize,
    ) -> io::Result<Vec<(Bytes, Bytes)>> {
        let from = last.map_or_else(Vec::new, |last| layers::after(last));
        let range = Range { from, until: keys::FIRST_DERIVED.to_vec() };
        loop {
            self.go_on()?;
            match View::pinned(self).scan(&range, Order::Forward, limit) {
                Err(Error::TooOld) => {}
                found => return found.map_err(|error| io::Error::other(error.to_string())),
            }
        }
    }
}

/// Bytes of journal above a base of `packed` bytes that make another worth its while. Making one
/// costs as much as reading all that is packed in it: within what history takes of the disk anyway,
/// the journal may come to as much first.
fn enough_journal(packed: u64, history: u64) -> u64 {
    packed.max((packed * UNPACKED).min(history / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_as_rare_as_history_allows() {
        const MIB: u64 = 1 << 20;
        for (packed, history, enough) in
            [(0, 1024, 0), (48, 1024, 192), (200, 1024, 512), (600, 1024, 600), (48, 0, 48)]
        {
            assert_eq!(enough_journal(packed * MIB, history * MIB), enough * MIB, "{packed}");
        }
    }
}
