//! Connections to other servers, kept while they may be used again.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

/// A neighbour that has not taken the connection by then is not there.
const CONNECT_TIME: Duration = Duration::from_secs(5);
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
#[derive(Clone, Default)]
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
                Ok(response) => return Ok(self.answered(server, connection, response)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Silence::Exchange(failed.into_error())),
                },
            }
        }
        let mut connection = connect(server).await?;
        let response = connection.send_request(request).await.map_err(Silence::Exchange)?;
        Ok(self.answered(server, connection, response))
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

    /// Keeps the connection once the answer is through.
    fn answered(
        &self,
        server: &str,
        mut connection: SendRequest<Body>,
        response: Response<Incoming>,
    ) -> Response<Incoming> {
        let (all, server) = (self.clone(), server.to_owned());
        tokio::spawn(async move {
            // An error means that this was its last answer.
            if connection.ready().await.is_ok() {
                all.keep(server, connection);
            }
        });
        response
    }

    fn keep(&self, server: String, connection: SendRequest<Body>) {
        let mut idle = self.idle.lock();
        idle.by_server.entry(server).or_default().push((Instant::now(), connection));
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::spawn(sweep(self.idle.clone()));
        }
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
    let stream = tokio::time::timeout(CONNECT_TIME, TcpStream::connect(server)).await;
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

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
}
