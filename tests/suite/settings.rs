//! What superusers set while the server runs, and that it holds at once.

use serde_json::json;

use crate::house::{House, SUPERUSER};
use crate::people::{PASSWORD, SIGN_IN, sign_up, user};

#[tokio::test]
async fn settings_are_for_superusers_and_keep_their_secrets() {
    let house = House::new();
    let root = house.superuser().await;
    let (ada, _) = user(&house, "ada@example.com").await;
    assert_eq!(house.guest().get("/api/settings").await.status, 401);
    assert_eq!(ada.patch("/api/settings", json!({})).await.status, 403);

    let patch = json!({"smtp": {"password": "canary"}, "batch": {"enabled": true}});
    let answer = root.patch("/api/settings", patch).await;

    assert_eq!((answer.status, &answer.body["batch"]["enabled"]), (200, &json!(true)));
    assert_eq!(answer.body["batch"]["maxRequests"], 50);
    assert!(!answer.body.to_string().contains("canary"));
    assert_eq!(root.get("/api/settings").await.body, answer.body);
    let refused = root.patch("/api/settings", json!({"meta": {"appName": ""}})).await;
    assert_eq!(refused.body["data"]["meta"]["appName"]["code"], "validation_required");
}

#[tokio::test]
async fn too_many_sign_ins_have_to_wait() {
    let house = House::new();
    let root = house.superuser().await;
    sign_up(&house, "ada@example.com").await;
    let sign_in = async |password: &str| {
        let details = json!({"identity": "ada@example.com", "password": password});
        house.guest().post(SIGN_IN, details).await.status
    };
    let rule = json!({"label": "users:auth", "audience": "", "duration": 60, "maxRequests": 2});
    let limits = json!({"rateLimits": {"enabled": true, "rules": [rule]}});
    assert_eq!(root.patch("/api/settings", limits.clone()).await.status, 200);

    let guesses = [sign_in("guess").await, sign_in("guess").await, sign_in(PASSWORD).await];
    assert_eq!(guesses, [400, 400, 429]);
    let details = json!({"identity": "ada@example.com", "password": PASSWORD});
    assert_eq!(root.post(SIGN_IN, details).await.status, 200, "superusers are exempt");
    house.app.clock().advance(60_000);
    assert_eq!(sign_in(PASSWORD).await, 200);

    let mut excluded = limits;
    excluded["rateLimits"]["excludedIPs"] = json!(["127.0.0.0/8"]);
    assert_eq!(root.patch("/api/settings", excluded).await.status, 200);
    let many = [sign_in(PASSWORD).await, sign_in(PASSWORD).await, sign_in(PASSWORD).await];
    assert_eq!(many, [200; 3]);
}

#[tokio::test]
async fn superusers_call_from_where_the_settings_say() {
    let house = House::new();
    let root = house.superuser().await;
    let door = "/api/collections/_superusers/auth-with-password";
    let details = json!({"identity": SUPERUSER.0, "password": SUPERUSER.1});
    let set = json!({"superuserIPs": ["10.0.0.0/8"],
        "trustedProxy": {"headers": ["X-Forwarded-For"]}});
    let near = house.guest().with("x-forwarded-for", "192.0.2.7, 10.1.2.3");

    assert_eq!(root.patch("/api/settings", set).await.status, 200);

    assert_eq!(root.get("/api/settings").await.status, 403);
    assert_eq!(house.guest().post(door, details.clone()).await.status, 403);
    let answer = near.post(door, details).await;
    assert_eq!(answer.status, 200);
    let near = near.holding(answer.body["token"].as_str().unwrap());
    assert_eq!(near.get("/api/settings").await.status, 200);
}
