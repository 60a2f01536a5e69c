//! What operators see: metrics that Prometheus takes, probes that tell the truth.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use holdall::app::Options;
use holdall::store::{Order, Range, Read};
use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn metrics_please_promtool() {
    let house = House::new();
    house.guest().get("/api/health").await;
    house.guest().get("/api/nothing").await;
    let page = house.guest().get("/metrics").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/plain; version=0.0.4"));
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("skipped: promtool is not installed (Debian: prometheus)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(&page.bytes).unwrap();
    let told = promtool.wait_with_output().unwrap();
    let told =
        String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    assert_eq!(told, "");
}

#[tokio::test]
async fn requests_are_counted_by_method_route_and_status() {
    let house = House::new();
    let count = async || {
        let page = house.guest().get("/metrics").await;
        let text = String::from_utf8(page.bytes.to_vec()).unwrap();
        let line = r#"http_requests_total{method="GET",route="/startup",status="200"} "#;
        let found = text.lines().find_map(|told| told.strip_prefix(line)?.parse().ok());
        found.unwrap_or(0u64)
    };
    let before = count().await;
    house.guest().get("/startup").await;
    // Other tests of this process ask the same, so at least one more.
    assert!(count().await > before);
}

#[tokio::test]
async fn metrics_show_exact_thresholds_process_and_build() {
    let house = House::new();
    let page = house.guest().get("/metrics").await;
    let text = String::from_utf8(page.bytes.to_vec()).unwrap();
    house.guest().get("/metrics").await;
    for wanted in [
        "http_requests_in_flight ",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "tokio_workers ",
        "holdall_build_info{version=",
        "holdall_lane_at_work{lane=\"reads\"} ",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
    }
    let again = house.guest().get("/metrics").await;
    let text = String::from_utf8(again.bytes.to_vec()).unwrap();
    for bound in ["0.2", "0.5", "2"] {
        assert!(text.contains(&format!(",le=\"{bound}\"}}")), "{text}");
    }
}

#[tokio::test]
async fn metrics_are_not_on_the_main_listener_when_they_have_their_own() {
    let house = House::with(Options { metrics_apart: true, ..Options::default() });
    assert_eq!(house.guest().get("/metrics").await.status, 404);
}

#[tokio::test]
async fn readiness_says_what_was_checked() {
    let house = House::new();
    let ready = house.guest().get("/health/ready").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.body["checks"]["database"],
        json!({
            "status": "UP", "details": { "home": "memory" },
        })
    );
    for check in ["cache", "disk", "memory"] {
        assert!(ready.body["checks"][check]["status"].is_string(), "{check}");
        assert!(ready.body["checks"][check]["details"].is_object(), "{check}");
    }
    assert!(ready.body["checks"]["memory"]["details"]["total"].is_u64());
    assert_eq!(ready.body["timestamp"], "2026-11-21T05:32:23.830Z");
}

#[tokio::test]
async fn liveness_answers_when_every_lane_is_full() {
    let house = House::new();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let width = 64;
    for _ in 0..width {
        let (app, held) = (house.app.clone(), held.clone());
        tokio::spawn(async move {
            app.read(move |snapshot| {
                // More than a glance answers: this is for the lane.
                snapshot.scan(&Range::prefix(b""), Order::Forward, usize::MAX)?;
                let _ = held.lock().unwrap().recv();
                Ok(())
            })
            .await
        });
    }
    while house.app.lanes().reads.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    let guest = house.guest();
    let live = tokio::time::timeout(Duration::from_secs(5), guest.get("/health/live"));
    assert_eq!(live.await.expect("live does not wait").status, 200);
    for _ in 0..width {
        let _ = release.send(());
    }
}
