//! Probes: is it alive, has it started, is it ready.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::{App, Phase};
use crate::clock;

/// `GET /health`: the short answer, as soon as the socket is bound.
pub(super) async fn brief(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "timestamp": clock::rfc3339(app.clock().now_ms()),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": app.uptime_ms() / 1000,
    }))
}

/// `GET /health/live`: depends on nothing.
pub(super) async fn live(State(app): State<App>) -> Json<Value> {
    Json(json!({ "status": "UP", "timestamp": clock::rfc3339(app.clock().now_ms()) }))
}

/// `GET /startup`: 200 once the store is open.
pub(super) async fn startup(State(app): State<App>) -> Response {
    answer(&app, app.phases().now() >= Phase::Serving)
}

/// `GET /health/ready`, `GET /ready`: may traffic come?
pub(super) async fn ready(State(app): State<App>) -> Response {
    answer(&app, app.phases().now() == Phase::Serving)
}

/// `GET /api/health`: what the SDKs ask.
pub(super) async fn api() -> Json<Value> {
    Json(json!({ "code": 200, "message": "API is healthy.", "data": {} }))
}

fn answer(app: &App, up: bool) -> Response {
    let (status, word) =
        if up { (StatusCode::OK, "UP") } else { (StatusCode::SERVICE_UNAVAILABLE, "DOWN") };
    let timestamp = clock::rfc3339(app.clock().now_ms());
    (status, Json(json!({ "status": word, "timestamp": timestamp }))).into_response()
}
