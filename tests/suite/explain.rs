//! Which part of a rule decided, as superusers learn it, and what a request may cost.

use holdall::app::{Limits, Options};
use serde_json::{Value, json};

use crate::house::{Client, House};
use crate::people::user;

const POSTS: &str = "/api/collections/posts/records";
const EXPLAIN: &str = "/api/collections/posts/explain";

async fn posts(house: &House) -> (Client, Client, String) {
    let root = house.superuser().await;
    let (ada, path) = user(house, "ada@example.com").await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    let defined = root
        .post(
            "/api/collections",
            json!({"name": "posts", "viewRule": "", "deleteRule": null,
                "listRule": "@request.auth.id != '' && (open = true || owner = @request.auth.id)",
                "createRule": "@request.body.title != 'no' && @request.auth.id = owner",
                "updateRule": "owner = @request.auth.id && @request.body.open:isset = false",
                "fields": [{"name": "title", "type": "text"}, {"name": "open", "type": "bool"},
                    {"name": "owner", "type": "relation", "collectionId": "_pb_users_auth_"}]}),
        )
        .await;
    assert_eq!(defined.status, 200, "{}", defined.body);
    (root, ada, id)
}

async fn decided(root: &Client, question: Value) -> (Value, Value) {
    let answer = root.post(EXPLAIN, question).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (answer.body["granted"].clone(), answer.body["decided"].clone())
}

#[tokio::test]
async fn superusers_learn_which_part_of_a_rule_decided() {
    let house = House::new();
    let (root, _, ada) = posts(&house).await;
    let post = root.post(POSTS, json!({"title": "a", "owner": ada})).await;
    let id = post.body["id"].clone();
    let as_ada = json!({"collection": "users", "id": ada});

    for (question, granted, part) in [
        (json!({"action": "view", "id": id}), true, "a blank rule: everybody"),
        (json!({"action": "delete", "id": id, "as": as_ada}), false, "no rule: superusers only"),
        (json!({"action": "list", "id": id}), false, "@request.auth.id != ''"),
        (json!({"action": "update", "id": id}), false, "owner = @request.auth.id"),
        (
            json!({"action": "update", "id": id, "as": as_ada, "body": {"open": true}}),
            false,
            "@request.body.open:isset = false",
        ),
        (
            json!({"action": "update", "id": id, "as": as_ada, "body": {"title": "b"}}),
            true,
            "owner = @request.auth.id && @request.body.open:isset = false",
        ),
        (
            json!({"action": "create", "as": as_ada, "body": {"title": "no", "owner": ada}}),
            false,
            "@request.body.title != 'no'",
        ),
        (
            json!({"action": "create", "body": {"title": "x", "owner": ada}}),
            false,
            "@request.auth.id = owner",
        ),
    ] {
        assert_eq!(
            decided(&root, question.clone()).await,
            (json!(granted), json!(part)),
            "{question}"
        );
    }
    let unchanged = root.get(&format!("{POSTS}/{}", id.as_str().unwrap())).await;
    assert_eq!((&unchanged.body["title"], &unchanged.body["open"]), (&json!("a"), &json!(false)));
    assert_eq!(root.get(POSTS).await.body["totalItems"], 1);
}

#[tokio::test]
async fn list_rules_are_tried_on_what_a_filter_finds() {
    let house = House::new();
    let (root, _, ada) = posts(&house).await;
    for n in 0..6 {
        let owner = if n < 2 { &ada } else { "" };
        let post = json!({"title": format!("t{n}"), "open": n == 5, "owner": owner});
        assert_eq!(root.post(POSTS, post).await.status, 200);
    }

    let question = json!({"action": "list", "filter": "title != 't3'",
        "as": {"collection": "users", "id": ada}});
    let tried = root.post(EXPLAIN, question).await.body;

    assert_eq!((&tried["tried"], &tried["granted"]), (&json!(5), &json!(3)), "{tried}");
    let part = "open = true || owner = @request.auth.id";
    assert_eq!(tried["denied"], json!([{"decided": part, "records": 2}]));
}

