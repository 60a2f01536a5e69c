//! How the house closes: in order when asked once, at once when told twice.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use holdall::app::{Limits, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::command::Holdall;
use crate::house::House;

/// A request that is under way until its body's last three bytes arrive. Whoever answers it says
/// when he reads the body.
const HALF: &[u8] = b"POST /api/collections/users/auth-with-password HTTP/1.1\r\nhost: a\r\n\
    content-type: application/json\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const OTHER_HALF: &[u8] = b" } ";

/// Sends half a request; returns when the house is about to answer it.
async fn half_a_request(house: &House) -> TcpStream {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(HALF).await.unwrap();
    let mut heard = [0; GO_ON.len()];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, GO_ON);
    stream.write_all(b"{ ").await.unwrap();
    stream
}

#[tokio::test]
async fn shutdown_says_not_ready_before_it_stops_to_listen() {
    let limits = Limits { shutdown_delay: Duration::from_millis(500), ..Limits::default() };
    let mut house = House::with(Options { limits, ..Options::default() });
    let guest = house.guest();
    assert_eq!(guest.get("/ready").await.status, 200);
    house.stop();
    let answer = loop {
        let answer = guest.get("/ready").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((answer.status, &answer.body["status"]), (503, &json!("DOWN")));
    assert_eq!(guest.get("/health/live").await.status, 200);
    let address = house.address;
    drop(house);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn request_under_way_is_answered_before_the_house_closes() {
    let mut house = House::new();
    let mut stream = half_a_request(&house).await;
    house.stop();
    while TcpStream::connect(house.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(OTHER_HALF).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 400 "), "{heard}");
}

#[tokio::test]
async fn who_never_finishes_is_cut_off_at_the_deadline() {
    let limits = Limits { drain_time: Duration::from_millis(50), ..Limits::default() };
    let mut house = House::with(Options { limits, ..Options::default() });
    let mut stream = half_a_request(&house).await;
    house.stop();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert_eq!(String::from_utf8_lossy(&heard), "");
}

/// Starts the binary, and waits until it serves.
fn start() -> (Child, String, tempfile::TempDir) {
    start_with(|_| {})
}

/// The same, when `change` was made to the command. What it logs lies beside its ready file.
fn start_with(change: impl Fn(&mut Command)) -> (Child, String, tempfile::TempDir) {
    let line = "serve --store memory --listen 127.0.0.1:0 --ready-file ready";
    let (mut command, home): (Command, _) = Holdall::new(line).into_command();
    change(&mut command);
    let log = std::fs::File::create(home.path().join("log")).unwrap();
    let child = command.stderr(log).spawn().expect("the binary runs");
    let ready = home.path().join("ready");
    let started = Instant::now();
    while !ready.exists() {
        assert!(started.elapsed() < Duration::from_secs(30), "the server starts");
        std::thread::sleep(Duration::from_millis(5));
    }
    let ready: Value = serde_json::from_slice(&std::fs::read(ready).unwrap()).unwrap();
    assert_eq!(ready["pid"], child.id());
    let url = ready["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
    (child, url, home)
}

fn signal(child: &Child, number: i32) {
    // SAFETY: the child is ours and has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, number) };
}

#[test]
fn first_signal_asks_and_the_second_orders() {
    use std::io::Write;
    let (mut child, address, home) = start();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    stream.write_all(HALF).unwrap();
    signal(&child, libc::SIGTERM);
    // The listener closes, the request under way keeps the process.
    while std::net::TcpStream::connect(&address).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, libc::SIGQUIT);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(128 + libc::SIGQUIT));
    assert!(!home.path().join("ready").exists(), "nobody is ready any more");
}

#[test]
fn signal_ends_an_idle_server_with_0() {
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
        let (mut child, _, home) = start();
        signal(&child, number);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(!home.path().join("ready").exists(), "nobody is ready any more");
    }
}

#[test]
fn a_terminal_that_goes_away_asks_and_never_orders() {
    use std::io::{Read, Write};
    let (mut child, address, _home) = start();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    stream.write_all(HALF).unwrap();
    let mut heard = vec![0; GO_ON.len()];
    stream.read_exact(&mut heard).unwrap();
    signal(&child, libc::SIGHUP);
    while std::net::TcpStream::connect(&address).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&child, libc::SIGHUP);
    stream.write_all(b"{ ").and_then(|()| stream.write_all(OTHER_HALF)).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert!(heard.starts_with("HTTP/1.1 400 "), "{heard}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn signals_that_mean_nothing_leave_the_server_alone() {
    use std::os::unix::process::CommandExt;
    let quiet = |command: &mut Command| {
        // SAFETY: a system call between fork and exec, as nohup(1) makes it.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                Ok(())
            });
        }
    };
    let (mut child, _, home) = start_with(quiet);
    for number in [libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2] {
        signal(&child, number);
    }
    let log = || std::fs::read_to_string(home.path().join("log")).unwrap();
    let started = Instant::now();
    while !log().contains("SIGUSR1 means nothing") || !log().contains("SIGUSR2 means nothing") {
        assert!(started.elapsed() < Duration::from_secs(10), "{}", log());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.try_wait().unwrap().is_none());
    assert!(!log().contains("stopping"), "{}", log());
    signal(&child, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
