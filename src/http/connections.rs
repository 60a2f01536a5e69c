//! The connections that are open: what each is doing, since when, and who has had too long.
//!
//! No timer per request: a connection notes its phase in a few atomics, and one task looks at all
//! of them now and then. So a slow-loris is cut off, an idle connection is closed, a reader who
//! does not read is given up, and at shutdown all are told to finish.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::app::Limits;
use crate::http::listening::{self, Caller};
use crate::telemetry::metrics::{self, Mark};

/// Looks a limit gets before it is over: coarse enough to cost nothing, fine enough to be true.
const LOOKS_PER_LIMIT: u32 = 4;
/// Shortest and longest time between two looks.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// No socket.
pub(super) const NONE: RawFd = -1;

/// All open connections of a listener.
pub(super) struct Connections {
    open: Mutex<HashMap<u64, Arc<Watch>>>,
    next: AtomicU64,
    /// Looks so far: the coarse clock that the phases are timed by.
    looks: Arc<AtomicU32>,
    patience: Patience,
}

/// Limits, in looks.
#[derive(Debug, Clone, Copy)]
struct Patience {
    look_every: Duration,
    header: u32,
    keep_alive: u32,
    stall: u32,
}

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Watch {
    looks: Arc<AtomicU32>,
    /// When the present phase began.
    since: AtomicU32,
    /// Some of a request's header arrived, not all of it.
    in_header: AtomicBool,
    /// Requests being answered, streamed answers included.
    busy: AtomicU32,
    /// Streams of HTTP/2 overlap, so its connections are only timed by their last request.
    is_http2: AtomicBool,
    /// The last request had a body that nobody read to its end: the caller may still be sending.
    has_left_body: AtomicBool,
    /// When a write began to wait for the reader; 0: none waits.
    blocked_since: AtomicU32,
    /// The caller will say no more: when it said so or was last written to; 0: it may.
    heard_out_since: AtomicU32,
    order: AtomicU8,
    waker: AtomicWaker,
    /// Where the caller comes in, for as long as that is open.
    socket: AtomicI32,
}

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Order {
    GoOn,
    /// Answer what is under way, then close.
    Finish,
    /// Close at once.
    Cut,
}

/// An open connection's place in the list; leaves it when dropped.
pub(super) struct Seat {
    connections: Arc<Connections>,
    number: u64,
    pub watch: Arc<Watch>,
    _mark: Mark,
}

/// A request under way on a connection, until dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Watch>);

impl Connections {
    pub fn new(limits: &Limits) -> Arc<Self> {
        let shortest = limits.header_time.min(limits.keep_alive).min(limits.stall_time);
        let look_every = (shortest / LOOKS_PER_LIMIT).clamp(LOOK_EVERY.0, LOOK_EVERY.1);
        let looks = |time: Duration| {
            u32::try_from(time.as_nanos() / look_every.as_nanos()).unwrap_or(u32::MAX).max(1)
        };
        let patience = Patience {
            look_every,
            header: looks(limits.header_time),
            keep_alive: looks(limits.keep_alive),
            stall: looks(limits.stall_time),
        };
        Arc::new(Self {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            looks: Arc::new(AtomicU32::new(1)),
            patience,
        })
    }

