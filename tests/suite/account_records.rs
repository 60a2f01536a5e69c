//! Accounts as records: signing up, changing oneself and others, and the superusers.

use serde_json::{Value, json};

use crate::house::{House, SUPERUSER};
use crate::people::{PASSWORD, REFRESH, SIGN_IN, USERS, codes, sign_up, user};

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
async fn superusers_choose_the_token_key_of_a_new_account_and_nobody_else_does() {
    let house = House::new();
    let root = house.superuser().await;
    let account = |email: &str| {
        json!({"email": email, "password": PASSWORD, "passwordConfirm": PASSWORD,
            "tokenKey": "k".repeat(45)})
    };
    let path = "/api/collections/users/records";
    assert_eq!(root.post(path, account("ada@example.com")).await.status, 200);
    let twice = root.post(path, account("bob@example.com")).await;
    assert_eq!(codes(&twice), json!({"tokenKey": "validation_not_unique"}));
    assert_eq!(house.guest().post(path, account("bob@example.com")).await.status, 200);
    let found = root.get(&format!("{path}?filter=tokenKey~'kkkk'")).await;
    assert_eq!(found.body["totalItems"], 1);
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
async fn what_belongs_to_accounts_goes_with_all_of_them() {
    let house = House::new();
    let root = house.superuser().await;
    let (links, clients) = ("/api/collections/_externalAuths/records", "/api/collections/clients");
    let made = root.post("/api/collections", json!({"name": "clients", "type": "auth"})).await;
    let link = |collection: &serde_json::Value, id: &str| {
        json!({"collectionRef": collection, "recordRef": id, "provider": "google",
            "providerId": format!("at google {id}")})
    };
    let of_clients = |id: &str| link(&made.body["id"], id);
    for link in [of_clients("a"), of_clients("b"), link(&json!("_pb_users_auth_"), "a")] {
        let answer = root.post(links, link).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    assert_eq!(root.delete(&format!("{clients}/truncate")).await.status, 204);
    assert_eq!(root.get(links).await.body["totalItems"], 1);
    assert_eq!(root.post(links, of_clients("c")).await.status, 200);
    assert_eq!(root.delete(clients).await.status, 204);
    assert_eq!(root.get(links).await.body["totalItems"], 1);
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
