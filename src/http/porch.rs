//! The porch: a thread of its own, where connections come in and it is always answered that we live.
//!
//! Workers may all be busy, or stuck. Whoever asks whether the process lives must not wait for
//! them, or an orchestrator kills a server that only has much to do. So the first line of every
//! connection is looked at here: probes stay, the others are handed to the workers. Of TLS no line
//! can be seen before the handshake, so there a connection that no worker takes in time stays.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::app::Limits;
use crate::http::attend::{self, Desk, Speaker};
use crate::http::connections::{Connections, Order, Seat};
use crate::http::doorway::Doorway;
use crate::http::last_word;
use crate::http::serve::Door;
use crate::http::tls::Tls;
use crate::http::watched::{Line, Watched};

/// Pause after a failed accept: out of file descriptors, which others have to give back first.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// How often it is looked whether there is room again.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(5);
/// How long a TLS connection waits for a worker: longer than any queue of a server that is well,
/// shorter than the patience of a probe.
const WORKER_PATIENCE: Duration = Duration::from_millis(250);
/// Callers who may wait on the porch when the house is full, so that probes among them are found:
/// one for so many inside, within these bounds.
const WAITING_SHARE: usize = 16;
const WAITING: (usize, usize) = (16, 512);
/// Enough to tell a probe by.
const FIRST_LINE_BYTES: usize = 32;

/// The porch of one listener. Its thread ends when it is dropped.
pub(super) struct Porch {
    connections: Arc<Connections>,
    close: Option<oneshot::Sender<()>>,
    closed: oneshot::Receiver<()>,
    _leave: oneshot::Sender<()>,
}

/// What those need who stand on the porch.
struct Host {
    connections: Arc<Connections>,
    doorway: Doorway,
    speaker: Speaker,
    tls: Option<Tls>,
    handshake_time: Duration,
    workers: Handle,
    room: Arc<Semaphore>,
    most: usize,
}

/// A place among those whom the workers serve.
type Place = OwnedSemaphorePermit;

impl Porch {
    /// Opens the door: from now on callers come in, and are handed to the runtime that calls this.
    pub fn open(door: Door, doorway: Doorway, limits: &Limits) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let connections = Connections::new(limits);
        let waiting = (limits.connections / WAITING_SHARE).clamp(WAITING.0, WAITING.1);
        let host = Arc::new(Host {
            connections: connections.clone(),
            doorway,
            speaker: attend::speaker(limits),
            tls: door.tls,
            handshake_time: limits.header_time,
            workers: Handle::current(),
            room: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            most: limits.connections.saturating_add(waiting),
        });
        let listener = door.listener.into_std()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (close, asked_to_close) = oneshot::channel::<()>();
        let (tell_closed, closed) = oneshot::channel();
        let (leave, left) = oneshot::channel::<()>();
        let stand = async move {
            let looking = host.connections.clone();
            tokio::spawn(async move { looking.look_after().await });
            tokio::select! {
                _ = asked_to_close => {}
                () = host.welcome(&listener) => {}
            }
            drop(listener);
            let _ = tell_closed.send(());
            let _ = left.await;
        };
        thread::Builder::new().name("porch".to_owned()).spawn(move || runtime.block_on(stand))?;
        Ok(Self { connections, close: Some(close), closed, _leave: leave })
    }

    /// Closes the door: when this returns, nobody comes in any more.
    pub async fn close(&mut self) {
        drop(self.close.take());
        let _ = (&mut self.closed).await;
    }

    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }
}

