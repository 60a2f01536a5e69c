//! `GET /metrics`: all that is counted, in Prometheus' text format.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use crate::app::App;
use crate::telemetry::metrics::{self, Page};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(super) async fn show(State(app): State<App>) -> Response {
    let mut page = Page::default();
    metrics::write(&mut page);
    lanes(&app, &mut page);
    store(&app, &mut page);
    runtime(&mut page);
    page.single(
        "holdall_uptime_seconds",
        "gauge",
        "Time since the store was opened, in seconds.",
        app.uptime_ms() as f64 / 1000.0,
    );
    ([(CONTENT_TYPE, TEXT)], page.into_text()).into_response()
}

fn lanes(app: &App, page: &mut Page) {
    let (busy, queue) = ("holdall_lane_at_work", "holdall_lane_waiting");
    page.family(busy, "gauge", "Operations at work, by lane.");
    for lane in app.lanes().all() {
        page.sample(busy, &[("lane", lane.name())], lane.at_work());
    }
    page.family(queue, "gauge", "Operations that wait for their lane.");
    for lane in app.lanes().all() {
        page.sample(queue, &[("lane", lane.name())], lane.waiting());
    }
}

fn store(app: &App, page: &mut Page) {
    let stats = app.store().stats();
    let counters = [
        ("holdall_store_gets_total", "Values read from the store.", stats.tally.gets),
        ("holdall_store_scans_total", "Ranges read from the store.", stats.tally.scans),
        ("holdall_store_commits_total", "Commits acknowledged.", stats.tally.commits),
        ("holdall_store_groups_total", "Groups of commits journaled.", stats.groups),
        ("holdall_store_conflicts_total", "Commits that ran their rule again.", stats.conflicts),
        (
            "holdall_store_ended_snapshots_total",
            "Snapshots ended because the window was full.",
            stats.ended_snapshots,
        ),
    ];
    for (name, help, value) in counters {
        page.single(name, "counter", help, value);
    }
    let gauges = [
        ("holdall_store_position", "The latest journaled group.", stats.seq),
        ("holdall_store_applied_position", "The latest group in the state.", stats.applied_seq),
        ("holdall_store_window_bytes", "Latest groups, in memory.", stats.window_bytes),
        ("holdall_store_state_bytes", "The state, on disk.", stats.state_bytes),
        ("holdall_store_read_only", "1: no writes are taken.", u64::from(stats.read_only)),
    ];
    for (name, help, value) in gauges {
        page.single(name, "gauge", help, value);
    }
    let waited = stats.wait_us as f64 / 1e6;
    let help = "Time writers waited for room in the window.";
    page.single("holdall_store_wait_seconds_total", "counter", help, waited);
}

fn runtime(page: &mut Page) {
    let runtime = tokio::runtime::Handle::current().metrics();
    let workers = 0..runtime.num_workers();
    let busy: f64 = workers.map(|at| runtime.worker_total_busy_duration(at).as_secs_f64()).sum();
    page.single("tokio_workers", "gauge", "Worker threads.", runtime.num_workers());
    page.single(
        "tokio_alive_tasks",
        "gauge",
        "Tasks that have not ended.",
        runtime.num_alive_tasks(),
    );
    page.single(
        "tokio_global_queue_depth",
        "gauge",
        "Tasks in the queue that all workers share.",
        runtime.global_queue_depth(),
    );
    page.single(
        "tokio_workers_busy_seconds_total",
        "counter",
        "Time that workers were busy, in seconds.",
        busy,
    );
}
