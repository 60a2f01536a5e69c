//! `--proxy`: what has not moved yet is answered by another server, through this one.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use holdall::app::{Limits, Options};
use holdall::config::Upstream;
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::house::House;

const PATIENCE: Duration = Duration::from_secs(20);

/// The server that a team still has: says what it was asked, and a few other things.
async fn neighbour() -> String {
    async fn echo(request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        axum::Json(json!({
            "method": parts.method.as_str(),
            "target": parts.uri.to_string(),
            "host": header("host"),
            "for": header("x-forwarded-for"),
            "forwarded_host": header("x-forwarded-host"),
            "proto": header("x-forwarded-proto"),
            "real_ip": header("x-real-ip"),
            "request_id": header("x-request-id"),
            "traceparent": header("traceparent"),
            "authorization": header("authorization"),
            "secret": header("x-secret"),
            "length": body.len(),
        }))
        .into_response()
    }
    let router = Router::new()
        .route(
            "/legacy/teapot",
            axum::routing::get(async || (StatusCode::IM_A_TEAPOT, "short and stout")),
        )
        .route(
            "/legacy/slow",
            axum::routing::get(async || {
                let first = futures_util::stream::iter([Ok::<_, std::io::Error>("first")]);
                Body::from_stream(first.chain(futures_util::stream::pending()))
            }),
        )
        .fallback(echo);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let service = hyper_util::service::TowerToHyperService::new(router);
        while let Ok((stream, _)) = listener.accept().await {
            let stream = hyper_util::rt::TokioIo::new(stream);
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(stream, service.clone()));
        }
    });
    address
}

fn house(upstreams: &[(&str, &str, &str)]) -> House {
    let upstreams = upstreams.iter().map(|(prefix, authority, path)| Upstream {
        prefix: (*prefix).to_owned(),
        authority: (*authority).to_owned(),
        path: (*path).to_owned(),
    });
    House::with(Options { upstreams: upstreams.collect(), ..Options::default() })
}

