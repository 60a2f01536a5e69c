//! Where the app is in its life, and whoever waits for it to go on.

use std::sync::atomic::{AtomicU8, Ordering};

/// The phases, in order; there is no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// The store is being opened.
    Starting,
    Serving,
    /// Asked to stop: answers still, but no longer ready.
    Draining,
}

/// The phase that an app is in.
#[derive(Debug, Default)]
pub struct Phases(AtomicU8);

impl Phases {
    pub fn now(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }

    /// Goes on to `phase`; never back.
    pub fn enter(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::AcqRel);
    }
}
