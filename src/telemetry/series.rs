//! Requests counted: how many and how long, by method, route and status.
//!
//! Counting is two additions to atomics that the request's route already holds: no lock, no
//! look-up by name. The scrape reads the same atomics.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use parking_lot::Mutex;

/// Upper bounds of the histogram in microseconds, with their names. 0.2, 0.5 and 2 seconds are
/// thresholds that people alert on, so those counts are exact.
pub const BUCKETS: [(u64, &str); 13] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (200_000, "0.2"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_000_000, "2"),
    (10_000_000, "10"),
];

/// Methods that are told apart; a caller can't make others up.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER"];

/// Statuses that are told apart; any other counts under the first of its hundred.
const STATUSES: [u16; 28] = [
    200, 201, 202, 204, 206, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 408, 409, 412, 413,
    414, 416, 429, 431, 499, 500, 502, 503, 504,
];

/// What is counted of one method, route and status.
#[derive(Debug, Default)]
pub struct Series {
    /// How many took at most as long as each bound and longer than the one before; then the rest.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    sum_us: AtomicU64,
}

/// All series of a route.
#[derive(Debug)]
pub struct RouteSeries {
    route: &'static str,
    is_probe: bool,
    cells: [[OnceLock<Box<Series>>; STATUSES.len()]; METHODS.len()],
}

/// One series, as read.
#[derive(Debug)]
pub struct Reading {
    pub method: &'static str,
    pub route: &'static str,
    pub status: u16,
    /// Cumulative, a count for each of [`BUCKETS`].
    pub buckets: [u64; BUCKETS.len()],
    pub count: u64,
    pub sum_us: u64,
}

static ROUTES: Mutex<Vec<&'static RouteSeries>> = Mutex::new(Vec::new());

/// Returns where requests of `route` are counted. A route is put up once a process, so what is
/// leaked here is bounded by the list of routes.
pub fn of_route(route: &'static str) -> &'static RouteSeries {
    of(route, false)
}

/// The same for a route that is asked again and again, and leaves no line in the logs.
pub fn of_probe(route: &'static str) -> &'static RouteSeries {
    of(route, true)
}

fn of(route: &'static str, is_probe: bool) -> &'static RouteSeries {
    let mut routes = ROUTES.lock();
    if let Some(known) = routes.iter().find(|known| known.route == route) {
        return known;
    }
    let made = Box::leak(Box::new(RouteSeries { route, is_probe, cells: Default::default() }));
    routes.push(made);
    made
}

impl RouteSeries {
    /// The template of the route.
    pub fn route(&self) -> &'static str {
        self.route
    }

    pub fn is_probe(&self) -> bool {
        self.is_probe
    }

    pub fn count(&self, method: &Method, status: u16, elapsed_us: u64) {
        let cell = &self.cells[method_index(method)][status_index(status)];
        let series = cell.get_or_init(Box::default);
        let bucket = BUCKETS.partition_point(|(bound_us, _)| *bound_us < elapsed_us);
        series.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        series.sum_us.fetch_add(elapsed_us, Ordering::Relaxed);
    }
}

/// Reads every series that counted something.
pub fn read() -> Vec<Reading> {
    let routes = ROUTES.lock().clone();
    let mut readings = Vec::new();
    for route in routes {
        for (method, statuses) in METHODS.iter().zip(&route.cells) {
            for (status, cell) in STATUSES.iter().zip(statuses) {
                let Some(series) = cell.get() else { continue };
                let mut count = 0;
                let mut buckets = [0; BUCKETS.len()];
                for (sum, bucket) in buckets.iter_mut().zip(&series.buckets) {
                    count += bucket.load(Ordering::Relaxed);
                    *sum = count;
                }
                count += series.buckets[BUCKETS.len()].load(Ordering::Relaxed);
                readings.push(Reading {
                    method,
                    route: route.route,
                    status: *status,
                    buckets,
                    count,
                    sum_us: series.sum_us.load(Ordering::Relaxed),
                });
            }
        }
    }
    readings
}

/// The name under which a method is told: one of a few, whatever the caller made up.
pub fn method_name(method: &Method) -> &'static str {
    METHODS[method_index(method)]
}

fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        _ => 7,
    }
}

fn status_index(status: u16) -> usize {
    let hundred = status / 100 * 100;
    let known = |wanted: u16| STATUSES.binary_search(&wanted).ok();
    known(status).or_else(|| known(hundred)).or_else(|| known(500)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_exact() {
        let route = of_route("/series/thresholds");
        for elapsed_us in [200_000, 200_001, 500_000, 2_000_000, 99_000_000] {
            route.count(&Method::GET, 200, elapsed_us);
        }
        let reading = read().into_iter().find(|r| r.route == "/series/thresholds").unwrap();
        let upto = |name| {
            let at = BUCKETS.iter().position(|(_, bound)| *bound == name).unwrap();
            reading.buckets[at]
        };
        assert_eq!((upto("0.1"), upto("0.2"), upto("0.5"), upto("2")), (0, 1, 3, 4));
        assert_eq!((upto("10"), reading.count), (4, 5));
        assert_eq!(reading.sum_us, 101_900_001);
    }

    #[test]
    fn made_up_methods_and_statuses_make_no_series() {
        let brew = Method::from_bytes(b"BREW").unwrap();
        assert_eq!(method_name(&brew), "OTHER");
        for (status, told) in [(418, 400), (599, 500), (226, 200), (101, 500), (502, 502)] {
            assert_eq!(STATUSES[status_index(status)], told, "{status}");
        }
    }

    #[test]
    fn same_route_counts_in_the_same_place() {
        assert!(std::ptr::eq(of_route("/series/same"), of_route("/series/same")));
    }
}
