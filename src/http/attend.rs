//! One connection: its requests are answered until it closes or is told to.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use hyper::Version;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::runtime::Handle;

use crate::app::Limits;
use crate::http::arriving::Arriving;
use crate::http::connections::{Busy, Order, Seat};
use crate::http::doorway::Doorway;
use crate::http::error::Envelope;
use crate::http::front::Visit;
use crate::http::last_word::LastWord;
use crate::http::watched::{Line, Watched};

/// Streams that one HTTP/2 connection may have open: as browsers and proxies expect.
const HTTP2_STREAMS: u32 = 128;

/// What speaks HTTP.
pub(super) type Speaker = Arc<auto::Builder<TokioExecutor>>;

/// Who answers what is asked on a connection.
#[derive(Clone)]
pub(super) struct Desk {
    pub doorway: Doorway,
    /// Where a connection is not attended by the workers: they, for all that is not vital.
    pub workers: Option<Handle>,
}

impl Desk {
    async fn answer(self, request: hyper::Request<Arriving>, visit: Visit<Busy>) -> Response {
        let Self { doorway, workers } = self;
        match workers {
            Some(workers) if !is_vital(request.uri().path()) => {
                let answered = async move { doorway.answer(request, visit).await };
                let stopped = |_| Envelope::of_status(StatusCode::SERVICE_UNAVAILABLE);
                workers.spawn(answered).await.unwrap_or_else(|why| stopped(why).into_response())
            }
            _ => doorway.answer(request, visit).await,
        }
    }
}

/// What is answered whatever the workers do: that we live.
pub(super) fn is_vital(path: &str) -> bool {
    matches!(path, "/health" | "/health/live")
}

/// Serves one connection until it closes or is told to.
pub(super) async fn attend(line: Line, peer: IpAddr, seat: Seat, desk: Desk, speaker: Speaker) {
    let watch = seat.watch.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let busy = watch.begin(request.version() == Version::HTTP_2);
        let visit = Visit { peer, busy };
        let request = request.map(|body| Arriving::new(body, watch.clone()));
        let answer = desk.clone().answer(request, visit);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let stream = LastWord::new(Watched::new(line, seat.watch.clone()), peer);
    let mut connection = std::pin::pin!(speaker.serve_connection(TokioIo::new(stream), service));
    let mut is_told = false;
    poll_fn(|context| {
        match seat.watch.order(context) {
            Order::Cut => return Poll::Ready(()),
            Order::Finish if !is_told => {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            Order::Finish | Order::GoOn => {}
        }
        // Whoever breaks a connection off knows it already.
        connection.as_mut().poll(context).map(drop)
    })
    .await;
}

pub(super) fn speaker(limits: &Limits) -> Speaker {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Room for a head just over its limit, which then gets a proper answer.
    let head_bytes = (limits.header_bytes + limits.url_bytes).max(16 << 10) * 2;
    // Most header lines of HTTP/1 are hyper's 100: any other number costs each request memory of its
    // own, even this one said here.
    builder
        .http1()
        // Who has said all may still listen; `connections` knows when that is over.
        .half_close(true)
        // Time is kept in `connections`, without a timer per request.
        .header_read_timeout(None)
        .max_buf_size(head_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX));
    Arc::new(builder)
}
