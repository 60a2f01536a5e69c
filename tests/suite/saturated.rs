//! A house in which nobody has a hand free still says that it lives.

use std::hint;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use bytes::Bytes;
use holdall::store::{Order, Range, Read};
use http::Method;
use serde_json::json;

use crate::house::{House, MORNING_MS};

/// Threads that tokio gives to blocking work at most.
const BLOCKING_THREADS: usize = 512;
/// Async workers of a house in tests.
const WORKERS: usize = 2;

/// Work that ends when it is told to.
#[derive(Default)]
struct Toil {
    is_over: Arc<(Mutex<bool>, Condvar)>,
    /// The same for those who burn a processor instead of sleeping.
    is_cold: Arc<AtomicBool>,
    at_work: Arc<AtomicUsize>,
}

impl Toil {
    /// Something that holds a thread until the end of all toil.
    fn hold(&self) -> impl FnOnce() + Send + 'static {
        let (is_over, at_work) = (self.is_over.clone(), self.at_work.clone());
        move || {
            at_work.fetch_add(1, Ordering::SeqCst);
            let (is_over, told) = &*is_over;
            drop(told.wait_while(is_over.lock().unwrap(), |is_over| !*is_over).unwrap());
        }
    }

    /// The same, but the thread computes all the while.
    fn burn(&self) -> impl FnOnce() + Send + 'static {
        let (is_cold, at_work) = (self.is_cold.clone(), self.at_work.clone());
        move || {
            at_work.fetch_add(1, Ordering::SeqCst);
            while !is_cold.load(Ordering::Relaxed) {
                hint::spin_loop();
            }
        }
    }

    fn wait_until_at_work(&self, count: usize) {
        while self.at_work.load(Ordering::SeqCst) < count {
            thread::yield_now();
        }
    }

    fn end(&self) {
        *self.is_over.0.lock().unwrap() = true;
        self.is_over.1.notify_all();
        self.is_cold.store(true, Ordering::Relaxed);
    }
}

impl Drop for Toil {
    fn drop(&mut self) {
        self.end();
    }
}

/// Rules may run twice; this works once.
fn once(work: impl FnOnce() + Send + 'static) -> impl Fn() -> usize + Send + 'static {
    let work = Mutex::new(Some(work));
    move || work.lock().unwrap().take().map(|work| work()).iter().count()
}

#[tokio::test]
async fn lives_while_every_worker_every_lane_and_every_blocking_thread_is_taken() {
    let house = House::new();
    let toil = Toil::default();
    // Lanes first, with a queue before each; then what is left of the blocking threads.
    for _ in 0..2000 {
        let (read, write, hash) = (toil.hold(), toil.hold(), toil.hold());
        let app = house.app.clone();
        house.workers.spawn(async move {
            let (read, write) = (once(read), once(write));
            let reads = app.read(move |snapshot| {
                // More than a glance answers: this is for the lane.
                snapshot.scan(&Range::prefix(b""), Order::Forward, usize::MAX)?;
                Ok(read())
            });
            let writes = app.write(move |_| Ok(write()));
            let hashes = app.hash(move || {
                hash();
                Ok(())
            });
            tokio::join!(reads, writes, hashes)
        });
    }
    let lanes = house.app.lanes();
    for lane in [&lanes.reads, &lanes.writes, &lanes.hashing] {
        while lane.at_work() == 0 || lane.waiting() == 0 {
            thread::yield_now();
        }
    }
    for _ in 0..BLOCKING_THREADS {
        house.workers.spawn_blocking(toil.hold());
    }
    toil.wait_until_at_work(BLOCKING_THREADS);
    for _ in 0..WORKERS {
        let burn = toil.burn();
        house.workers.spawn(async move { burn() });
    }
    toil.wait_until_at_work(BLOCKING_THREADS + WORKERS);
    let guest = house.guest();
    let waiting = tokio::spawn(async move { guest.get("/api/health").await });

    for _ in 0..20 {
        for (path, status) in [("/health/live", "UP"), ("/health", "healthy")] {
            let answer = house.guest().get(path).await;
            assert_eq!((answer.status, &answer.body["status"]), (200, &json!(status)));
            assert!(!answer.header("x-request-id").is_empty());
            let head = house.guest().send(Method::HEAD, path, Bytes::new()).await;
            assert_eq!(head.status, 200);
        }
    }

    assert!(!waiting.is_finished(), "somebody had a hand free");
    toil.end();
    assert_eq!(waiting.await.unwrap().status, 200);
}

#[tokio::test]
async fn lives_when_the_house_is_full() {
    use holdall::app::{Limits, Options};
    use holdall::clock::Clock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    let limits = Limits { connections: 2, ..Limits::default() };
    let house =
        House::with(Options { limits, clock: Clock::set(MORNING_MS), ..Options::default() });
    let mut inside = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(b"GET /api/health HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        inside.push(stream);
    }
    let guest = house.guest();
    let waiting = tokio::spawn(async move { guest.get("/api/health").await });

    for _ in 0..5 {
        assert_eq!(house.guest().get("/health/live").await.status, 200);
    }

    assert!(!waiting.is_finished(), "a third one came in");
    inside.pop();
    assert_eq!(waiting.await.unwrap().status, 200);
}

#[tokio::test]
async fn whoever_asked_for_life_may_ask_for_more_on_the_same_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    let house = House::new();
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let requests = ["/health/live", "/api/health", "/health", "/_/", "/health/ready"];
    for path in requests {
        let last = path == "/health/ready";
        let close = if last { "connection: close\r\n" } else { "" };
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{close}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    let heard = String::from_utf8_lossy(&heard);
    assert_eq!(heard.matches("HTTP/1.1 200 OK\r\n").count(), requests.len(), "{heard}");
}
