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
