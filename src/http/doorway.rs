//! The doorway: leads to the front door once there is an app behind it; answers probes before.

use std::sync::Arc;
use std::sync::OnceLock;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, StatusCode};
use serde_json::json;

use crate::clock;
use crate::http::error::Envelope;
use crate::http::front::{self, Front, REQUEST_ID, TRACEPARENT, Visit};
use crate::store::{Progress, Stage};
use crate::telemetry::trip::{self, Trip};

/// Where connections come in, from the first moment on.
#[derive(Clone)]
pub(super) struct Doorway {
    front: Arc<OnceLock<Front>>,
    /// How far the opening of the store is, while there is no front door.
    progress: Progress,
}

impl Doorway {
    /// A doorway with nothing behind it yet.
    pub fn closed(progress: Progress) -> Self {
        Self { front: Arc::default(), progress }
    }

    pub fn open(front: Front) -> Self {
        Self { front: Arc::new(OnceLock::from(front)), progress: Progress::default() }
    }

    /// Leads to `front` from now on.
    pub fn lead_to(&self, front: Front) {
        let _ = self.front.set(front);
    }

    /// Says "not ready" from now on.
    pub fn close(&self) {
        if let Some(front) = self.front.get() {
            front.close();
        }
    }

    pub async fn answer<B, H>(&self, request: Request<B>, visit: Visit<H>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
        H: Send + Unpin + 'static,
    {
        match self.front.get() {
            Some(front) => front.answer(request, visit).await,
            None => {
                let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
                let trip = Trip::start(visit.peer, header(&REQUEST_ID), header(&TRACEPARENT));
                let trip = Arc::new(trip);
                let (path, stage) = (request.uri().path(), self.progress.now());
                let mut response = trip::within(Some(trip.clone()), || before(path, stage));
                front::dress(response.headers_mut(), &trip);
                response
            }
        }
    }
}

/// What is answered while the store is being opened: that we live, and that it takes a moment.
fn before(path: &str, stage: Stage) -> Response {
    let timestamp = clock::rfc3339(clock::system_ms());
    let version = env!("CARGO_PKG_VERSION");
    let (status, body) = match path {
        "/health" => (
            StatusCode::OK,
            json!({ "status": "healthy", "timestamp": timestamp, "version": version }),
        ),
        "/health/live" => (StatusCode::OK, json!({ "status": "UP", "timestamp": timestamp })),
        "/health/ready" | "/ready" => {
            let database =
                json!({ "status": "DOWN", "details": {}, "error": "the store is being opened" });
            let checks = json!({ "database": database });
            let body = json!({ "status": "DOWN", "timestamp": timestamp, "checks": checks });
            (StatusCode::SERVICE_UNAVAILABLE, body)
        }
        "/startup" => {
            let progress = json!({
                "stage": stage.what,
                "done": stage.done,
                "total": Some(stage.total).filter(|total| *total > 0),
                "percent": stage.percent(),
            });
            let body = json!({ "status": "DOWN", "timestamp": timestamp, "progress": progress });
            (StatusCode::SERVICE_UNAVAILABLE, body)
        }
        _ => {
            let envelope = Envelope::of_status(StatusCode::SERVICE_UNAVAILABLE);
            let body = envelope.saying("The server is starting. Try again.").into_json();
            (StatusCode::SERVICE_UNAVAILABLE, body)
        }
    };
    let kind = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let again = (RETRY_AFTER, HeaderValue::from_static("1"));
    (status, [kind, again], Body::from(body.to_string())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn before_the_store_is_open_we_live_but_are_not_ready() {
        let doorway = Doorway::closed(Progress::default());
        for (path, status) in [
            ("/health", 200),
            ("/health/live", 200),
            ("/health/ready", 503),
            ("/ready", 503),
            ("/startup", 503),
            ("/api/health", 503),
            ("/api/collections", 503),
        ] {
            let visit = Visit { peer: [127, 0, 0, 1].into(), busy: () };
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answer = doorway.answer(request, visit).await;
            assert_eq!(answer.status().as_u16(), status, "{path}");
            assert!(!answer.headers()["x-request-id"].is_empty(), "{path}");
        }
    }

    #[tokio::test]
    async fn startup_tells_how_far_opening_is() {
        use http_body_util::BodyExt;
        let home = tempfile::tempdir().unwrap();
        let progress = Progress::default();
        let derive = Arc::new(crate::domain::derive::Derive);
        let options = crate::store::Options {
            progress: progress.clone(),
            ..crate::store::Options::new(crate::store::Home::Files(home.path().into()), derive)
        };
        crate::store::Store::open(options).unwrap();
        let visit = Visit { peer: [127, 0, 0, 1].into(), busy: () };
        let request = Request::builder().uri("/startup").body(Body::empty()).unwrap();

        let answer = Doorway::closed(progress).answer(request, visit).await;

        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["progress"]["stage"], "replaying the journal", "{body}");
        assert_eq!(body["progress"]["done"], 0);
        assert!(body["progress"]["percent"].is_null(), "there is nothing to replay");
    }
}
