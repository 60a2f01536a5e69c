//! What must not be said: secrets planted everywhere are looked for in all that comes out.

use std::io::Write;
use std::sync::{Arc, Mutex};

use holdall::telemetry::line::Format;
use holdall::telemetry::logs;
use serde_json::json;

use crate::house::House;

/// Planted wherever a secret can be.
const CANARY: &str = "canary-7Hd93kQz-do-not-print";

/// Everything that this process logs.
#[derive(Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_come_out_nowhere() {
    let sheet = Sheet::default();
    let logs = logs::start(Format::Json, "trace", Box::new(sheet.clone())).unwrap();
    let house = House::new();
    let admin = house.superuser().await;
    let guest = house.guest();
    let mut said = Vec::new();
    let user = json!({
        "email": "ada@example.org", "password": CANARY, "passwordConfirm": CANARY,
    });
    said.push(admin.post("/api/collections/users/records", user).await);
    let sign_in = "/api/collections/users/auth-with-password";
    said.push(
        guest.post(sign_in, json!({ "identity": "ada@example.org", "password": CANARY })).await,
    );
    said.push(guest.post(sign_in, json!({ "identity": CANARY, "password": CANARY })).await);
    said.push(guest.post(sign_in, json!({ "password": [CANARY] })).await);
    let smtp = json!({ "smtp": { "enabled": true, "host": "h", "port": 25, "username": "u", "password": CANARY } });
    said.push(admin.patch("/api/settings", smtp).await);
    said.push(admin.get("/api/settings").await);
    let holder = guest.clone().holding(CANARY);
    for path in ["/api/health", "/api/collections/users/records", "/api/settings", "/api/nothing"] {
        said.push(holder.get(path).await);
        said.push(guest.get(&format!("{path}?token={CANARY}&filter=a={CANARY}x")).await);
    }
    said.push(guest.get("/metrics").await);
    logs.flush();
    let logged = String::from_utf8(sheet.0.lock().unwrap().clone()).unwrap();
    assert!(logged.lines().count() > 10, "there is something to look through");
    assert!(!logged.contains(CANARY), "{}", lines_with_canary(&logged));
    for answer in said {
        let body = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert!(!body.contains(CANARY), "{body}");
        assert!(!format!("{:?}", answer.headers).contains(CANARY));
    }
}

fn lines_with_canary(logged: &str) -> String {
    logged.lines().filter(|line| line.contains(CANARY)).collect::<Vec<_>>().join("\n")
}
