//! Signing in from outside: by password, by a token, on somebody's behalf, and what ends tokens.

use std::sync::Arc;

use holdall::app::{Keys, Options};
use holdall::auth::keys::SigningKey;
use holdall::clock::Clock;
use holdall::config::Admin;
use holdall::config::secret::Secret;
use holdall::store::Home;
use serde_json::{Value, json};

use crate::house::{House, MORNING_MS, SUPERUSER};
use crate::people::{PASSWORD, REFRESH, SIGN_IN, codes, sign_up, user};

/// How long tokens of users hold.
const FIVE_DAYS_S: i64 = 432_000;

fn payload(token: &str) -> Value {
    use base64::Engine;
    let part = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn the_public_keys_are_for_everybody() {
    let house = House::new();

    let answer = house.guest().get("/.well-known/jwks.json").await;

    assert_eq!(answer.status, 200);
    let key = &answer.body["keys"][0];
    assert_eq!((&key["kty"], &key["alg"]), (&json!("RSA"), &json!("RS256")));
    assert_eq!(key.get("d"), None, "nothing private");
}

#[tokio::test]
async fn whoever_signs_up_can_sign_in_and_sees_the_own_address() {
    let house = House::new();
    let record = sign_up(&house, "ada@example.com").await;
    assert_eq!(record.get("email"), None, "a guest does not see it");

    let answer = house
        .guest()
        .post(SIGN_IN, json!({"identity": "ada@example.com", "password": PASSWORD}))
        .await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["record"]["id"], record["id"]);
    assert_eq!(answer.body["record"]["email"], "ada@example.com");
    assert_eq!(answer.body["record"]["verified"], false);
    for hidden in ["password", "tokenKey"] {
        assert_eq!(answer.body["record"].get(hidden), None);
    }
    let claims = payload(answer.body["token"].as_str().unwrap());
    assert_eq!(claims["id"], record["id"]);
    assert_eq!(claims["collectionId"], "_pb_users_auth_");
    assert_eq!((&claims["type"], &claims["refreshable"]), (&json!("auth"), &json!(true)));
    assert_eq!(claims["exp"], MORNING_MS / 1000 + FIVE_DAYS_S);
}

#[tokio::test]
async fn fields_pick_from_the_whole_answer() {
    let house = House::new();
    let record = sign_up(&house, "ada@example.com").await;
    let path = format!("{SIGN_IN}?fields=token,record.id");

    let answer = house
        .guest()
        .post(&path, json!({"identity": "ada@example.com", "password": PASSWORD}))
        .await;

    assert_eq!(answer.body["record"], json!({"id": record["id"]}));
    assert!(answer.body["token"].is_string());
}

#[tokio::test]
async fn wrong_details_are_refused_without_a_hint() {
    let house = House::new();
    sign_up(&house, "ada@example.com").await;
    let sign_in = async |body: Value| house.guest().post(SIGN_IN, body).await;

    let wrong = sign_in(json!({"identity": "ada@example.com", "password": "wrong"})).await;
    let unknown = sign_in(json!({"identity": "bob@example.com", "password": PASSWORD})).await;
    let other_case = sign_in(json!({"identity": "Ada@example.com", "password": PASSWORD})).await;
    for answer in [&wrong, &unknown, &other_case] {
        assert_eq!(codes(answer), json!({}));
        assert_eq!(answer.body["message"], wrong.body["message"]);
    }

    let required = json!({"identity": "validation_required", "password": "validation_required"});
    assert_eq!(codes(&sign_in(json!({})).await), required);
    assert_eq!(codes(&sign_in(json!({"identity": 5, "password": "x"})).await), json!({}));
    let field = json!({"identity": "ada", "password": "x", "identityField": "name"});
    assert_eq!(codes(&sign_in(field).await), json!({"identityField": "validation_in_invalid"}));
}

#[tokio::test]
async fn only_auth_collections_have_these_doors() {
    let house = House::new();
    for collection in ["nope", "_otps"] {
        let base = format!("/api/collections/{collection}");
        let body = json!({"identity": "a", "password": "b"});
        let doors = [
            house.guest().get(&format!("{base}/auth-methods")).await,
            house.guest().post(&format!("{base}/auth-with-password"), body).await,
        ];
        for answer in doors {
            assert_eq!(answer.status, 404);
        }
    }
}

#[tokio::test]
async fn methods_say_what_is_open() {
    let house = House::new();

    let answer = house.guest().get("/api/collections/users/auth-methods?fields=password,otp").await;

    let password = json!({"enabled": true, "identityFields": ["email"]});
    assert_eq!(answer.body["password"], password);
    assert_eq!(answer.body["otp"]["enabled"], false);
    assert_eq!(answer.body.get("mfa"), None);
}

#[tokio::test]
async fn a_token_is_exchanged_for_a_newer_one_as_long_as_it_holds() {
    let house = House::new();
    let (ada, _) = user(&house, "ada@example.com").await;

    house.app.clock().advance(1000 * (FIVE_DAYS_S - 1));
    let answer = ada.post(REFRESH, json!({})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["record"]["email"], "ada@example.com");
    let newer = answer.body["token"].as_str().unwrap().to_owned();
    assert_eq!(payload(&newer)["exp"], MORNING_MS / 1000 + 2 * FIVE_DAYS_S - 1);

    house.app.clock().advance(1000);
    assert_eq!(ada.post(REFRESH, json!({})).await.status, 401, "expired");
    let bearer = house.guest().holding(&format!("Bearer {newer}"));
    assert_eq!(bearer.post(REFRESH, json!({})).await.status, 200);
}

