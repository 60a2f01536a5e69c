//! What happens to every request, once: names, limits, time-out, panic, headers, count and line.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use tower::Service;

use crate::app::App;
use crate::domain::Error;
use crate::http::connections::Busy;
use crate::http::cors;
use crate::http::error::Envelope;
use crate::http::limits;
use crate::http::streamed::Streamed;
use crate::telemetry::line::Access;
use crate::telemetry::logs;
use crate::telemetry::metrics;
use crate::telemetry::series::{self, RouteSeries};
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
pub(super) struct Front(Arc<Inner>);

struct Inner {
    app: App,
    router: Router,
    /// Where requests are counted that never came to a route.
    unrouted: &'static RouteSeries,
}

impl Front {
    pub fn new(app: &App) -> Self {
        Self::with(app, super::routes(app))
    }

    /// A front door that leads to the metrics only.
    pub fn of_metrics(app: &App) -> Self {
        Self::with(app, super::metrics_routes(app))
    }

    fn with(app: &App, router: Router) -> Self {
        let unrouted = series::of_route("-");
        Self(Arc::new(Inner { app: app.clone(), router, unrouted }))
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>, busy: Busy) -> Response {
        let started = Instant::now();
        let in_flight = metrics::IN_FLIGHT.mark();
        let headers = request.headers();
        let header = |name| headers.get(name).map(HeaderValue::as_bytes);
        let trip = Arc::new(Trip::start(header(&REQUEST_ID), header(&TRACEPARENT)));
        let origin = headers.get(ORIGIN).cloned();
        let method = request.method().clone();
        let mut response = trip::along(trip.clone(), self.handle(request)).await;
        self.dress(response.headers_mut(), &trip, origin.as_ref());
        self.tell(&trip, &method, response.status(), started);
        if response.body().size_hint().exact().is_none() {
            return response.map(|body| Body::new(Streamed::new(body, (busy, in_flight))));
        }
        response
    }

    /// Runs the handler, whatever it does: late and panicking ones are answered for.
    async fn handle(&self, request: Request<Incoming>) -> Response {
        let limits = self.0.app.limits();
        if let Some(status) = limits::refusal_of_head(&request, limits) {
            return Envelope::of_status(status).into_response();
        }
        if let Some(response) = cors::preflight(request.method(), request.headers()) {
            return response;
        }
        let routed = self.0.router.clone().call(request.map(Body::new));
        let caught = AssertUnwindSafe(routed).catch_unwind();
        match tokio::time::timeout(limits.request_time, caught).await {
            Ok(Ok(Ok(response))) => enveloped(response),
            Ok(Err(panic)) => {
                metrics::PANICS.add(1);
                Error::Broken(said(&*panic)).into_response()
            }
            Err(_late) => {
                metrics::TIMED_OUT.add(1);
                Error::TimedOut.into_response()
            }
        }
    }

    /// Adds the headers that every answer has.
    fn dress(&self, headers: &mut HeaderMap, trip: &Trip, origin: Option<&HeaderValue>) {
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
            cors::allow(headers, origin, self.0.app.origins());
        }
    }

    /// Counts the request and leaves its line; of probes only the count.
    fn tell(&self, trip: &Trip, method: &Method, status: StatusCode, started: Instant) {
        let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let route = trip.route().unwrap_or(self.0.unrouted);
        route.count(method, status, elapsed_us);
        if !route.is_probe() {
            logs::access(&Access {
                request_id: trip.id(),
                method: series::method_name(method),
                route: route.route(),
                status: status.as_u16(),
                elapsed_us,
            });
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
