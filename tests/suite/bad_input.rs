//! What comes in from people who mean ill, or do not know better: a clear answer, and life goes on.

use std::time::Duration;

use bytes::Bytes;
use holdall::app::{Limits, Options};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::House;

/// Longer than any answer takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends raw bytes and returns all that comes back until the house closes the connection.
async fn say(house: &House, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    // The house may hang up before it has read everything.
    let _ = stream.write_all(bytes).await;
    hear(&mut stream).await
}

async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut piece)).await;
        match read.expect("the house hangs up in time") {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&heard).into_owned(),
            Ok(count) => heard.extend_from_slice(&piece[..count]),
        }
    }
}

async fn check_alive(house: &House) {
    assert_eq!(house.guest().get("/health/live").await.status, 200);
}

fn status(heard: &str) -> &str {
    heard.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn oversized_heads_are_refused_in_the_envelope() {
    let (house, limits) = (House::new(), Limits::default());
    let long = format!("/api/health?{}", "x".repeat(limits.url_bytes));
    let answer = house.guest().get(&long).await;
    assert_eq!((answer.status, &answer.body["code"]), (414, &"url_too_long".into()));
    let wide =
        house.guest().with("x-wide", &"x".repeat(limits.header_bytes)).get("/api/health").await;
    assert_eq!((wide.status, &wide.body["code"]), (431, &"headers_too_large".into()));
    let huge = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    check_refused(&say(&house, huge.as_bytes()).await, 431, "headers_too_large");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5000));
    check_refused(&say(&house, many.as_bytes()).await, 431, "headers_too_large");
    let endless = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000));
    check_refused(&say(&house, endless.as_bytes()).await, 414, "url_too_long");
    check_alive(&house).await;
}

/// What was heard is one whole refusal in the envelope, with the headers that every answer has.
#[track_caller]
fn check_refused(heard: &str, status: u16, code: &str) {
    let (head, body) = heard.split_once("\r\n\r\n").unwrap_or_else(|| panic!("heard {heard:?}"));
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("heard {heard:?}"));
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {head}"))
    };
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert_eq!((&body["status"], &body["code"]), (&status.into(), &code.into()));
    assert_eq!((&body["data"], body.as_object().unwrap().len()), (&json!({}), 5));
    assert!(!body["message"].as_str().unwrap().is_empty());
    assert!(!header("x-request-id").is_empty());
    assert_eq!(body["request_id"], header("x-request-id"));
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(!header("date").is_empty());
}

#[tokio::test]
async fn what_is_not_http_gets_400_in_the_envelope() {
    let house = House::new();
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /api/health HTTP/9.9\r\n\r\n",
        b"GET /api/\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\nbad name: 1\r\n\r\n",
        b"POST /api/health HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n",
        b"POST /api/health HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST /api/health HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
    ] {
        // Whether or not the caller says that there is no more.
        check_refused(&say(&house, bytes).await, 400, "bad_request");
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        check_refused(&hear(&mut stream).await, 400, "bad_request");
    }
    check_alive(&house).await;
}

