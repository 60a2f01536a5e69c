//! What every request meets: envelope, names, CORS, probes.

use http::Method;
use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn unknown_endpoints_and_methods_are_404_in_the_envelope() {
    let house = House::new();
    for (method, path) in [
        (Method::GET, "/api/nothing"),
        (Method::DELETE, "/api/health"),
        (Method::GET, "/api/health/"),
        (Method::OPTIONS, "/api/health"),
        (Method::from_bytes(b"BREW").unwrap(), "/api/health"),
    ] {
        let answer = house.guest().send(method.clone(), path, Default::default()).await;
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.body["code"], "not_found");
        assert_eq!(answer.body["data"], json!({}));
        assert_eq!(answer.body["request_id"], answer.header("x-request-id"));
        assert_eq!(answer.header("allow"), "");
        assert_eq!(answer.body.as_object().unwrap().len(), 5);
    }
}

#[tokio::test]
async fn request_id_and_trace_of_the_caller_come_back() {
    let house = House::new();
    let caller = house
        .guest()
        .with("x-request-id", "abc-1")
        .with("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let answer = caller.get("/api/health").await;
    assert_eq!(answer.header("x-request-id"), "abc-1");
    assert!(answer.header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
}

#[tokio::test]
async fn browsers_may_call_from_anywhere_by_default() {
    let house = House::new();
    let browser = house.guest().with("origin", "https://app.example.org");
    for path in ["/api/health", "/api/nothing"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("vary"), "Origin");
    }
    let preflight = browser
        .with("access-control-request-method", "PATCH")
        .with("access-control-request-headers", "authorization,x-mine")
        .send(Method::OPTIONS, "/api/anything", Default::default())
        .await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert_eq!(preflight.header("access-control-allow-methods"), "GET,HEAD,PUT,PATCH,POST,DELETE");
    assert_eq!(preflight.header("access-control-allow-headers"), "authorization,x-mine");
}

#[tokio::test]
async fn probes_answer_with_get_and_head() {
    let house = House::new();
    for path in ["/health", "/health/live", "/health/ready", "/ready", "/startup", "/api/health"] {
        assert_eq!(house.guest().get(path).await.status, 200, "{path}");
        let head = house.guest().send(Method::HEAD, path, Default::default()).await;
        assert_eq!((head.status, head.bytes.len()), (200, 0), "{path}");
    }
    let health = house.guest().get("/api/health").await;
    assert_eq!(health.body, json!({ "code": 200, "message": "API is healthy.", "data": {} }));
    let health = house.guest().get("/health").await;
    assert_eq!(health.body["status"], "healthy");
    assert_eq!(health.body["timestamp"], "2026-11-21T05:32:23.830Z");
}

#[tokio::test]
async fn files_are_counted_apart_from_what_is_not_there() {
    let house = House::new();
    for path in ["/", "/_/", "/_/nothing.js"] {
        house.guest().get(path).await;
    }
    let metrics = house.guest().get("/metrics").await;
    let metrics = String::from_utf8(metrics.bytes.to_vec()).unwrap();
    for (route, status) in [("/{file}", 200), ("/_/{file}", 200), ("-", 404)] {
        let series = format!(r#"{{method="GET",route="{route}",status="{status}"}}"#);
        assert!(metrics.contains(&format!("http_requests_total{series}")), "{series}");
    }
}

#[tokio::test]
async fn http_2_is_spoken_to_those_who_know() {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let house = House::new();
    let stream = tokio::net::TcpStream::connect(house.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    for _ in 0..3 {
        let request = http::Request::get(format!("http://{}/api/health", house.address));
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"{\"code\":200"));
    }
}

#[tokio::test]
async fn oversized_bodies_are_refused_before_they_are_read() {
    use holdall::app::{Limits, Options};
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    let house = House::with(Options { limits, ..Options::default() });
    let body = json!({ "identity": "a".repeat(2000), "password": "b" });
    let answer = house.guest().post("/api/collections/users/auth-with-password", body).await;
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!("too_large")));
}

#[tokio::test]
async fn refused_body_may_be_sent_to_its_end() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const SIZE: usize = 40 << 20;
    let house = House::new();
    let lines = "POST /api/collections/users/records HTTP/1.1\r\nhost: x\r\n";
    let mut stream = tokio::net::TcpStream::connect(house.address).await.unwrap();
    stream.write_all(format!("{lines}content-length: {SIZE}\r\n\r\n").as_bytes()).await.unwrap();

    // Those who send first and read then: everything arrives, and the answer is still there.
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..SIZE / piece.len() {
        stream.write_all(&piece).await.expect("the house goes on reading");
    }
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();

    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    assert!(heard.contains(r#""code":"too_large""#), "{heard}");
}
