//! A trip: what is known of the request under way, wherever in the house its work is done.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::telemetry::series::RouteSeries;

/// Longest request id that we take over from a caller.
const ID_LIMIT: usize = 128;

/// One request's way through the house.
#[derive(Debug)]
pub struct Trip {
    id: Id,
    /// The 16 random bytes that name the trace, and the 8 that name our part in it.
    trace: Trace,
    /// Whose connection it came on.
    peer: IpAddr,
    /// Where it is counted, once its route is found.
    route: OnceLock<&'static RouteSeries>,
    /// What is awaited is the caller's body, not our work.
    awaits_body: AtomicBool,
}

#[derive(Debug)]
enum Id {
    /// A caller's own.
    Given(Box<str>),
    /// The trace's, in hexadecimal.
    Made([u8; 32]),
}

/// W3C trace context.
#[derive(Debug, Clone, Copy)]
struct Trace {
    id: u128,
    span: u64,
    sampled: bool,
}

tokio::task_local! {
    static TRIP: Arc<Trip>;
}

impl Trip {
    /// Starts a trip; takes over the caller's request id and trace where they are well-formed.
    pub fn start(peer: IpAddr, request_id: Option<&[u8]>, traceparent: Option<&[u8]>) -> Self {
        let span = random();
        let trace = match traceparent.and_then(parse_traceparent) {
            Some((id, sampled)) => Trace { id, span, sampled },
            None => {
                let id = (u128::from(random()) << 64) | u128::from(random());
                Trace { id, span, sampled: true }
            }
        };
        let id = match request_id.and_then(acceptable) {
            Some(given) => Id::Given(given.into()),
            None => {
                let mut digits = [0; 32];
                hex(trace.id, &mut digits);
                Id::Made(digits)
            }
        };
        Self { id, trace, peer, route: OnceLock::new(), awaits_body: AtomicBool::new(false) }
    }

    /// The request id: the caller's own, or one that we made.
    pub fn id(&self) -> &str {
        match &self.id {
            Id::Given(id) => id,
            Id::Made(digits) => std::str::from_utf8(digits).expect("hexadecimal is ASCII"),
        }
    }

    /// The address at the other end of the connection: the caller's, or that of a proxy.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The `traceparent` that goes out: the same trace, our span.
    pub fn traceparent(&self) -> [u8; 55] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex(self.trace.id, &mut out[3..35]);
        hex(u128::from(self.trace.span), &mut out[36..52]);
        out[54] = if self.trace.sampled { b'1' } else { b'0' };
        out
    }

    /// Says which route the request took.
    pub fn take_route(&self, route: &'static RouteSeries) {
        let _ = self.route.set(route);
    }

    /// Notes whether the body is awaited from now on.
    pub fn await_body(&self, awaited: bool) {
        self.awaits_body.store(awaited, Ordering::Relaxed);
    }

    pub fn awaits_body(&self) -> bool {
        self.awaits_body.load(Ordering::Relaxed)
    }

    pub fn route(&self) -> Option<&'static RouteSeries> {
        self.route.get().copied()
    }
}

/// Returns the trip that the current task is on.
pub fn current() -> Option<Arc<Trip>> {
    TRIP.try_with(Arc::clone).ok()
}

/// Calls `look` with the current trip, without keeping it.
pub fn with<T>(look: impl FnOnce(&Trip) -> T) -> Option<T> {
    TRIP.try_with(|trip| look(trip)).ok()
}

/// Runs `future` as part of `trip`.
pub async fn along<F: Future>(trip: Arc<Trip>, future: F) -> F::Output {
    TRIP.scope(trip, future).await
}

/// Runs `work` on this thread as part of `trip`.
pub fn within<T>(trip: Option<Arc<Trip>>, work: impl FnOnce() -> T) -> T {
    match trip {
        Some(trip) => TRIP.sync_scope(trip, work),
        None => work(),
    }
}

/// Ids go into logs and headers as they are: only marks that can do no harm there.
fn acceptable(id: &[u8]) -> Option<&str> {
    let fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    if id.is_empty() || id.len() > ID_LIMIT || !id.iter().all(fine) {
        return None;
    }
    std::str::from_utf8(id).ok()
}

fn parse_traceparent(header: &[u8]) -> Option<(u128, bool)> {
    let text = std::str::from_utf8(header).ok()?;
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lower = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let shaped = version.len() == 2 && trace.len() == 32 && span.len() == 16 && flags.len() == 2;
    if !shaped || version == "ff" || ![version, trace, span, flags].into_iter().all(lower) {
        return None;
    }
    // Later versions may add parts, version 00 has exactly these.
    if version == "00" && parts.next().is_some() {
        return None;
    }
    let id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((id, flags & 1 == 1))
}

fn hex(mut value: u128, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

/// Random enough for names: unguessable is not asked of a request id.
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }
    STATE.with(|state| {
        let mut seed = state.get();
        if seed == 0 {
            seed = getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15) | 1;
        }
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(seed);
        // SplitMix64: every output of a thread is another one.
        let mut mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(request_id: Option<&[u8]>, traceparent: Option<&[u8]>) -> Trip {
        Trip::start([127, 0, 0, 1].into(), request_id, traceparent)
    }

    const PARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn takes_over_a_harmless_request_id_and_no_other() {
        assert_eq!(start(Some(b"abc-1.2"), None).id(), "abc-1.2");
        for bad in [&b""[..], b"a b", b"a\"b", b"\xff", b"a\nb", &[b'a'; 129]] {
            assert_eq!(start(Some(bad), None).id().len(), 32);
        }
    }

    #[test]
    fn goes_on_with_the_callers_trace_under_a_span_of_its_own() {
        let trip = start(None, Some(PARENT));
        let out = trip.traceparent();
        assert_eq!(&out[..36], &PARENT[..36]);
        assert_ne!(&out[36..52], &PARENT[36..52]);
        assert_eq!(trip.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn ignores_a_malformed_trace() {
        for bad in [
            &b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"[..],
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(parse_traceparent(bad).is_none(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn random_names_differ() {
        assert_ne!(start(None, None).id(), start(None, None).id());
    }
}