#[tokio::test]
async fn only_superusers_are_told_about_rules() {
    let house = House::new();
    let (root, ada, _) = posts(&house).await;
    let question = json!({"action": "list"});

    assert_eq!(house.guest().post(EXPLAIN, question.clone()).await.status, 401);
    assert_eq!(ada.post(EXPLAIN, question.clone()).await.status, 403);
    for (wrong, status) in [
        (json!({"action": "steal"}), 400),
        (json!({"action": "manage", "id": "x"}), 400),
        (json!({"action": "view", "id": 5}), 400),
        (json!({"action": "view", "as": "ada"}), 400),
        (json!({"action": "update", "id": "nobody"}), 404),
        (json!({"action": "list", "as": {"collection": "users", "id": "nobody"}}), 404),
        (json!({"action": "list", "filter": "nothing = 1"}), 400),
    ] {
        assert_eq!(root.post(EXPLAIN, wrong.clone()).await.status, status, "{wrong}");
    }
}

/// A house where a request may visit ten rows, and forty posts of Ada's.
async fn narrow() -> (House, Client, Client) {
    let limits = Limits { row_visits: 10, ..Limits::default() };
    let house = House::with(Options { limits, ..Options::default() });
    let (root, ada, id) = posts(&house).await;
    for n in 0..40 {
        let post = json!({"title": format!("t{n}"), "owner": id});
        assert_eq!(root.post(POSTS, post).await.status, 200);
    }
    (house, root, ada)
}

#[tokio::test]
async fn what_visits_too_many_rows_is_refused_and_told_what_would_help() {
    let (_house, root, ada) = narrow().await;

    let refused = ada.get(&format!("{POSTS}?filter=title%3D't7'")).await;
    let unnamed = ada.get(&format!("{POSTS}?filter=title~'7'")).await;
    let sorted = ada.get(&format!("{POSTS}?sort=-title")).await;
    let own = root.get(&format!("{POSTS}?filter=title%3D't7'")).await;
    let joined = root.get(&format!("{POSTS}?explain=1&filter=owner.name%3D'x'")).await;
    let plan: Value = serde_json::from_str(joined.header("holdall-plan")).unwrap();
    assert_eq!(plan["missingIndex"], "users (name)");

    assert_eq!((refused.status, &refused.body["code"]), (400, &json!("query_too_expensive")));
    assert_eq!(
        refused.body["message"],
        "the query would read more than 10 rows; an index on posts (title) would help"
    );
    assert_eq!(
        sorted.body["message"],
        "the query would read more than 10 rows; an index on posts (title DESC) would help"
    );
    // What the rule looks at is nobody's business.
    assert_eq!(unnamed.body["message"], "the query would read more than 10 rows");
    assert_eq!((own.status, &own.body["totalItems"]), (200, &json!(1)));
}

#[tokio::test]
async fn rules_that_cost_too_much_deny_and_share_the_budget_of_the_request() {
    let (_house, root, ada) = narrow().await;
    let costly = json!({"viewRule": "@collection.posts.title ?= 't39' && title != ''"});
    assert_eq!(root.patch("/api/collections/posts", costly).await.status, 200);
    let list = root.get(&format!("{POSTS}?perPage=2")).await;
    let id = list.body["items"][0]["id"].as_str().unwrap();
    let cheap = json!({"viewRule": "@collection.users.name ?= 'nobody' || title != ''"});

    let denied = ada.get(&format!("{POSTS}/{id}")).await;
    assert_eq!(root.patch("/api/collections/posts", cheap).await.status, 200);
    let granted = ada.get(&format!("{POSTS}/{id}")).await;
    let users = "/api/collections/users/records?expand=posts_via_owner";
    let expanded = ada.get(users).await;

    assert_eq!((denied.status, granted.status), (404, 200));
    assert_eq!(expanded.status, 200);
    // Each of the forty costs a visit of the one user: there is enough for a few only.
    let shown = expanded.body["items"][0]["expand"]["posts_via_owner"].as_array().unwrap().len();
    assert!((1..10).contains(&shown), "{shown}");
}
