//! Probes: is it alive, has it started, is it ready.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::{App, Condition, Phase};
use crate::clock;
use crate::domain::Result;
use crate::domain::accounts::tokens;
use crate::domain::pick::Pick;
use crate::http::extract;
use crate::telemetry::trip;

/// What everybody is told.
const HEALTHY: &str = r#"{"code":200,"message":"API is healthy.","data":{}}"#;
/// Headers in which proxies say whom they speak for, the likeliest first.
pub(super) const PROXY_HEADERS: [&str; 4] =
    ["X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "Fly-Client-IP"];

/// What is asked every few seconds, by everything: written without a tree in between.
#[derive(Serialize)]
pub(super) struct Brief {
    status: &'static str,
    timestamp: String,
    version: &'static str,
    uptime_s: i64,
}

#[derive(Serialize)]
pub(super) struct Live {
    status: &'static str,
    timestamp: String,
}

/// `GET /health`: the short answer, as soon as the socket is bound.
pub(super) async fn brief(State(app): State<App>) -> Json<Brief> {
    let (timestamp, uptime_s) = (timestamp(&app), app.uptime_ms() / 1000);
    Json(Brief { status: "healthy", timestamp, version: env!("CARGO_PKG_VERSION"), uptime_s })
}

/// `GET /health/live`: depends on nothing.
pub(super) async fn live(State(app): State<App>) -> Json<Live> {
    Json(Live { status: "UP", timestamp: timestamp(&app) })
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

/// `GET /api/health`: what the SDKs ask; superusers are told a little more.
pub(super) async fn api(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response> {
    let token = headers.get(AUTHORIZATION).and_then(|token| token.to_str().ok());
    // Asked many times a second: nobody is looked up who does not even claim to be one.
    let mut body = match token.is_some_and(tokens::claims_superuser) {
        true if extract::caller(&app, &headers, app.clock().now_ms())?.is_superuser() => {
            Bytes::from(for_superusers(&headers).to_string())
        }
        _ => Bytes::from_static(HEALTHY.as_bytes()),
    };
    if uri.query().is_some()
        && let Some(fields) = extract::query(&uri).get("fields")
        && let Some(pick) = Pick::parse(fields)?
        && let Ok(mut value) = serde_json::from_slice(&body)
    {
        pick.apply(&mut value);
        body = value.to_string().into();
    }
    Ok(extract::json(body))
}

fn for_superusers(headers: &HeaderMap) -> Value {
    let proxied = PROXY_HEADERS.into_iter().find(|name| headers.contains_key(*name));
    json!({
        "code": 200,
        "message": "API is healthy.",
        "data": {
            "canBackup": true,
            "realIP": trip::with(|trip| trip.peer().to_string()).unwrap_or_default(),
            "possibleProxyHeader": proxied.unwrap_or_default(),
        },
    })
}

fn timestamp(app: &App) -> String {
    clock::rfc3339(app.clock().now_ms())
}