#[tokio::test]
async fn the_other_server_learns_whose_request_it_is() {
    let address = neighbour().await;
    let house = house(&[("/legacy", &address, "/legacy")]);
    let caller = house
        .guest()
        .with("x-request-id", "abc-1")
        .with("authorization", "Bearer t")
        .with("x-forwarded-for", "203.0.113.9")
        .with("connection", "x-secret")
        .with("x-secret", "between us");
    let answer = caller.post("/legacy/a%20b?c=d&e", json!({ "x": 1 })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let heard = &answer.body;
    assert_eq!(
        (&heard["method"], &heard["target"]),
        (&json!("POST"), &json!("/legacy/a%20b?c=d&e"))
    );
    assert_eq!((&heard["host"], &heard["length"]), (&json!(address), &json!(7)));
    assert_eq!(heard["for"], "203.0.113.9, 127.0.0.1");
    assert_eq!(heard["forwarded_host"], house.address.to_string());
    assert_eq!((&heard["proto"], &heard["request_id"]), (&json!("http"), &json!("abc-1")));
    assert_eq!(heard["traceparent"], answer.header("traceparent"));
    assert_eq!((&heard["authorization"], &heard["secret"]), (&json!("Bearer t"), &json!(null)));
}

#[tokio::test]
async fn only_a_trusted_proxy_says_how_somebody_came() {
    let address = neighbour().await;
    let house = house(&[("/legacy", &address, "/legacy")]);
    let caller = house
        .guest()
        .with("x-forwarded-host", "evil.example")
        .with("x-forwarded-proto", "https")
        .with("x-real-ip", "192.0.2.1");

    let forged = caller.get("/legacy/x").await.body;
    let trust = json!({ "trustedProxy": { "headers": ["X-Forwarded-For"] } });
    assert_eq!(house.superuser().await.patch("/api/settings", trust).await.status, 200);
    let told = caller.get("/legacy/x").await.body;

    let own = house.address.to_string();
    assert_eq!((&forged["forwarded_host"], &forged["proto"]), (&json!(own), &json!("http")));
    assert_eq!(told["forwarded_host"], "evil.example");
    assert_eq!(told["proto"], "https");
    for heard in [forged, told] {
        assert_eq!(heard["real_ip"], json!(null), "nobody trusts this one");
    }
}

#[tokio::test]
async fn only_whole_segments_below_the_prefix_are_passed_on() {
    let address = neighbour().await;
    let house = house(&[("/legacy", &address, "/old"), ("/api", &address, "/api")]);
    assert_eq!(house.guest().get("/legacy").await.body["target"], "/old");
    assert_eq!(house.guest().get("/legacy/x").await.body["target"], "/old/x");
    assert_eq!(house.guest().get("/legacyx").await.status, 404);
    assert_eq!(house.guest().get("/api/reports").await.body["target"], "/api/reports");
    assert_eq!(house.guest().get("/api/health").await.body["message"], "API is healthy.");
    assert_eq!(house.guest().get("/_/").await.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn no_path_leads_out_of_the_prefix() {
    let address = neighbour().await;
    let house = house(&[("/legacy", &address, "/legacy")]);
    for path in ["/legacy/%2e%2e/x", "/legacy/..%2fx", "/legacy/..%5cx", "/legacy/a%00"] {
        let answer = house.guest().get(path).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("bad_request")), "{path}");
    }
    for path in ["/legacy/a%2fb%5C%25", "/legacy/a..b/c+d;e", "/legacy//%C3%A5%ff?x=%00&y=../.."] {
        assert_eq!(house.guest().get(path).await.body["target"], path);
    }
}

#[tokio::test]
async fn its_errors_are_its_own() {
    let address = neighbour().await;
    let house = house(&[("/legacy", &address, "/legacy")]);
    let teapot = house.guest().get("/legacy/teapot").await;
    assert_eq!((teapot.status, &teapot.bytes[..]), (418, &b"short and stout"[..]));
    let head = house.guest().send(Method::HEAD, "/legacy/teapot", Default::default()).await;
    assert_eq!((head.status, head.header("content-length"), head.bytes.len()), (418, "15", 0));
}

#[tokio::test]
async fn large_bodies_pass_through() {
    let address = neighbour().await;
    let house = house(&[("/legacy", &address, "/legacy")]);
    let body = vec![7; 5_000_000];
    let answer = house.guest().send(Method::PUT, "/legacy/film", body.into()).await;
    assert_eq!((answer.status, &answer.body["length"]), (200, &json!(5_000_000)));
}

#[tokio::test]
async fn what_is_there_comes_before_the_rest() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = neighbour().await;
    let house = house(&[("/legacy", &address, "/legacy")]);
    let mut stream = tokio::net::TcpStream::connect(house.address).await.unwrap();
    stream.write_all(b"GET /legacy/slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    while !said.windows(5).any(|part| part == b"first") {
        assert!(
            stream.read_buf(&mut said).await.unwrap() > 0,
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_bad_gateway() {
    // Bound and let go again: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let house = house(&[("/legacy", &free.to_string(), "/legacy")]);
    let answer = house.guest().get("/legacy/x").await;
    assert_eq!((answer.status, &answer.body["code"]), (502, &json!("bad_gateway")));
}

#[tokio::test]
async fn a_circle_ends() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = listener.local_addr().unwrap().to_string();
    let back = house(&[("/round", &first, "/round")]);
    drop(listener);
    let turns = (0..5).map(|_| "1.1 holdall").collect::<Vec<_>>().join(", ");
    let answer = back.guest().with("via", &turns).get("/round/x").await;
    assert_eq!((answer.status, &answer.body["code"]), (502, &json!("bad_gateway")));
}

/// A house that looks after its callers often, before a server at `address`.
fn watchful(address: &str) -> House {
    let upstreams = vec![Upstream {
        prefix: "/legacy".to_owned(),
        authority: address.to_owned(),
        path: "/legacy".to_owned(),
    }];
    let limits = Limits { stall_time: Duration::from_millis(200), ..Limits::default() };
    House::with(Options { upstreams, limits, ..Options::default() })
}

#[tokio::test]
async fn nobody_works_for_a_caller_who_is_gone() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = watchful(&silent.local_addr().unwrap().to_string());
    let mut caller = TcpStream::connect(house.address).await.unwrap();
    caller.write_all(b"GET /legacy/x HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let (mut asked, _) = silent.accept().await.unwrap();
    let mut heard = [0; 4096];
    assert!(asked.read(&mut heard).await.unwrap() > 0);

    caller.set_zero_linger().unwrap();
    drop(caller);

    let given_up = async { while asked.read(&mut heard).await.unwrap_or(0) > 0 {} };
    tokio::time::timeout(PATIENCE, given_up).await.unwrap();
}

#[tokio::test]
async fn silent_streams_end_for_callers_who_have_said_all() {
    let house = watchful(&neighbour().await);
    let mut caller = TcpStream::connect(house.address).await.unwrap();
    caller.write_all(b"GET /legacy/slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut heard = [0; 4096];
    assert!(caller.read(&mut heard).await.unwrap() > 0);

    caller.shutdown().await.unwrap();

    let ended = async { while caller.read(&mut heard).await.unwrap_or(0) > 0 {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
}
