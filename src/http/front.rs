//! What happens to every request, once: names, limits, time-out, panic, headers of the answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, ORIGIN};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use tower::Service;

use crate::app::App;
use crate::domain::Error;
use crate::http::cors;
use crate::http::error::Envelope;
use crate::http::limits;
use crate::telemetry::trip::{self, Trip};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What browsers shall refuse to do with our answers.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (http::header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    (http::header::X_XSS_PROTECTION, HeaderValue::from_static("1; mode=block")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// The front door of one app.
#[derive(Clone)]
pub(super) struct Front {
    app: App,
    router: Router,
}

impl Front {
    pub fn new(app: &App) -> Self {
        Self { app: app.clone(), router: super::routes(app) }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response {
        let (parts, body) = request.into_parts();
        let header = |name| parts.headers.get(name).map(HeaderValue::as_bytes);
        let trip = Arc::new(Trip::start(header(&REQUEST_ID), header(&TRACEPARENT)));
        let origin = parts.headers.get(ORIGIN).cloned();
        let request = Request::from_parts(parts, Body::new(body));
        let mut response = trip::along(trip.clone(), self.handle(request)).await;
        let headers = response.headers_mut();
        headers.reserve(8);
        for (name, value) in SECURITY {
            headers.entry(name).or_insert(value);
        }
        if let Ok(id) = HeaderValue::from_str(trip.id()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Ok(traceparent) = HeaderValue::from_bytes(&trip.traceparent()) {
            headers.insert(TRACEPARENT, traceparent);
        }
        if let Some(origin) = origin {
            cors::allow(headers, &origin, self.app.origins());
        }
        response
    }

    /// Runs the handler, whatever it does: late and panicking ones are answered for.
    async fn handle(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        if let Some(status) = limits::refusal_of_head(&parts, self.app.limits()) {
            return Envelope::of_status(status).into_response();
        }
        if let Some(response) = cors::preflight(&parts.method, &parts.headers) {
            return response;
        }
        let routed = self.router.clone().call(Request::from_parts(parts, body));
        let caught = AssertUnwindSafe(routed).catch_unwind();
        match tokio::time::timeout(self.app.limits().request_time, caught).await {
            Ok(Ok(Ok(response))) => enveloped(response),
            Ok(Err(panic)) => Error::Broken(said(&*panic)).into_response(),
            Err(_late) => Error::TimedOut.into_response(),
        }
    }
}

/// Refusals that come from below our handlers speak plain text: they get the envelope too.
fn enveloped(mut response: Response) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    if status == StatusCode::NOT_FOUND {
        // The router adds it where only the method is wrong, which is not to be told.
        response.headers_mut().remove(ALLOW);
    }
    let spoken = |kind: &HeaderValue| !kind.as_bytes().starts_with(b"text/plain");
    if response.headers().get(CONTENT_TYPE).is_some_and(spoken) {
        return response;
    }
    Envelope::of_status(status).into_response()
}

/// What a panic said, where it said something.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without words"))
}