    /// Adds a connection that was just accepted: its first header is awaited.
    pub fn sit(self: &Arc<Self>) -> Seat {
        let watch = Arc::new(Watch {
            looks: self.looks.clone(),
            since: AtomicU32::new(self.looks.load(Ordering::Relaxed)),
            in_header: AtomicBool::new(true),
            busy: AtomicU32::new(0),
            is_http2: AtomicBool::new(false),
            has_left_body: AtomicBool::new(false),
            blocked_since: AtomicU32::new(0),
            heard_out_since: AtomicU32::new(0),
            order: AtomicU8::new(Order::GoOn as u8),
            waker: AtomicWaker::new(),
            socket: AtomicI32::new(NONE),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(number, watch.clone());
        Seat { connections: self.clone(), number, watch, _mark: metrics::CONNECTIONS.mark() }
    }

    /// Looks at all connections, for ever.
    pub async fn look_after(&self) {
        let mut pause = tokio::time::interval(self.patience.look_every);
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pause.tick().await;
            self.look();
        }
    }

    /// Tells every connection to finish what is under way.
    pub fn finish(&self) {
        self.open.lock().values().for_each(|watch| watch.tell(Order::Finish));
    }

    /// Closes every connection, whatever it is doing.
    pub fn cut(&self) {
        self.open.lock().values().for_each(|watch| watch.tell(Order::Cut));
    }

    pub fn len(&self) -> usize {
        self.open.lock().len()
    }

    fn look(&self) {
        let now = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
        let open = self.open.lock();
        for watch in open.values() {
            if watch.has_had_too_long(now, &self.patience) {
                metrics::CUT_OFF.add(1);
                watch.tell(Order::Cut);
            }
        }
        let waiting = open.values().filter_map(|watch| Some((watch, watch.waits(now)?)));
        let (waiting, sockets): (Vec<_>, Vec<_>) = waiting.unzip();
        for (watch, caller) in waiting.into_iter().zip(listening::look(&sockets)) {
            match caller {
                Caller::Listens => {}
                Caller::HasSaidAll => watch.is_heard_out(),
                Caller::IsGone => watch.tell(Order::Cut),
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.open.lock().remove(&self.number);
    }
}

impl Watch {
    /// A request's header is complete.
    pub fn begin(self: &Arc<Self>, is_http2: bool) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.in_header.store(false, Ordering::Relaxed);
        self.is_http2.store(is_http2, Ordering::Relaxed);
        self.has_left_body.store(false, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// What the connection is told to do; `context` is woken when that changes.
    pub fn order(&self, context: &Context<'_>) -> Order {
        self.waker.register(context.waker());
        match self.order.load(Ordering::Acquire) {
            0 => Order::GoOn,
            1 => Order::Finish,
            _ => Order::Cut,
        }
    }

    /// Whether a request is being answered.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    /// Nobody will read the rest of the body.
    pub fn leave_body(&self) {
        self.has_left_body.store(true, Ordering::Relaxed);
    }

    /// Whether the caller should be heard out before the connection closes. Not when all are told
    /// to finish: then it closes for that, and an idle caller would hold it open.
    pub fn should_linger(&self) -> bool {
        // Streams of HTTP/2 end one by one.
        self.has_left_body.load(Ordering::Relaxed)
            && !self.is_http2.load(Ordering::Relaxed)
            && self.order.load(Ordering::Acquire) == Order::GoOn as u8
    }

    fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    fn now(&self) -> u32 {
        self.looks.load(Ordering::Relaxed)
    }

    fn has_had_too_long(&self, now: u32, patience: &Patience) -> bool {
        // Of a caller who will say no more nobody knows whether it still listens, until it is
        // written to: a stream that says nothing would be kept for somebody who is long gone.
        let is_last = self.order.load(Ordering::Relaxed) == Order::Finish as u8;
        let heard_out = if is_last { 1 } else { patience.stall };
        for (since, allowed) in
            [(&self.blocked_since, patience.stall), (&self.heard_out_since, heard_out)]
        {
            let since = since.load(Ordering::Relaxed);
            if since != 0 && now.wrapping_sub(since) > allowed {
                return true;
            }
        }
        if self.is_busy() {
            return false;
        }
        let allowed = match self.in_header.load(Ordering::Relaxed) {
            true => patience.header,
            false => patience.keep_alive,
        };
        now.wrapping_sub(self.since.load(Ordering::Relaxed)) > allowed
    }

    /// Bytes arrived: between requests that is the beginning of a header.
    pub fn arrived(&self) {
        if !self.is_busy()
            && !self.is_http2.load(Ordering::Relaxed)
            && !self.in_header.swap(true, Ordering::Relaxed)
        {
            self.since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// By which socket the caller comes.
    pub fn comes_by(&self, socket: RawFd) {
        self.socket.store(socket, Ordering::Relaxed);
    }

    /// The socket of a caller who has been waiting for its answer for a while. Of HTTP/2 all is read
    /// as it comes.
    fn waits(&self, now: u32) -> Option<RawFd> {
        let is_long = now.wrapping_sub(self.since.load(Ordering::Relaxed)) > 1;
        let waits = is_long && self.is_busy() && !self.is_http2.load(Ordering::Relaxed);
        let socket = self.socket.load(Ordering::Relaxed);
        (waits && socket != NONE).then_some(socket)
    }

    /// The caller will say no more.
    fn is_heard_out(&self) {
        if self.heard_out_since.load(Ordering::Relaxed) == 0 {
            self.heard_out_since.store(self.now().max(1), Ordering::Relaxed);
        }
    }

    pub fn wrote(&self, is_blocked: bool) {
        if self.heard_out_since.load(Ordering::Relaxed) != 0 && !is_blocked {
            self.heard_out_since.store(self.now().max(1), Ordering::Relaxed);
        }
        let since = self.blocked_since.load(Ordering::Relaxed);
        match (is_blocked, since) {
            (true, 0) => self.blocked_since.store(self.now().max(1), Ordering::Relaxed),
            (false, 1..) => self.blocked_since.store(0, Ordering::Relaxed),
            _ => {}
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.since.store(self.0.now(), Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Arc<Connections> {
        Connections::new(&Limits {
            header_time: Duration::from_millis(40),
            keep_alive: Duration::from_millis(80),
            stall_time: Duration::from_millis(120),
            ..Limits::default()
        })
    }

    fn looks_until_cut(connections: &Connections, watch: &Watch) -> Option<u32> {
        (1..100).find(|_| {
            connections.look();
            watch.order.load(Ordering::Relaxed) == Order::Cut as u8
        })
    }

    #[test]
    fn unfinished_header_is_cut_off_in_its_time() {
        let connections = connections();
        let seat = connections.sit();
        assert_eq!(looks_until_cut(&connections, &seat.watch), Some(5));
    }

    #[test]
    fn idle_connection_has_the_longer_time_and_its_next_header_the_shorter() {
        let connections = connections();
        let seat = connections.sit();
        drop(seat.watch.begin(false));
        assert_eq!(looks_until_cut(&connections, &seat.watch), Some(9));
        let seat = connections.sit();
        drop(seat.watch.begin(false));
        connections.look();
        seat.watch.arrived();
        assert_eq!(looks_until_cut(&connections, &seat.watch), Some(5));
    }

    #[test]
    fn busy_connection_stays_unless_its_reader_does_not_read() {
        let connections = connections();
        let seat = connections.sit();
        let _busy = seat.watch.begin(false);
        assert_eq!(looks_until_cut(&connections, &seat.watch), None);
        seat.watch.wrote(true);
        seat.watch.wrote(false);
        assert_eq!(looks_until_cut(&connections, &seat.watch), None);
        seat.watch.wrote(true);
        assert_eq!(looks_until_cut(&connections, &seat.watch), Some(13));
    }

    #[test]
    fn caller_who_will_say_no_more_is_kept_while_something_is_written() {
        let connections = connections();
        let seat = connections.sit();
        let _busy = seat.watch.begin(false);
        seat.watch.is_heard_out();
        for _ in 0..20 {
            connections.look();
            seat.watch.wrote(false);
        }
        assert_eq!(looks_until_cut(&connections, &seat.watch), Some(13));
    }

    #[test]
    fn connection_leaves_the_list_when_it_ends() {
        let connections = connections();
        let seat = connections.sit();
        assert_eq!(connections.len(), 1);
        drop(seat);
        assert_eq!(connections.len(), 0);
    }
}
