//! The listener: opens the door, and stops in order.

use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::app::{App, Limits};
use crate::http::doorway::Doorway;
use crate::http::front::Front;
use crate::http::porch::Porch;
use crate::http::tls::Tls;
use crate::store::Progress;

/// How often shutdown looks whether everybody has left.
const LOOK_FOR_LEAVERS: Duration = Duration::from_millis(5);

/// Where callers come in.
pub struct Door {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Tls>,
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
pub async fn run(
    door: impl Into<Door>,
    app: App,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let limits = app.limits().clone();
    let served = serve(door.into(), Doorway::open(Front::new(&app)), &limits, stop).await;
    app.close().await;
    served
}

/// The same for an app that is yet to be opened by `open`, which may take its time: until then
/// the probes answer, with how far that is, and everything else is told to come back. `opened` hears
/// of the app.
pub async fn run_opening(
    door: impl Into<Door>,
    limits: Limits,
    progress: Progress,
    open: impl FnOnce() -> anyhow::Result<App> + Send + 'static,
    opened: impl FnOnce(&App) -> anyhow::Result<()>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let doorway = Doorway::closed(progress);
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
    let served = serving.await;
    app.close().await;
    served.context("the door was closed by a panic").flatten()
}

/// Serves nothing but the metrics of `app` on a listener of their own, until `stop` resolves.
pub async fn run_metrics(
    listener: TcpListener,
    app: App,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let limits = Limits { shutdown_delay: Duration::ZERO, ..app.limits().clone() };
    serve(listener.into(), Doorway::open(Front::of_metrics(&app)), &limits, stop).await
}

async fn serve(
    door: Door,
    doorway: Doorway,
    limits: &Limits,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let renewing = door.tls.clone().map(|tls| tokio::spawn(tls.look_after()));
    let mut porch = Porch::open(door, doorway.clone(), limits).context("cannot open the door")?;
    stop.await;
    doorway.close();
    tokio::time::sleep(limits.shutdown_delay).await;
    porch.close().await;
    let connections = porch.connections();
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
    if let Some(renewing) = renewing {
        renewing.abort();
    }
    Ok(())
}
