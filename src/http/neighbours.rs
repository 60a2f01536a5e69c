//! Connections to other servers, kept while they may be used again.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

/// A neighbour that has not taken the connection by then is not there.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long one address of a server is waited for before its next is tried, too.
const HEAD_START: Duration = Duration::from_millis(300);
/// Unused connections are given up before common servers do so, who would race us.
const IDLE_TIME: Duration = Duration::from_secs(4);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    #[error("no connection")]
    Connect(#[source] io::Error),
    #[error("no answer")]
    Exchange(#[source] hyper::Error),
}

/// Speaks HTTP/1.1 with servers named by host and port.
#[derive(Default)]
pub(super) struct Neighbours {
    idle: Arc<Mutex<Idle>>,
}

#[derive(Default)]
struct Idle {
    by_server: HashMap<String, Vec<(Instant, SendRequest<Body>)>>,
    /// Somebody is there who gives up what was unused for too long.
    is_swept: bool,
}

impl Neighbours {
    /// Sends `request`, whose address is a path, to `server`, and returns the beginning of the answer.
    pub async fn ask(
        &self,
        server: &str,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, Silence> {
        // A connection may be closed by the other side at the moment we choose it. What was not
        // begun is sent again, on another.
        while let Some(mut connection) = self.take(server) {
            match connection.try_send_request(request).await {
                Ok(response) => {
                    self.keep(server, connection);
                    return Ok(response);
                }
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Silence::Exchange(failed.into_error())),
                },
            }
        }
        let mut connection = connect(server).await?;
        let response = connection.send_request(request).await.map_err(Silence::Exchange)?;
        self.keep(server, connection);
        Ok(response)
    }

    /// A connection that is open still, the latest used first.
    fn take(&self, server: &str) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock();
        let connections = idle.by_server.get_mut(server)?;
        while let Some((since, connection)) = connections.pop() {
            if since.elapsed() < IDLE_TIME && connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps the connection once its answer is through.
    fn keep(&self, server: &str, mut connection: SendRequest<Body>) {
        let (all, server) = (self.idle.clone(), server.to_owned());
        tokio::spawn(async move {
            // An error means that this was its last answer.
            if connection.ready().await.is_err() {
                return;
            }
            let mut idle = all.lock();
            idle.by_server.entry(server).or_default().push((Instant::now(), connection));
            if !std::mem::replace(&mut idle.is_swept, true) {
                tokio::spawn(sweep(all.clone()));
            }
        });
    }
}

/// Gives up connections that nobody used for too long, until none is left.
async fn sweep(idle: Arc<Mutex<Idle>>) {
    loop {
        tokio::time::sleep(IDLE_TIME).await;
        let mut idle = idle.lock();
        idle.by_server.retain(|_, connections| {
            connections.retain(|(since, connection)| {
                since.elapsed() < IDLE_TIME && !connection.is_closed()
            });
            !connections.is_empty()
        });
        if idle.by_server.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}

async fn connect(server: &str) -> Result<SendRequest<Body>, Silence> {
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let dialled = async { dial(tokio::net::lookup_host(server).await?).await };
    let stream = tokio::time::timeout(CONNECT_TIME, dialled).await;
    let stream = stream.unwrap_or_else(|_| Err(late())).map_err(Silence::Connect)?;
    stream.set_nodelay(true).map_err(Silence::Connect)?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Silence::Exchange)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a connection to another server ended: {error}");
        }
    });
    Ok(sender)
}

/// Tries all addresses of a server, the next as soon as one refuses or takes its time.
async fn dial(mut addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut dialled = FuturesUnordered::new();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let next = addresses.next();
        let is_last = next.is_none();
        dialled.extend(next.map(TcpStream::connect));
        let first = match is_last {
            true => dialled.next().await,
            false => match tokio::time::timeout(HEAD_START, dialled.next()).await {
                Ok(first) => first,
                Err(_) => continue,
            },
        };
        match first {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failed = error,
            None => return Err(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// Answers as many requests on each connection as `patience` allows, then closes it. Every answer
    /// says on which connection it came.
    async fn server(patience: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    for _ in 0..patience {
                        let mut head = [0; 4096];
                        if stream.read(&mut head).await.unwrap() == 0 {
                            return;
                        }
                        let body = number.to_string();
                        let length = body.len();
                        let answer =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        address
    }

    async fn asked(neighbours: &Neighbours, server: &str) -> String {
        let request = Request::get("/x").header("host", server).body(Body::empty()).unwrap();
        let response = neighbours.ask(server, request).await.unwrap();
        let body = axum::body::to_bytes(Body::new(response.into_body()), 64).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_connection_is_used_again() {
        let (neighbours, server) = (Neighbours::default(), server(9).await);
        assert_eq!(asked(&neighbours, &server).await, "0");
        // Whoever keeps the connection is told of the answer's end as we are.
        while neighbours.idle.lock().by_server.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(asked(&neighbours, &server).await, "0");
    }

    #[tokio::test]
    async fn one_that_the_other_side_closed_is_replaced() {
        let (neighbours, server) = (Neighbours::default(), server(1).await);
        for number in ["0", "1", "2"] {
            assert_eq!(asked(&neighbours, &server).await, number);
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_said_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let request = Request::get("/").body(Body::empty()).unwrap();
        let silence = Neighbours::default().ask(&address, request).await.unwrap_err();
        assert!(matches!(silence, Silence::Connect(_)), "{silence}");
    }

    #[tokio::test]
    async fn every_address_of_a_server_is_tried() {
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refuses = closed.local_addr().unwrap();
        drop(closed);
        // Whoever does not accept lets further callers wait.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(1).unwrap();
        let silent = full.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) =
            tokio::time::timeout(Duration::from_millis(99), TcpStream::connect(silent)).await
        {
            waiting.push(stream.unwrap());
        }
        let good_address = good.local_addr().unwrap();
        for first in [refuses, silent] {
            let stream = dial([first, good_address].into_iter()).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), good_address);
        }
        assert!(dial([refuses, refuses].into_iter()).await.is_err());
        assert!(dial(std::iter::empty()).await.is_err());
    }
}