#[tokio::test]
async fn a_request_names_one_host() {
    let house = House::new();
    for (head, code) in [
        ("HTTP/1.1\r\n", 400),
        ("HTTP/1.1\r\nhost: a\r\nhost: b\r\n", 400),
        ("HTTP/1.1\r\nhost: a\r\nHost: a\r\n", 400),
        ("HTTP/1.1\r\nhost: a, b\r\n", 400),
        ("HTTP/1.1\r\nhost: a b\r\n", 400),
        ("HTTP/1.1\r\nhost: a\tb\r\n", 400),
        ("HTTP/1.1\r\nhost: b@a\r\n", 400),
        ("HTTP/1.1\r\nhost: a/b\r\n", 400),
        ("HTTP/1.1\r\nhost: a\\b\r\n", 400),
        ("HTTP/1.1\r\nhost: a?b\r\n", 400),
        ("HTTP/1.1\r\nhost: a#b\r\n", 400),
        ("HTTP/1.1\r\nhost: \"a\"\r\n", 400),
        ("HTTP/1.1\r\nhost: <a>\r\n", 400),
        ("HTTP/1.1\r\nhost: a\r\n", 200),
        ("HTTP/1.1\r\nhost: a_b.example-1.org:80\r\n", 200),
        ("HTTP/1.1\r\nhost: [fe80::1%25eth0]:80\r\n", 200),
        ("HTTP/1.1\r\nhost:\r\n", 200),
        ("HTTP/1.0\r\n", 200),
    ] {
        for path in ["/health/live", "/api/health"] {
            let request = format!("GET {path} {head}connection: close\r\n\r\n");
            let heard = say(&house, request.as_bytes()).await;
            match code {
                200 => assert_eq!(status(&heard), "200", "{request}"),
                _ => check_refused(&heard, code, "bad_request"),
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_header_lines_are_taken_and_no_more() {
    let house = House::new();
    for (lines, code) in [(100, 200), (101, 431)] {
        let more = "a: b\r\n".repeat(lines - 2);
        let request =
            format!("GET /api/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{more}\r\n");
        let heard = say(&house, request.as_bytes()).await;
        match code {
            200 => assert_eq!(status(&heard), "200", "{heard}"),
            _ => check_refused(&heard, code, "headers_too_large"),
        }
    }
}

#[tokio::test]
async fn good_request_is_answered_before_the_bad_one_behind_it() {
    let house = House::new();
    let both = b"GET /api/health HTTP/1.1\r\nhost: a\r\n\r\nhello\r\n\r\n";
    let heard = say(&house, both).await;
    let (first, second) = heard.split_at(heard.rfind("HTTP/1.1 ").unwrap());
    assert!(first.starts_with("HTTP/1.1 200 ") && first.ends_with("\"data\":{}}"), "{heard}");
    check_refused(second, 400, "bad_request");
}

#[tokio::test]
async fn invalid_utf8_and_odd_escapes_are_not_found() {
    let house = House::new();
    for path in ["/api/%ff%fe", "/api/collections/%c3%28/records", "/api/%00", "/%zz", "/api/%"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let heard = say(&house, request.as_bytes()).await;
        assert!(["400", "404"].contains(&status(&heard)), "{path}: {heard}");
        assert!(heard.contains(r#""request_id""#), "{path}: {heard}");
    }
    let raw =
        say(&house, b"GET /api/\xff\xfe HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(["400", "404", ""].contains(&status(&raw)), "{raw}");
    let header =
        b"GET /health HTTP/1.1\r\nhost: a\r\nx-request-id: \xff\xfe\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&say(&house, header).await), "200");
}

#[tokio::test]
async fn nobody_climbs_out_of_the_site() {
    let public = tempfile::tempdir().unwrap();
    std::fs::write(public.path().join("index.html"), "home").unwrap();
    let options = Options { public: Some(public.path().to_owned()), ..Options::default() };
    let house = House::with(options);
    for path in [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2f..%2fetc/passwd",
        "/..%5c..%5cetc/passwd",
        "//etc/passwd",
        "/_/../../etc/passwd",
        "/_/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/./etc/passwd%00.html",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let heard = say(&house, request.as_bytes()).await;
        assert!(!heard.contains("root:"), "{path}: {heard}");
        assert!(!status(&heard).starts_with('5'), "{path}: {heard}");
    }
    check_alive(&house).await;
}

#[tokio::test]
async fn callers_who_close_their_side_are_answered_what_they_asked_whole() {
    let house = House::new();
    let half_closed = async |bytes: &[u8]| {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        hear(&mut stream).await
    };
    let sign_in = |body: &str, length: usize| {
        format!(
            "POST /api/collections/_superusers/auth-with-password HTTP/1.1\r\nhost: a\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let body = r#"{"identity":"nobody@example.com","password":"a long one"}"#;
    for (bytes, expected) in [
        ("GET /api/hea", ""),
        (&sign_in(body, 99)[..], "400"),
        (&sign_in(body, body.len()), "400"),
        ("GET /health/ready HTTP/1.1\r\nhost: a\r\n\r\n", "200"),
        ("GET /api/collections/users/records HTTP/1.1\r\nhost: a\r\n\r\n", "200"),
    ] {
        assert_eq!(status(&half_closed(bytes.as_bytes()).await), expected, "{bytes}");
    }
    check_alive(&house).await;
}

#[tokio::test]
async fn slow_loris_and_idlers_are_cut_off() {
    let limits = Limits {
        header_time: Duration::from_millis(100),
        keep_alive: Duration::from_millis(200),
        ..Limits::default()
    };
    let house = House::with(Options { limits, ..Options::default() });
    let mut silent = TcpStream::connect(house.address).await.unwrap();
    let mut slow = TcpStream::connect(house.address).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: a\r\nx: ").await.unwrap();
    let mut idle = TcpStream::connect(house.address).await.unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(hear(&mut silent).await, "");
    assert_eq!(hear(&mut slow).await, "");
    assert_eq!(status(&hear(&mut idle).await), "200");
    check_alive(&house).await;
}

#[tokio::test]
async fn bodies_that_do_not_arrive_in_time_are_their_senders_fault() {
    let limits = Limits { request_time: Duration::from_millis(50), ..Limits::default() };
    let house = House::with(Options { limits, ..Options::default() });
    for framing in ["content-length: 9\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n9\r\nabc"] {
        let request = format!(
            "POST /api/collections/users/auth-with-password HTTP/1.1\r\nhost: a\r\n\
             content-type: application/json\r\nconnection: close\r\n{framing}"
        );
        check_refused(&say(&house, request.as_bytes()).await, 408, "timed_out");
    }
    check_alive(&house).await;
}

#[tokio::test]
async fn odd_methods_are_not_found() {
    let house = House::new();
    for method in ["BREW", "TRACE", "PROPFIND", "get"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = house.guest().send(method, "/api/health", Bytes::new()).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &"not_found".into()));
    }
}

#[tokio::test]
async fn ten_thousand_idle_connections_disturb_nobody() {
    const IDLERS: usize = 10_000;
    holdall::telemetry::process::raise_max_files();
    // Both ends are in this process.
    let needed = 2 * IDLERS as u64 + 500;
    let allowed = holdall::telemetry::process::max_files();
    let house = House::new();
    let idlers = match allowed >= needed {
        true => IDLERS,
        false => (allowed as usize).saturating_sub(2000) / 2,
    };
    if idlers < IDLERS {
        eprintln!("only {idlers} of {IDLERS} connections: {allowed} open files are allowed here");
    }
    let mut held = Vec::with_capacity(idlers);
    for _ in 0..idlers {
        held.push(TcpStream::connect(house.address).await.unwrap());
    }
    check_alive(&house).await;
    drop(held);
    check_alive(&house).await;
}

#[tokio::test]
async fn blank_in_an_address_is_refused_with_what_to_write() {
    let house = House::new();
    let heard = say(&house, b"GET /api/health?a=b c HTTP/1.1\r\nhost: a\r\n\r\n").await;
    check_refused(&heard, 400, "bad_request");
    assert!(heard.contains("percent-encoded"), "{heard}");
}

#[tokio::test]
async fn addresses_may_be_typed_as_they_are_meant() {
    let house = House::new();
    let request = |filter: &str, end: &str| {
        format!(
            "GET /api/collections/users/records?filter={filter} HTTP/1.1\r\nhost: a\r\n{end}\r\n"
        )
    };
    let body = r#"{"identity":"<\">","password":"x"}"#;
    let sign_in = format!(
        "POST /api/collections/users/auth-with-password HTTP/1.1\r\nhost: a\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let last = request("name<\"b\"", "connection: close\r\n");
    let all = [request("name=\"a\"", ""), sign_in, request("name>\"a\"", ""), last].concat();
    let heard = say(&house, all.as_bytes()).await;
    let statuses: Vec<&str> = heard.split("HTTP/1.1 ").skip(1).map(|it| &it[..3]).collect();
    assert_eq!(statuses, ["200", "400", "200", "200"], "{heard}");
    // The body between them came as it was sent.
    assert!(!heard.contains("not valid JSON"), "{heard}");
}

#[tokio::test]
async fn strangers_are_turned_away_before_their_body_is_read() {
    let house = House::new();
    let guest = house.guest().with("content-type", "application/json");
    for (method, path) in [
        (Method::PUT, "/api/collections/import"),
        (Method::POST, "/api/collections"),
        (Method::PATCH, "/api/collections/users"),
        (Method::POST, "/api/collections/meta/dry-run-view"),
        (Method::POST, "/api/collections/users/explain"),
        (Method::POST, "/api/collections/users/impersonate/x"),
        (Method::PATCH, "/api/settings"),
    ] {
        let answer = guest.send(method, path, Bytes::from_static(b"{bad")).await;
        assert_eq!(answer.status, 401, "{path}");
    }
}

#[tokio::test]
async fn an_import_says_clearly_whether_it_deletes() {
    let house = House::new();
    let root = house.superuser().await;
    let list = json!([{"name": "notes", "type": "base", "fields": []}]);
    for unclear in [json!("true"), json!(1), json!([]), json!("")] {
        let body = json!({"collections": list, "deleteMissing": unclear});
        let refused = root.put("/api/collections/import", body).await;
        assert_eq!(refused.status, 400, "{unclear}");
        assert_eq!(refused.body["data"]["deleteMissing"]["code"], "validation_invalid_value");
    }
    let body = json!({"collections": list, "deleteMissing": null});
    assert_eq!(root.put("/api/collections/import", body).await.status, 204);
}

#[tokio::test]
async fn body_is_judged_only_where_there_is_somebody_to_read_it() {
    let house = House::new();
    let root = house.superuser().await.with("content-type", "application/json");
    let send = async |method: Method, path: &str, body: &'static str| {
        root.send(method, path, Bytes::from_static(body.as_bytes())).await.status
    };
    for (method, path) in [
        (Method::POST, "/api/collections/nowhere/records"),
        (Method::PATCH, "/api/collections/nowhere/records/x"),
        (Method::POST, "/api/collections/nowhere/auth-with-password"),
        (Method::POST, "/api/collections/nowhere/impersonate/x"),
        (Method::PATCH, "/api/collections/nowhere"),
    ] {
        assert_eq!(send(method.clone(), path, "{bad").await, 404, "{path}");
        let known = path.replace("nowhere", "users");
        for bad in ["{bad", r#"{"a":1} x"#] {
            assert_eq!(send(method.clone(), &known, bad).await, 400, "{known}: {bad}");
        }
    }
    // It has no body.
    let refresh = "/api/collections/_superusers/auth-refresh";
    assert_eq!(send(Method::POST, refresh, "{bad").await, 200);
    let guest = house.guest().with("content-type", "application/json");
    let refused = guest.send(Method::POST, refresh, Bytes::from_static(b"{bad")).await;
    assert_eq!(refused.status, 401);

    for (enabled, status) in [(true, 400), (false, 403)] {
        let batch = json!({"batch": {"enabled": enabled}});
        assert_eq!(house.superuser().await.patch("/api/settings", batch).await.status, 200);
        assert_eq!(send(Method::POST, "/api/batch", "{bad").await, status);
    }
}