#[tokio::test]
async fn refresh_wants_a_token_of_this_collection() {
    let house = House::new();
    let root = house.superuser().await;

    assert_eq!(house.guest().post(REFRESH, json!({})).await.status, 401);
    assert_eq!(house.guest().holding("nonsense").post(REFRESH, json!({})).await.status, 401);
    assert_eq!(root.post(REFRESH, json!({})).await.status, 403);
}

#[tokio::test]
async fn a_bad_token_makes_a_guest_not_an_error() {
    let house = House::new();
    for token in ["nonsense", "a.b.c", "Bearer ", "Bearer x"] {
        let answer = house.guest().holding(token).get("/api/collections/users/auth-methods").await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn the_auth_rule_decides_who_gets_in_and_its_change_ends_tokens() {
    let house = House::new();
    let root = house.superuser().await;
    let (ada, path) = user(&house, "ada@example.com").await;
    let set = async |rule: Value| {
        let answer = root.patch("/api/collections/users", json!({"authRule": rule})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let details = json!({"identity": "ada@example.com", "password": PASSWORD});

    set(json!("verified = true")).await;
    assert_eq!(ada.post(REFRESH, json!({})).await.status, 401);
    assert_eq!(house.guest().post(SIGN_IN, details.clone()).await.status, 403);
    let wrong = json!({"identity": "ada@example.com", "password": "wrong"});
    assert_eq!(house.guest().post(SIGN_IN, wrong).await.status, 400);

    assert_eq!(root.patch(&path, json!({"verified": true})).await.status, 200);
    assert_eq!(house.guest().post(SIGN_IN, details.clone()).await.status, 200);

    set(Value::Null).await;
    assert_eq!(house.guest().post(SIGN_IN, details.clone()).await.status, 403);

    // What was ended does not come back with the rule that was.
    set(json!("")).await;
    assert_eq!(ada.post(REFRESH, json!({})).await.status, 401);
    assert_eq!(house.guest().post(SIGN_IN, details.clone()).await.status, 200);

    let off = json!({"authRule": "", "passwordAuth": {"enabled": false}});
    assert_eq!(root.patch("/api/collections/users", off).await.status, 200);
    assert_eq!(house.guest().post(SIGN_IN, details).await.status, 403);
}

#[tokio::test]
async fn superusers_act_as_others_by_a_token_that_cannot_be_renewed() {
    let house = House::new();
    let root = house.superuser().await;
    let (ada, path) = user(&house, "ada@example.com").await;
    let id = path.rsplit('/').next().unwrap();
    let door = format!("/api/collections/users/impersonate/{id}");

    let answer = root.post(&door, json!({"duration": 100})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["record"]["email"], "ada@example.com");
    let token = answer.body["token"].as_str().unwrap();
    let claims = payload(token);
    assert_eq!(
        (&claims["refreshable"], &claims["exp"]),
        (&json!(false), &json!(MORNING_MS / 1000 + 100))
    );
    let acting = house.guest().holding(token);
    assert_eq!(acting.get(&path).await.status, 200);
    assert_eq!(acting.post(REFRESH, json!({})).await.body["token"], token);

    let negative = root.post(&door, json!({"duration": -1})).await;
    assert_eq!(codes(&negative), json!({"duration": "validation_min_greater_equal_than_required"}));
    assert_eq!(codes(&root.post(&door, json!({"duration": "x"})).await), json!({}));
    assert_eq!(ada.post(&door, json!({})).await.status, 403);
    assert_eq!(house.guest().post(&door, json!({})).await.status, 401);
    let nobody = "/api/collections/users/impersonate/nobody";
    assert_eq!(root.post(nobody, json!({})).await.status, 404);
}

#[tokio::test]
async fn keys_tokens_and_superusers_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = |password: &str| {
        House::with(Options {
            home: Home::Files(directory.path().join("data")),
            clock: Clock::set(MORNING_MS),
            keys: Keys { signing: Some(Arc::new(SigningKey::generate())), ..Keys::default() },
            admin: Some(Admin { email: SUPERUSER.0.to_owned(), password: Secret::new(password) }),
            ..Options::default()
        })
    };
    let house = open(SUPERUSER.1);
    let door = "/api/collections/_superusers/auth-with-password";
    let details = json!({"identity": SUPERUSER.0, "password": SUPERUSER.1});
    let first = house.guest().post(door, details.clone()).await;
    let keys = house.guest().get("/.well-known/jwks.json").await.body;
    drop(house);

    let house = open("the settings name another one now");

    assert_eq!(house.guest().get("/.well-known/jwks.json").await.body, keys);
    let root = house.guest().holding(first.body["token"].as_str().unwrap());
    assert_eq!(root.get("/api/settings").await.status, 200);
    assert_eq!(house.guest().post(door, details).await.status, 200, "never changed");
}
