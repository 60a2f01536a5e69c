//! Records from outside: bodies, addresses, pages, who wins when many write.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::house::{Answer, Client, House};

const NOTES: &str = "/api/collections/notes/records";

/// Notes that anybody may read and write.
async fn define_notes(house: &House) -> Client {
    let root = house.superuser().await;
    let defined = root
        .post(
            "/api/collections",
            json!({"name": "notes", "listRule": "", "viewRule": "", "createRule": "",
                "updateRule": "", "deleteRule": "", "fields": [
                    {"name": "title", "type": "text"}, {"name": "n", "type": "number"},
                    {"name": "tags", "type": "select", "values": ["a", "b"], "maxSelect": 2},
                    {"name": "slug", "type": "text"}, {"name": "secret", "type": "text", "hidden": true}],
                "indexes": ["CREATE UNIQUE INDEX notes_slug ON notes (slug) WHERE SLUG != ''"]}),
        )
        .await;
    assert_eq!(defined.status, 200, "{}", defined.body);
    root
}

fn assert_refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.body["status"], status);
    assert!(answer.body["data"].is_object());
}

#[tokio::test]
async fn wrong_methods_and_addresses_are_unknown() {
    let house = House::new();
    define_notes(&house).await;
    let guest = house.guest();

    assert_refused(&guest.put(NOTES, json!({})).await, 404);
    assert_refused(&guest.get(&format!("{NOTES}/")).await, 404);
    for odd in ["%2e%2e", "a%2Fb", "%ff", "%00", "x".repeat(300).as_str()] {
        assert_refused(&guest.get(&format!("{NOTES}/{odd}")).await, 404);
    }
    assert_refused(&guest.get("/api/collections/nothing/records").await, 404);
}

#[tokio::test]
async fn bodies_come_as_json_and_as_forms() {
    let house = House::new();
    define_notes(&house).await;
    let send = async |kind: &'static str, body: &'static str| {
        let client = house.guest().with("content-type", kind);
        client.send(Method::POST, NOTES, Bytes::from_static(body.as_bytes())).await
    };

    let form = send("application/x-www-form-urlencoded", "title=12&n=12.5&tags=a&tags=b").await;
    assert_eq!(form.body["title"], "12");
    assert_eq!((&form.body["n"], &form.body["tags"]), (&json!(12.5), &json!(["a", "b"])));
    let nothing = send("application/json", "").await;
    assert_eq!((nothing.status, &nothing.body["n"]), (200, &json!(0)));
    for (kind, body) in [
        ("application/json", "{bad"),
        ("application/json", "[]"),
        ("text/plain", "title=x"),
        ("multipart/form-data", "no boundary"),
        ("application/x-www-form-urlencoded", "@jsonPayload={"),
    ] {
        assert_refused(&send(kind, body).await, 400);
    }
}

#[tokio::test]
async fn a_bad_token_makes_a_guest() {
    let house = House::new();
    let root = define_notes(&house).await;
    let note = root.post(NOTES, json!({"title": "t", "secret": "s"})).await.body;
    let address = format!("{NOTES}/{}", note["id"].as_str().unwrap());

    assert_eq!(root.get(&address).await.body["secret"], "s");
    for token in ["", "x", "Bearer ", "Bearer a.b.c"] {
        let seen = house.guest().holding(token).get(&address).await;
        assert_eq!((seen.status, seen.body.get("secret")), (200, None), "{token}");
    }
}

#[tokio::test]
async fn pages_have_defaults_limits_and_totals() {
    let house = House::new();
    define_notes(&house).await;
    let guest = house.guest();
    for n in 0..35 {
        assert_eq!(guest.post(NOTES, json!({"n": n})).await.status, 200);
    }
    let page = async |parameters: &str| guest.get(&format!("{NOTES}?{parameters}")).await.body;
    let envelope = |page: &Value| {
        let length = page["items"].as_array().unwrap().len();
        json!([page["page"], page["perPage"], page["totalItems"], page["totalPages"], length])
    };

    assert_eq!(envelope(&page("").await), json!([1, 30, 35, 2, 30]));
    assert_eq!(envelope(&page("page=2").await), json!([2, 30, 35, 2, 5]));
    assert_eq!(envelope(&page("page=9&perPage=-1").await), json!([9, 30, 35, 2, 0]));
    assert_eq!(envelope(&page("perPage=5000").await), json!([1, 1000, 35, 1, 35]));
    assert_eq!(envelope(&page("skipTotal=1&perPage=2").await), json!([1, 2, -1, -1, 2]));
    let first = page("filter=n%3E33&sort=-n&fields=n").await;
    assert_eq!(first["items"], json!([{"n": 34}]));
    assert_refused(&guest.get(&format!("{NOTES}?page=x")).await, 400);
    assert_refused(&guest.get(&format!("{NOTES}?fields=a:b")).await, 400);
}

