//! What happens to every request, once: names, limits, time-out, panic, headers, count and line.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::BoxError;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;
use tower::Service;

use crate::app::{App, Phase};
use crate::domain::Error;
use crate::http::compress;
use crate::http::cors;
use crate::http::encoding;
use crate::http::error::Envelope;
use crate::http::limits;
use crate::http::proxy;
use crate::http::streamed::Streamed;
use crate::http::throttle;
use crate::telemetry::line::Access;
use crate::telemetry::logs;
use crate::telemetry::metrics;
use crate::telemetry::series::{self, RouteSeries};
use crate::telemetry::trip::{self, Trip};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

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

/// The status in lines and counts of a request whose caller went away before it was answered. No
/// caller ever sees it.
const CALLER_LEFT: u16 = 499;

/// The front door of one app.
#[derive(Clone)]
pub(super) struct Front(Arc<Inner>);

/// On whose behalf a request comes.
pub(super) struct Visit<H> {
    pub peer: IpAddr,
    /// Held until the last byte of the answer is on its way.
    pub busy: H,
}

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

    /// From now on the app says that it is not ready.
    pub fn close(&self) {
        self.0.app.phases().enter(Phase::Draining);
    }

    /// Answers one request.
    pub async fn answer<B, H>(&self, request: Request<B>, visit: Visit<H>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
        H: Send + Unpin + 'static,
    {
        let started = Instant::now();
        let in_flight = metrics::IN_FLIGHT.mark();
        let headers = request.headers();
        let header = |name| headers.get(name).map(HeaderValue::as_bytes);
        let trip = Arc::new(Trip::start(visit.peer, header(&REQUEST_ID), header(&TRACEPARENT)));
        let origin = headers.get(ORIGIN).cloned();
        let accepted = encoding::accepted(headers);
        let method = request.method().clone();
        let telling = Telling { front: &self.0, trip: &trip, method, started, is_told: false };
        let response = trip::along(trip.clone(), self.handle(request)).await;
        let mut response = compress::answer(response, accepted).await;
        dress(response.headers_mut(), &trip);
        if let Some(origin) = &origin {
            cors::allow(response.headers_mut(), origin, self.0.app.origins());
        }
        telling.answered(response.status());
        if response.body().size_hint().exact().is_none() {
            return response.map(|body| Body::new(Streamed::new(body, (visit.busy, in_flight))));
        }
        response
    }

    /// Runs the handler, whatever it does: late and panicking ones are answered for.
    async fn handle<B>(&self, request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let limits = self.0.app.limits();
        if let Some(refusal) = limits::refusal_of_head(&request, limits) {
            return refusal.into_response();
        }
        if let Some(response) = cors::preflight(request.method(), request.headers()) {
            return response;
        }
        if let Some(refusal) = throttle::refusal(&self.0.app, &request) {
            return refusal.into_response();
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
                match trip::with(Trip::awaits_body) {
                    Some(true) => Envelope::of_status(StatusCode::REQUEST_TIMEOUT).into_response(),
                    _ => Error::TimedOut.into_response(),
                }
            }
        }
    }
}

/// Counts a request and leaves its line; of probes only the count. Also when the caller goes away
/// before the answer is there: then nobody works on it any more.
struct Telling<'a> {
    front: &'a Inner,
    trip: &'a Trip,
    method: Method,
    started: Instant,
    is_told: bool,
}

impl Telling<'_> {
    fn answered(mut self, status: StatusCode) {
        self.is_told = true;
        self.tell(status.as_u16());
    }

    fn tell(&self, status: u16) {
        let elapsed_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let route = self.trip.route().unwrap_or(self.front.unrouted);
        route.count(&self.method, status, elapsed_us);
        if !route.is_probe() {
            logs::access(&Access {
                request_id: self.trip.id(),
                method: series::method_name(&self.method),
                route: route.route(),
                status,
                elapsed_us,
            });
        }
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(CALLER_LEFT);
        }
    }
}

/// Adds the headers that every answer has.
pub(super) fn dress(headers: &mut HeaderMap, trip: &Trip) {
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
}

/// Refusals that come from below our handlers speak plain text: they get the envelope too.
fn enveloped(mut response: Response) -> Response {
    let status = response.status();
    if response.extensions().get::<proxy::Foreign>().is_some() {
        return response;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use serde_json::Value;
    use std::time::Duration;

    use crate::app::{Limits, Options};

    fn front(router: Router) -> Front {
        let limits = Limits { request_time: Duration::from_millis(20), ..Limits::default() };
        let app = App::open(Options { limits, ..Options::default() }).unwrap();
        Front::with(&app, router)
    }

    async fn answer(front: &Front) -> Response {
        let visit = Visit { peer: [127, 0, 0, 1].into(), busy: () };
        let request = Request::get("/").header(http::header::HOST, "a").body(Body::empty());
        front.answer(request.unwrap(), visit).await
    }

    async fn ask(router: Router) -> (StatusCode, Value) {
        let response = answer(&front(router)).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&bytes).unwrap())
    }

    async fn panics() {
        panic!("a secret");
    }

    #[tokio::test]
    async fn panic_is_answered_with_500_and_without_its_words() {
        let (status, body) = ask(Router::new().route("/", get(panics))).await;
        assert_eq!((status.as_u16(), &body["code"]), (500, &"internal".into()));
        assert!(!body.to_string().contains("a secret"));
    }

    #[tokio::test]
    async fn late_handler_is_answered_with_504() {
        let (status, body) = ask(Router::new().route("/", get(std::future::pending::<()>))).await;
        assert_eq!((status.as_u16(), &body["code"]), (504, &"timeout".into()));
    }

    #[tokio::test]
    async fn request_whose_caller_leaves_is_counted_all_the_same() {
        let mut front = front(Router::new().route("/", get(std::future::pending::<()>)));
        let unrouted = series::of_route("/front/caller-leaves");
        Arc::get_mut(&mut front.0).unwrap().unrouted = unrouted;
        assert!(answer(&front).now_or_never().is_none());
        let counted = series::read().into_iter().find(|r| r.route == unrouted.route()).unwrap();
        assert_eq!((counted.status, counted.count), (CALLER_LEFT, 1));
    }

    #[tokio::test]
    async fn plain_refusals_from_below_get_the_envelope() {
        let refuse = async || (StatusCode::UNPROCESSABLE_ENTITY, "what?");
        let (status, body) = ask(Router::new().route("/", get(refuse))).await;
        assert_eq!((status.as_u16(), &body["status"]), (422, &422.into()));
        assert_eq!(body["code"], "bad_request");
    }
}
