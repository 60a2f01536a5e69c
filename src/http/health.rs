//! Probes: is it alive, has it started, is it ready.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::{App, Condition, Phase};
use crate::clock;

/// `GET /health`: the short answer, as soon as the socket is bound.
pub(super) async fn brief(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "timestamp": timestamp(&app),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": app.uptime_ms() / 1000,
    }))
}

/// `GET /health/live`: depends on nothing.
pub(super) async fn live(State(app): State<App>) -> Json<Value> {
    Json(json!({ "status": "UP", "timestamp": timestamp(&app) }))
}

/// `GET /startup`: 200 once the store is open.
pub(super) async fn startup(State(app): State<App>) -> Response {
    let status = match app.phases().now() >= Phase::Serving {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let word = if status == StatusCode::OK { "UP" } else { "DOWN" };
    (status, Json(json!({ "status": word, "timestamp": timestamp(&app) }))).into_response()
}

/// `GET /health/ready`, `GET /ready`: may traffic come? Degraded is still 200: a probe that says
/// no would take away the only pod when it is needed most.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let (condition, checks) = app.readiness().await;
    let status = match condition {
        Condition::Up | Condition::Degraded => StatusCode::OK,
        Condition::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({
        "status": condition.word(),
        "timestamp": timestamp(&app),
        "checks": checks,
    });
    (status, Json(body)).into_response()
}

/// `GET /api/health`: what the SDKs ask.
pub(super) async fn api() -> Json<Value> {
    Json(json!({ "code": 200, "message": "API is healthy.", "data": {} }))
}

fn timestamp(app: &App) -> String {
    clock::rfc3339(app.clock().now_ms())
}
