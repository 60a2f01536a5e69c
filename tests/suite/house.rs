//! The real server in this process on a free port, and callers who speak to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use holdall::app::{App, Options};
use holdall::auth::keys::SigningKey;
use holdall::clock::Clock;
use holdall::config::Admin;
use holdall::config::secret::Secret;
use holdall::http::serve;
use holdall::store::{Home, Store};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The moment at which a house's clock stands: 2026-11-21 05:32:23.830Z.
pub const MORNING_MS: i64 = 1_795_239_143_830;

/// Address and password of the superuser that every house has.
pub const SUPERUSER: (&str, &str) = ("root@example.com", "a password for tests");

static KEY: LazyLock<Arc<SigningKey>> = LazyLock::new(|| Arc::new(SigningKey::generate()));

/// Sets the state in a data directory aside, so that it is made anew.
pub fn forget_state(data: &Path) {
    let derive = Arc::new(holdall::domain::derive::Derive);
    let options = holdall::store::Options::new(Home::Files(data.to_owned()), derive);
    Store::forget_state(&options).unwrap();
}

/// A running server; stops when dropped.
pub struct House {
    pub app: App,
    pub address: SocketAddr,
    /// The runtime whose workers answer.
    pub workers: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Somebody who calls the house.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    headers: HeaderMap,
}

/// What the house said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    /// The bytes as JSON; `Null` where they are none.
    pub body: Value,
}

impl House {
    /// Starts a house with nothing on disk, whose clock stands at [`MORNING_MS`].
    pub fn new() -> Self {
        Self::with(Options { clock: Clock::set(MORNING_MS), ..Options::default() })
    }

    /// Starts a house with other settings.
    pub fn with(mut options: Options) -> Self {
        // One key for all houses: making one takes longer than most tests.
        options.keys.signing.get_or_insert_with(|| KEY.clone());
        options.admin.get_or_insert_with(|| Admin {
            email: SUPERUSER.0.to_owned(),
            password: Secret::new(SUPERUSER.1),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let workers = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let app = App::open(options).expect("the app opens");
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
                let address = listener.local_addr().expect("it is bound");
                tell.send((app.clone(), address)).expect("the test waits");
                serve::run(listener, app, async {
                    let _ = stopped.await;
                })
                .await
                .expect("the house serves");
            });
            runtime.shutdown_background();
        });
        let (app, address) = told.recv().expect("the house starts");
        Self { app, address, workers, stop: Some(stop), thread: Some(thread) }
    }

    /// Somebody who has not signed in.
    pub fn guest(&self) -> Client {
        Client { address: self.address, headers: HeaderMap::new() }
    }

    /// The superuser, signed in.
    pub async fn superuser(&self) -> Client {
        self.sign_in("_superusers", SUPERUSER.0, SUPERUSER.1).await
    }

    /// Somebody who has just signed in to `collection` by password.
    pub async fn sign_in(&self, collection: &str, email: &str, password: &str) -> Client {
        let path = format!("/api/collections/{collection}/auth-with-password");
        let body = serde_json::json!({ "identity": email, "password": password });
        let answer = self.guest().post(&path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.guest().holding(answer.body["token"].as_str().expect("a token"))
    }

    /// Tells the house to stop, without waiting for it.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the house ends well");
            }
        }
    }
}

impl Client {
    /// Somebody who calls a house that runs elsewhere.
    pub fn of(address: SocketAddr) -> Self {
        Self { address, headers: HeaderMap::new() }
    }

    /// The same caller, with one more header on every request.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header value"));
        self
    }

    /// The same caller, signed in.
    pub fn holding(self, token: &str) -> Self {
        self.with(AUTHORIZATION.as_str(), token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send_json(Method::POST, path, &body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send_json(Method::PATCH, path, &body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send_json(Method::PUT, path, &body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, Bytes::new()).await
    }

    pub async fn send_json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let client = self.clone().with(CONTENT_TYPE.as_str(), "application/json");
        client.send(method, path, Bytes::from(body.to_string())).await
    }

    /// Sends anything, on a connection of its own.
    pub async fn send(&self, method: Method, path: &str, body: Bytes) -> Answer {
        let stream = TcpStream::connect(self.address).await.expect("the house listens");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
        let connection = tokio::spawn(connection);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("an address");
        *request.headers_mut() = self.headers.clone();
        let host = self.address.to_string().parse().expect("an address is a header value");
        request.headers_mut().insert(HOST, host);
        let (parts, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        connection.abort();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes, body }
    }
}

impl Answer {
    /// The first value of a header, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
