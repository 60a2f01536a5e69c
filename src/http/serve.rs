//! The listener: takes connections, serves them, and stops in order.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::Context;
use hyper::Version;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::app::{App, Limits};
use crate::http::connections::{Connections, Order, Seat, Watched};
use crate::http::doorway::Doorway;
use crate::http::front::{Front, Visit};
use crate::http::tls::Tls;

/// Pause after a failed accept: out of file descriptors, which others have to give back first.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// How often shutdown looks whether everybody has left.
const LOOK_FOR_LEAVERS: Duration = Duration::from_millis(5);
/// Streams that one HTTP/2 connection may have open: as browsers and proxies expect.
const HTTP2_STREAMS: u32 = 128;

/// Where callers come in.
pub struct Door {
    listener: TcpListener,
    tls: Option<Tls>,
}

impl Door {
    pub fn with_tls(listener: TcpListener, tls: Option<Tls>) -> Self {
        Self { listener, tls }
    }
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

/// Serves `app` at `door` until `stop` resolves. Then, in order: no longer ready, a delay for
/// load balancers to notice, no new connections, what is under way finishes or runs out of time,
/// the store is flushed.
pub async fn run(door: impl Into<Door>, app: App, stop: impl Future<Output = ()>) {
    let limits = app.limits().clone();
    serve(door.into(), Doorway::open(Front::new(&app)), &limits, stop).await;
    app.close().await;
}

/// The same for an app that is yet to be opened by `open`, which may take its time: until then
/// the probes answer, and everything else is told to come back. `opened` hears of the app.
pub async fn run_opening(
    door: impl Into<Door>,
    limits: Limits,
    open: impl FnOnce() -> anyhow::Result<App> + Send + 'static,
    opened: impl FnOnce(&App) -> anyhow::Result<()>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let doorway = Doorway::closed();
    let (stop_serving, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn({
        let (door, doorway, limits) = (door.into(), doorway.clone(), limits.clone());
        async move { serve(door, doorway, &limits, async { drop(stopped.await) }).await }
    });
    let mut stop = std::pin::pin!(stop);
    let opening = tokio::select! {
        opening = tokio::task::spawn_blocking(open) => opening,
        // What is half open is on disk as it was, or a little further.
        () = &mut stop => return Ok(()),
    };
    let app = opening.context("the store could not be opened").flatten().inspect_err(|_| {
        serving.abort();
    })?;
    doorway.lead_to(Front::new(&app));
    opened(&app)?;
    stop.await;
    drop(stop_serving);
    let _ = serving.await;
    app.close().await;
    Ok(())
}

/// Serves nothing but the metrics of `app` on a listener of their own, until `stop` resolves.
pub async fn run_metrics(listener: TcpListener, app: App, stop: impl Future<Output = ()>) {
    let limits = Limits { shutdown_delay: Duration::ZERO, ..app.limits().clone() };
    serve(listener.into(), Doorway::open(Front::of_metrics(&app)), &limits, stop).await;
}

async fn serve(door: Door, doorway: Doorway, limits: &Limits, stop: impl Future<Output = ()>) {
    let connections = Connections::new(limits);
    let builder = Arc::new(builder(limits));
    let looking = tokio::spawn({
        let connections = connections.clone();
        async move { connections.look_after().await }
    });
    let Door { listener, tls } = door;
    let renewing = tls.clone().map(|tls| tokio::spawn(tls.look_after()));
    let mut stop = std::pin::pin!(async {
        stop.await;
        doorway.close();
        tokio::time::sleep(limits.shutdown_delay).await;
    });
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut stop => break,
            stream = accept(&listener, &connections, limits.connections) => stream,
        };
        let seat = connections.sit();
        let (doorway, builder) = (doorway.clone(), builder.clone());
        let Some(tls) = &tls else {
            tokio::spawn(attend(stream, peer, seat, doorway, builder));
            continue;
        };
        let shaken = tokio::time::timeout(limits.header_time, tls.acceptor.accept(stream));
        tokio::spawn(async move {
            // Whoever can't shake hands in time was no caller of ours.
            if let Ok(Ok(stream)) = shaken.await {
                attend(stream, peer, seat, doorway, builder).await;
            }
        });
    }
    drop(listener);
    connections.finish();
    let everybody_left = async {
        while connections.len() > 0 {
            tokio::time::sleep(LOOK_FOR_LEAVERS).await;
        }
    };
    if tokio::time::timeout(limits.drain_time, everybody_left).await.is_err() {
        tracing::warn!(connections = connections.len(), "stopped before everybody had an answer");
        connections.cut();
    }
    looking.abort();
    if let Some(renewing) = renewing {
        renewing.abort();
    }
}

/// Serves one connection until it closes or is told to.
async fn attend<S>(
    stream: S,
    peer: IpAddr,
    seat: Seat,
    doorway: Doorway,
    builder: Arc<auto::Builder<TokioExecutor>>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = seat.watch.clone();
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let busy = watch.begin(request.version() == Version::HTTP_2);
        let visit = Visit { peer, busy };
        let doorway = doorway.clone();
        async move { Ok::<_, Infallible>(doorway.answer(request, visit).await) }
    });
    let stream = TokioIo::new(Watched { stream, watch: seat.watch.clone() });
    let mut connection = std::pin::pin!(builder.serve_connection(stream, service));
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

/// Accepts the next connection, when there is room for it.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    limit: usize,
) -> (TcpStream, IpAddr) {
    while connections.len() >= limit {
        tokio::time::sleep(LOOK_FOR_LEAVERS).await;
    }
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                return (stream, peer.ip());
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Time is kept in `connections`, without a timer per request.
        .header_read_timeout(None)
        // Room for a head just over its limit, which then gets a proper answer.
        .max_buf_size((limits.header_bytes + limits.url_bytes).max(16 << 10) * 2)
        .pipeline_flush(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}