#[tokio::test]
async fn superusers_may_see_the_plan() {
    let house = House::new();
    let root = define_notes(&house).await;
    let address = format!("{NOTES}?explain=1&filter=slug%3D'x'");

    let plan: Value =
        serde_json::from_str(root.get(&address).await.header("holdall-plan")).unwrap();
    assert!(plan["rowsVisited"].is_u64(), "{plan}");
    assert_eq!(house.guest().get(&address).await.header("holdall-plan"), "");
}

#[tokio::test]
async fn one_of_many_gets_a_unique_value() {
    let house = House::new();
    define_notes(&house).await;

    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let guest = house.guest();
        tries.spawn(async move { guest.post(NOTES, json!({"slug": "mine"})).await });
    }
    let answers = tries.join_all().await;

    let lost: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(lost.len(), 63);
    for answer in lost {
        assert_eq!(answer.body["data"]["slug"]["code"], "validation_not_unique", "{}", answer.body);
    }
}

#[tokio::test]
async fn parallel_additions_add_up() {
    let house = Arc::new(House::new());
    define_notes(&house).await;
    let note = house.guest().post(NOTES, json!({"n": 1})).await.body;
    let address = format!("{NOTES}/{}", note["id"].as_str().unwrap());

    let mut additions = tokio::task::JoinSet::new();
    for n in 0..64 {
        let (guest, address) = (house.guest(), address.clone());
        additions.spawn(async move { guest.patch(&address, json!({"n+": n})).await.status });
    }
    assert!(additions.join_all().await.iter().all(|status| *status == 200));

    assert_eq!(house.guest().get(&address).await.body["n"], 1 + 63 * 32);
}

#[tokio::test]
async fn plain_users_calls_reach_the_collection() {
    let house = House::new();
    let root = house.superuser().await;

    let made = root.post("/api/users", json!({"name": "Ada", "email": "ada@example.com"})).await;
    assert_eq!((made.status, &made.body["name"]), (200, &json!("Ada")), "{}", made.body);
    let listed = root.get("/api/users").await.body;
    assert_eq!(
        (&listed["totalItems"], &listed["items"][0]["email"]),
        (&json!(1), &json!("ada@example.com"))
    );
    let refused = house.guest().post("/api/users", json!({"email": "bob@example.com"})).await;
    assert_refused(&refused, 400);
    assert_eq!(refused.body["data"]["password"]["code"], "validation_required");
}

#[tokio::test]
async fn batches_are_off_until_a_superuser_wants_them() {
    let house = House::new();
    let root = define_notes(&house).await;
    let batch = json!({"requests": [
        {"method": "POST", "url": NOTES, "body": {"title": "one"}},
        {"method": "POST", "url": format!("{NOTES}?fields=title"), "body": {"title": "two"}}]});

    assert_refused(&house.guest().post("/api/batch", batch.clone()).await, 403);
    root.patch("/api/settings", json!({"batch": {"enabled": true}})).await;
    let done = house.guest().post("/api/batch", batch).await;

    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.body[1], json!({"status": 200, "body": {"title": "two"}}));
    assert_eq!(house.guest().get(NOTES).await.body["totalItems"], 2);
}

#[tokio::test]
async fn writing_to_a_view_is_refused_as_such_to_everybody() {
    let house = House::new();
    let root = house.superuser().await;
    let view = json!({"name": "names", "type": "view", "viewQuery": "SELECT id, name FROM users"});
    assert_eq!(root.post("/api/collections", view).await.status, 200);
    for caller in [house.guest(), root] {
        let records = "/api/collections/names/records";
        assert_eq!(caller.post(records, json!({})).await.status, 400);
        assert_eq!(caller.patch(&format!("{records}/x"), json!({})).await.status, 400);
        assert_eq!(caller.delete(&format!("{records}/x")).await.status, 400);
    }
}

#[tokio::test]
async fn a_star_picks_of_every_expanded_record() {
    let house = House::new();
    let root = define_notes(&house).await;
    let notes = root.get("/api/collections/notes").await.body["id"].clone();
    let relation = |name: &str, most: u8| json!({"name": name, "type": "relation", "collectionId": notes, "maxSelect": most});
    let fields = [relation("one", 1), relation("many", 9)];
    let replies = json!({"name": "replies", "fields": fields});
    assert_eq!(root.post("/api/collections", replies).await.status, 200);
    let mut ids = Vec::new();
    for title in ["first", "second"] {
        ids.push(root.post(NOTES, json!({"title": title, "n": 7})).await.body["id"].clone());
    }
    let path = "/api/collections/replies/records";
    let reply = root.post(path, json!({"one": ids[0], "many": ids})).await;
    assert_eq!(reply.status, 200, "{}", reply.body);

    let star = format!("{path}?expand=one,many&fields=expand.*.title");
    let titles = root.get(&star).await.body["items"][0].clone();
    let both = root.get(&format!("{star},expand.*.n")).await.body["items"][0].clone();

    let (first, second) = (json!({"title": "first"}), json!({"title": "second"}));
    assert_eq!(titles, json!({"expand": {"one": first, "many": [first, second]}}));
    assert_eq!(both["expand"]["many"][1], json!({"title": "second", "n": 7}));
}
