//! The listener: takes connections, serves them, and stops in order.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::app::{App, Phase};
use crate::http::front::Front;

/// Serves `app` on `listener` until `stop` resolves, then lets what is under way finish.
pub async fn run(listener: TcpListener, app: App, stop: impl Future<Output = ()>) {
    let front = Front::new(&app);
    let seats = Arc::new(Semaphore::new(app.limits().connections));
    let builder = builder(&app);
    let (end, ending) = watch::channel(());
    let mut stop = std::pin::pin!(stopping(&app, stop));
    loop {
        let (stream, seat) = tokio::select! {
            accepted = accept(&listener, &seats) => accepted,
            () = &mut stop => break,
        };
        let front = front.clone();
        let service = service_fn(move |request| {
            let front = front.clone();
            async move { Ok::<_, Infallible>(front.answer(request).await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let mut ending = ending.clone();
        tokio::spawn(async move {
            let _seat = seat;
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                // Whoever breaks a connection off knows it already.
                _ = &mut connection => return,
                _ = ending.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
    drop(listener);
    drop(end);
    let everybody = u32::try_from(app.limits().connections).unwrap_or(u32::MAX);
    let drained = seats.acquire_many(everybody);
    if tokio::time::timeout(app.limits().drain_time, drained).await.is_err() {
        tracing::warn!("stopped while requests were still under way");
    }
}

/// Waits for the word to stop, then says "not ready" for a while before it passes the word on.
async fn stopping(app: &App, stop: impl Future<Output = ()>) {
    stop.await;
    app.phases().enter(Phase::Draining);
    tokio::time::sleep(app.limits().shutdown_delay).await;
}

/// Accepts the next connection that there is a seat for.
async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
) -> (TcpStream, tokio::sync::OwnedSemaphorePermit) {
    let seat = seats.clone().acquire_owned().await.expect("seats are never taken away");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                return (stream, seat);
            }
            Err(error) => {
                // Out of file descriptors, or the caller left at once. Neither ends the server.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

fn builder(app: &App) -> auto::Builder<TokioExecutor> {
    let limits = app.limits();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.keep_alive)
        // Room for a header at its limit and some of the body behind it.
        .max_buf_size((limits.header_bytes + limits.url_bytes) * 2)
        .pipeline_flush(true);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(limits.header_bytes as u32);
    builder
}
