//! Metrics: what is counted, one line here and one where it counts.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::telemetry::process;
use crate::telemetry::series::{self, BUCKETS};

/// Requests that are being answered now.
pub static IN_FLIGHT: Gauge =
    Gauge::new("http_requests_in_flight", "Requests that are being answered now.");
/// Connections that are open now.
pub static CONNECTIONS: Gauge =
    Gauge::new("holdall_connections_open", "Connections that are open now.");
pub static PANICS: Counter =
    Counter::new("holdall_panics_total", "Requests whose handler panicked.");
pub static TIMED_OUT: Counter =
    Counter::new("holdall_requests_timed_out_total", "Requests that took longer than they may.");
pub static CUT_OFF: Counter = Counter::new(
    "holdall_connections_cut_total",
    "Connections closed because they were idle, too slow or stalled.",
);

const COUNTERS: [&Counter; 3] = [&PANICS, &TIMED_OUT, &CUT_OFF];
const GAUGES: [&Gauge; 2] = [&IN_FLIGHT, &CONNECTIONS];

/// A number that only grows.
pub struct Counter {
    name: &'static str,
    help: &'static str,
    value: AtomicU64,
}

/// A number that goes up and down.
pub struct Gauge {
    name: &'static str,
    help: &'static str,
    value: AtomicI64,
}

impl Counter {
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, value: AtomicU64::new(0) }
    }

    pub fn add(&self, amount: u64) {
        self.value.fetch_add(amount, Ordering::Relaxed);
    }
}

impl Gauge {
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, value: AtomicI64::new(0) }
    }

    /// Raises the gauge until the returned mark is dropped.
    pub fn mark(&'static self) -> Mark {
        self.value.fetch_add(1, Ordering::Relaxed);
        Mark(self)
    }

    pub fn value(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// Lowers its gauge when dropped.
#[must_use]
pub struct Mark(&'static Gauge);

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.value.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The Prometheus text format, written family by family.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// Adds a sample. Values of labels are escaped.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            self.0.push(if at == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            for letter in value.chars() {
                match letter {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.0.push_str(&format!(" {value}\n"));
    }

    /// Adds a family of one sample.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

/// Writes all that this process counts; what an app counts comes from elsewhere.
pub fn write(page: &mut Page) {
    requests(page);
    for counter in COUNTERS {
        page.single(counter.name, "counter", counter.help, counter.value.load(Ordering::Relaxed));
    }
    for gauge in GAUGES {
        page.single(gauge.name, "gauge", gauge.help, gauge.value());
    }
    page.family("holdall_build_info", "gauge", "What this program was built from; always 1.");
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("commit", env!("HOLDALL_COMMIT"))];
    page.sample("holdall_build_info", &labels, 1);
    process::write(page);
}

fn requests(page: &mut Page) {
    let readings = series::read();
    let total = "http_requests_total";
    page.family(total, "counter", "Requests answered.");
    for reading in &readings {
        let status = reading.status.to_string();
        let labels = [("method", reading.method), ("route", reading.route), ("status", &status)];
        page.sample(total, &labels, reading.count);
    }
    let name = "http_request_duration_seconds";
    page.family(name, "histogram", "Time from a request's header to its answer's.");
    for reading in &readings {
        let status = reading.status.to_string();
        let (method, route) = (("method", reading.method), ("route", reading.route));
        let labels = [method, route, ("status", &status)];
        for ((_, bound), count) in BUCKETS.iter().zip(reading.buckets) {
            let labels = [method, route, ("status", &status), ("le", bound)];
            page.sample(&format!("{name}_bucket"), &labels, count);
        }
        let endless = [method, route, ("status", &status), ("le", "+Inf")];
        page.sample(&format!("{name}_bucket"), &endless, reading.count);
        let seconds = reading.sum_us as f64 / 1e6;
        page.sample(&format!("{name}_sum"), &labels, seconds);
        page.sample(&format!("{name}_count"), &labels, reading.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.sample("a", &[("b", "x\"\\\ny")], 1);
        assert_eq!(page.into_text(), "a{b=\"x\\\"\\\\\\ny\"} 1\n");
    }

    #[test]
    fn gauge_falls_when_its_mark_is_dropped() {
        static HERE: Gauge = Gauge::new("here", "Only here.");
        let mark = HERE.mark();
        assert_eq!(HERE.value(), 1);
        drop(mark);
        assert_eq!(HERE.value(), 0);
    }
}