impl Host {
    /// Lets callers in, for ever.
    async fn welcome(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            while self.connections.len() >= self.most {
                tokio::time::sleep(LOOK_FOR_ROOM).await;
            }
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    let seat = self.connections.sit();
                    tokio::spawn(self.clone().greet(stream, peer.ip(), seat));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    async fn greet(self: Arc<Self>, stream: TcpStream, peer: IpAddr, seat: Seat) {
        if self.tls.is_some() {
            return self.greet_unseen(stream, peer, seat).await;
        }
        let Some(is_probe) = is_probe(&stream, &seat).await else { return };
        if is_probe {
            let desk = self.desk_of_porch();
            return attend::attend(Line::Plain(stream), peer, seat, desk, self.speaker.clone())
                .await;
        }
        let Some(place) = self.place(&seat).await else { return };
        // It has to leave the reactor of this thread for the one of the workers.
        let Ok(stream) = stream.into_std() else { return };
        let (desk, speaker) = (self.desk_of_workers(), self.speaker.clone());
        self.workers.spawn(async move {
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            attend::attend(Line::Plain(stream), peer, seat, desk, speaker).await;
            drop(place);
        });
    }

    /// Offers a connection whose first line is still sealed to the workers, and shakes hands here
    /// if none of them comes.
    async fn greet_unseen(self: Arc<Self>, stream: TcpStream, peer: IpAddr, seat: Seat) {
        let Some(place) = self.place(&seat).await else { return };
        let Ok(stream) = stream.into_std() else { return };
        let offered = Arc::new(Mutex::new(Some((stream, seat, place))));
        let taken = self.workers.spawn({
            let (host, offered) = (self.clone(), offered.clone());
            async move {
                let Some((stream, seat, place)) = offered.lock().take() else { return };
                host.shake_hands(stream, peer, seat, host.desk_of_workers()).await;
                drop(place);
            }
        });
        let _ = tokio::time::timeout(WORKER_PATIENCE, taken).await;
        let left_over = offered.lock().take();
        if let Some((stream, seat, _place)) = left_over {
            self.shake_hands(stream, peer, seat, self.desk_of_porch()).await;
        }
    }

    async fn shake_hands(&self, stream: std::net::TcpStream, peer: IpAddr, seat: Seat, desk: Desk) {
        let (Some(tls), Ok(stream)) = (&self.tls, TcpStream::from_std(stream)) else { return };
        let shaken = tokio::time::timeout(self.handshake_time, async {
            let mut first = [0];
            stream.peek(&mut first).await?;
            // TLS begins with 22; a method of HTTP with a capital.
            if first[0].is_ascii_uppercase() {
                let stream = Watched::new(Line::Plain(stream), seat.watch.clone());
                last_word::refuse_plain(stream, peer).await;
                return Err(io::ErrorKind::InvalidData.into());
            }
            tls.acceptor.accept(stream).await
        });
        // Whoever can't shake hands in time was no caller of ours.
        if let Ok(Ok(stream)) = shaken.await {
            let line = Line::Sealed(Box::new(stream));
            attend::attend(line, peer, seat, desk, self.speaker.clone()).await;
        }
    }

    /// Waits until there is room inside; `None` when the caller has to go first.
    async fn place(&self, seat: &Seat) -> Option<Place> {
        if let Ok(place) = self.room.clone().try_acquire_owned() {
            return Some(place);
        }
        let told_to_go = poll_fn(|context| match seat.watch.order(context) {
            Order::GoOn => Poll::Pending,
            Order::Finish | Order::Cut => Poll::Ready(()),
        });
        tokio::select! {
            place = self.room.clone().acquire_owned() => place.ok(),
            () = told_to_go => None,
        }
    }

    fn desk_of_porch(&self) -> Desk {
        Desk { doorway: self.doorway.clone(), workers: Some(self.workers.clone()) }
    }

    fn desk_of_workers(&self) -> Desk {
        Desk { doorway: self.doorway.clone(), workers: None }
    }
}

/// Looks at the first bytes without taking them. `None` when there will be none.
async fn is_probe(stream: &TcpStream, seat: &Seat) -> Option<bool> {
    let mut bytes = [0; FIRST_LINE_BYTES];
    let mut buffer = ReadBuf::new(&mut bytes);
    let seen = poll_fn(|context| {
        if let Poll::Ready(seen) = stream.poll_peek(context, &mut buffer) {
            return Poll::Ready(seen.ok().filter(|count| *count > 0));
        }
        match seat.watch.order(context) {
            Order::GoOn => Poll::Pending,
            Order::Finish | Order::Cut => Poll::Ready(None),
        }
    });
    let count = seen.await?;
    Some(asks_for_life(&bytes[..count]))
}

/// Whether a request that begins with `bytes` is a probe. A first line that comes in pieces is
/// none: they are too short for that.
fn asks_for_life(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"GET ").or_else(|| bytes.strip_prefix(b"HEAD "));
    let path = rest.and_then(|rest| {
        let end = rest.iter().position(|byte| matches!(byte, b' ' | b'?'))?;
        std::str::from_utf8(&rest[..end]).ok()
    });
    path.is_some_and(attend::is_vital)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_ask_for_life_stay_on_the_porch() {
        for line in ["GET /health HTTP/1.1\r\n", "HEAD /health/live HTTP", "GET /health?x=1 HTTP/1"]
        {
            assert!(asks_for_life(line.as_bytes()), "{line}");
        }
        for line in [
            "GET /health/ready HTTP/1.1",
            "GET /healthy HTTP/1.1",
            "GET /health/live",
            "POST /health HTTP/1.1",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /\u{fffd} HTTP/1.1",
            "",
        ] {
            assert!(!asks_for_life(line.as_bytes()), "{line}");
        }
    }
}
