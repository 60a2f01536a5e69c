//! The way to the table: slow, and broken off at the worst moments.

use std::sync::Arc;

use bytes::Bytes;

use crate::store::journal::Tip;
use crate::store::journal::frame::Head;
use crate::store::journal::table::{Away, Sent, Table};
use crate::store::simulation::world::World;

pub struct Connection {
    pub world: Arc<World>,
    pub node: usize,
    /// Of the transaction that was begun. The server may have ended it long since.
    pub session: Option<u64>,
}

impl Table for Connection {
    fn lock(&mut self) -> Result<Tip, Away> {
        self.world.pause();
        let patient = self.world.one_in(2);
        let commits = self.world.one_in(2);
        let away = self.world.fails(20);
        let mut shelf = self.world.shelf.lock();
        shelf.settle(commits);
        // Whoever holds the head is waited for in vain, or was paused for so long that the server
        // took it from him.
        if away || (shelf.lock.is_some() && !patient && !self.world.is_calm()) {
            return Err(Away);
        }
        if shelf.lock.is_some() {
            self.world.count(|counts| counts.stolen_locks += 1);
        }
        shelf.sessions += 1;
        self.session = Some(shelf.sessions);
        shelf.lock = self.session;
        Ok(shelf.tip())
    }

    fn rows(&mut self, from: u64, limit: usize) -> Result<Vec<Bytes>, Away> {
        let (away, is_stale) = (self.world.fails(20), self.world.fails(8));
        let mut rows: Vec<Bytes> = {
            let shelf = self.world.shelf.lock();
            if away || (self.session.is_some() && shelf.lock != self.session) {
                return Err(Away);
            }
            shelf.rows.range(from..).take(limit).map(|(_, row)| row.clone()).collect()
        };
        // Outside of a transaction, a server that lags behind may answer.
        if is_stale && self.session.is_none() && rows.len() > 1 {
            rows.truncate(1 + self.world.below(rows.len() as u64 - 1) as usize);
            self.world.told_stale(self.node);
        }
        // The answer takes its time.
        self.world.pause();
        Ok(rows)
    }

    fn commit(&mut self, head: &Head, frame: &[u8]) -> Sent {
        self.world.pause();
        let fate = if self.world.fails(6) { self.world.below(4) } else { 4 };
        let coin = self.world.one_in(2);
        let mut shelf = self.world.shelf.lock();
        let session = self.session.take();
        if session.is_none() || shelf.lock != session {
            return if coin { Sent::Refused } else { Sent::Unknown };
        }
        if fate == 0 {
            // The server finds out later that nobody is there any more.
            shelf.ghost = Some((head.clone(), Bytes::copy_from_slice(frame)));
            self.world.count(|counts| counts.ghosts += 1);
            return Sent::Unknown;
        }
        shelf.lock = None;
        match fate {
            // Never arrived.
            1 => return Sent::Unknown,
            2 => return Sent::Refused,
            _ => {}
        }
        let stands = shelf.insert(head, &Bytes::copy_from_slice(frame));
        drop(shelf);
        if fate == 3 {
            self.world.count(|counts| counts.lost_answers += 1);
            return Sent::Unknown;
        }
        self.world.pause();
        if stands { Sent::Committed } else { Sent::Refused }
    }

    fn rollback(&mut self) {
        let session = self.session.take();
        let mut shelf = self.world.shelf.lock();
        if session.is_some() && shelf.lock == session {
            shelf.lock = None;
        }
    }
}
