//! Accounts from outside: signing up, signing in, changing oneself, tokens and what ends them.

use std::sync::Arc;

use holdall::app::{Keys, Options};
use holdall::auth::keys::SigningKey;
use holdall::clock::Clock;
use holdall::config::Admin;
use holdall::config::secret::Secret;
use holdall::store::Home;
use serde_json::{Value, json};

use crate::house::{Answer, Client, House, MORNING_MS, SUPERUSER};

const USERS: &str = "/api/collections/users/records";
const SIGN_IN: &str = "/api/collections/users/auth-with-password";
const REFRESH: &str = "/api/collections/users/auth-refresh";
const PASSWORD: &str = "correct horse";
/// Long after MORNING_MS, in seconds: five days.
const FIVE_DAYS_S: i64 = 432_000;

/// Signs `email` up and returns its record.
async fn sign_up(house: &House, email: &str) -> Value {
    let body = json!({"email": email, "password": PASSWORD, "passwordConfirm": PASSWORD});
    let answer = house.guest().post(USERS, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Signs `email` up and in.
async fn user(house: &House, email: &str) -> (Client, String) {
    let record = sign_up(house, email).await;
    let client = house.sign_in("users", email, PASSWORD).await;
    (client, format!("{USERS}/{}", record["id"].as_str().unwrap()))
}

/// Codes by field of a refused request.
fn codes(answer: &Answer) -> Value {
    assert_eq!((answer.status, &answer.body["status"]), (400, &json!(400)), "{}", answer.body);
    let data = answer.body["data"].as_object().unwrap();
    data.iter().map(|(field, problem)| (field.clone(), problem["code"].clone())).collect()
}

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
async fn signing_up_has_its_rules() {
    let house = House::new();
    let refused = async |body: Value| codes(&house.guest().post(USERS, body).await);
    let with = |changes: Value| {
        let mut body =
            json!({"email": "ada@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };

    let missing = refused(json!({"email": "ada@example.com"})).await;
    assert_eq!(
        missing,
        json!({"password": "validation_required", "passwordConfirm": "validation_required"})
    );
    let short = refused(with(json!({"password": "1234", "passwordConfirm": "1234"}))).await;
    assert_eq!(short, json!({"password": "validation_min_text_constraint"}));
    let long = "x".repeat(72);
    let long = refused(with(json!({"password": long, "passwordConfirm": long}))).await;
    assert_eq!(long, json!({"password": "validation_max_text_constraint"}));
    let other = refused(with(json!({"passwordConfirm": "other"}))).await;
    assert_eq!(other, json!({"passwordConfirm": "validation_values_mismatch"}));
    let verified = refused(with(json!({"verified": true}))).await;
    assert_eq!(verified, json!({"verified": "validation_values_mismatch"}));
    let nobody = refused(with(json!({"email": ""}))).await;
    assert_eq!(nobody, json!({"email": "validation_required"}));

    sign_up(&house, "ada@example.com").await;
    assert_eq!(refused(with(json!({}))).await, json!({"email": "validation_not_unique"}));
}

#[tokio::test]
async fn an_account_cannot_change_what_others_vouch_for() {
    let house = House::new();
    let (ada, path) = user(&house, "ada@example.com").await;
    let refused = async |body: Value| codes(&ada.patch(&path, body).await);

    let mismatch = "validation_values_mismatch";
    assert_eq!(refused(json!({"email": "new@example.com"})).await, json!({"email": mismatch}));
    assert_eq!(refused(json!({"verified": true})).await, json!({"verified": mismatch}));

    let same = json!({"email": "ada@example.com", "verified": false, "name": "Ada",
        "tokenKey": "x".repeat(40)});
    let answer = ada.patch(&path, same).await;
    assert_eq!((answer.status, &answer.body["name"]), (200, &json!("Ada")), "{}", answer.body);
    assert_eq!(
        ada.post(REFRESH, json!({})).await.status,
        200,
        "the token key is not for it to set"
    );
}

#[tokio::test]
async fn a_new_password_takes_the_old_one_and_ends_all_tokens() {
    let house = House::new();
    let (ada, path) = user(&house, "ada@example.com").await;
    let refused = async |body: Value| codes(&ada.patch(&path, body).await);
    let new = "another horse";

    let required = "validation_required";
    assert_eq!(refused(json!({"password": ""})).await, json!({"password": required}));
    let alone = json!({"password": new, "passwordConfirm": new});
    assert_eq!(refused(alone).await, json!({"oldPassword": required}));
    let unconfirmed = json!({"password": new, "oldPassword": PASSWORD});
    assert_eq!(refused(unconfirmed).await, json!({"passwordConfirm": required}));
    let wrong = json!({"password": new, "passwordConfirm": new, "oldPassword": "wrong"});
    assert_eq!(refused(wrong).await, json!({"oldPassword": "validation_invalid_old_password"}));
    assert_eq!(ada.post(REFRESH, json!({})).await.status, 200, "nothing was changed so far");

    let right = json!({"password": new, "passwordConfirm": new, "oldPassword": PASSWORD});
    assert_eq!(ada.patch(&path, right).await.status, 200);
    assert_eq!(ada.post(REFRESH, json!({})).await.status, 401);
    let old = json!({"identity": "ada@example.com", "password": PASSWORD});
    assert_eq!(house.guest().post(SIGN_IN, old).await.status, 400);
    house.sign_in("users", "ada@example.com", new).await;
}

#[tokio::test]
async fn superusers_change_accounts_and_every_such_change_ends_tokens() {
    let house = House::new();
    let root = house.superuser().await;
    let (_, path) = user(&house, "ada@example.com").await;
    let new = "another horse";
    let unconfirmed = root.patch(&path, json!({"password": new})).await;
    assert_eq!(codes(&unconfirmed), json!({"passwordConfirm": "validation_required"}));

    let mut signed_in = ("ada@example.com", PASSWORD);
    for (change, ends) in [
        (json!({"name": "Ada"}), false),
        (json!({"verified": true}), false),
        (json!({"tokenKey": "k".repeat(40)}), true),
        (json!({"email": "new@example.com"}), true),
        (json!({"password": new, "passwordConfirm": new}), true),
    ] {
        let ada = house.sign_in("users", signed_in.0, signed_in.1).await;
        assert_eq!(ada.post(REFRESH, json!({})).await.status, 200);
        let answer = root.patch(&path, change.clone()).await;
        assert_eq!(answer.status, 200, "{change}: {}", answer.body);
        let expected = if ends { 401 } else { 200 };
        assert_eq!(ada.post(REFRESH, json!({})).await.status, expected, "{change}");
        if change.get("email").is_some() {
            signed_in.0 = "new@example.com";
        }
    }
    assert_eq!(root.delete(&path).await.status, 204);
}

#[tokio::test]
async fn managers_may_what_superusers_may_with_these_accounts() {
    let house = House::new();
    let root = house.superuser().await;
    let (ada, _) = user(&house, "ada@example.com").await;
    let (_, bob_path) = user(&house, "bob@example.com").await;
    let rules = json!({"manageRule": "@request.auth.email = 'ada@example.com'",
        "updateRule": "@request.auth.id != ''"});
    assert_eq!(root.patch("/api/collections/users", rules).await.status, 200);

    let new = "another horse";
    let change = json!({"email": "bobby@example.com", "verified": true, "password": new,
        "passwordConfirm": new});
    let answer = ada.patch(&bob_path, change).await;

    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["email"], "bobby@example.com", "managers see addresses");
    let bobby = house.sign_in("users", "bobby@example.com", new).await;
    let refused = bobby.patch(&bob_path, json!({"email": "bob@example.com"})).await;
    assert_eq!(codes(&refused), json!({"email": "validation_values_mismatch"}));
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
async fn one_superuser_remains() {
    let house = House::new();
    let root = house.superuser().await;
    let superusers = "/api/collections/_superusers/records";
    let all = root.get(superusers).await;
    let path = format!("{superusers}/{}", all.body["items"][0]["id"].as_str().unwrap());

    assert_eq!(codes(&root.delete(&path).await), json!({}));
    let truncate = root.delete("/api/collections/_superusers/truncate").await;
    assert_eq!(truncate.status, 400, "{}", truncate.body);

    let second = json!({"email": "second@example.com", "password": PASSWORD,
        "passwordConfirm": PASSWORD, "verified": false});
    let second = root.post(superusers, second).await;
    assert_eq!(second.body["verified"], true, "superusers always are: {}", second.body);
    assert_eq!(root.delete(&path).await.status, 204);
    assert_eq!(root.get(superusers).await.status, 403, "the token went with the account");
}

#[tokio::test]
async fn nobody_else_reads_superusers() {
    let house = House::new();
    let (ada, _) = user(&house, "ada@example.com").await;

    for caller in [house.guest(), ada] {
        assert_eq!(caller.get("/api/collections/_superusers/records").await.status, 403);
    }
    let wrong = json!({"identity": SUPERUSER.0, "password": "wrong password"});
    let door = "/api/collections/_superusers/auth-with-password";
    assert_eq!(house.guest().post(door, wrong).await.status, 400);
}

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
