//! What one caller, one request and one connection may ask for. The numbers stand in the table of
//! settings; the reason for each stands here.

use std::time::Duration;

use crate::config;

/// A reader who takes nothing for this long has gone: twice the slowest resend of TCP.
const STALL_TIME: Duration = Duration::from_secs(60);

/// Limits of the front door. Everything has one.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once. Beyond, new ones wait in the kernel's queue. An idle one costs about
    /// 10 kB, so this many fit into the memory of a small pod.
    pub connections: usize,
    /// Time from a request's first byte to the end of its header: a slow-loris gets no longer.
    pub header_time: Duration,
    /// Time a connection may sit idle between requests: longer than the 60 s of common proxies,
    /// so that the proxy closes first and never races us.
    pub keep_alive: Duration,
    /// Time without progress while a body is read or an answer is written.
    pub stall_time: Duration,
    /// Bytes of all header lines together: what proxies allow, and no cookie jar needs more.
    pub header_bytes: usize,
    /// Bytes of path and query: a filter of 3,500 characters fits, each escaped to three bytes.
    pub url_bytes: usize,
    /// Bytes of a body, where the endpoint does not say otherwise.
    pub body_bytes: usize,
    /// Time from header to answer: what Gunicorn and most gateways give.
    pub request_time: Duration,
    /// Row visits of queries and access rules; superusers have no bounds. Enough for every page
    /// that an index or a scan of a middling collection answers, too little to keep a core busy.
    pub row_visits: u64,
    /// Time between "not ready" and "no longer accepting": load balancers notice by then.
    pub shutdown_delay: Duration,
    /// Time that requests under way get at shutdown: within Kubernetes' 30 s grace.
    pub drain_time: Duration,
}

impl Limits {
    /// The limits that the settings say. What has no setting is decided here.
    pub fn of(settings: &config::Limits) -> Self {
        Self {
            connections: settings.connections,
            header_time: settings.header_time,
            keep_alive: settings.keep_alive,
            stall_time: STALL_TIME,
            header_bytes: settings.header_bytes,
            url_bytes: settings.url_bytes,
            body_bytes: settings.body_bytes,
            request_time: settings.request_time,
            row_visits: settings.row_visits,
            shutdown_delay: settings.shutdown_delay,
            drain_time: settings.shutdown_deadline,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(&config::Limits::default())
    }
}
