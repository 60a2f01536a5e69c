//! Lists from outside: what indexes are used, paging behind a record, figures by group.

use serde_json::{Value, json};

use crate::house::{Client, House};

const RECORDS: &str = "/api/collections/orders/records";
const AGGREGATE: &str = "/api/collections/orders/aggregate";

/// Forty orders, open and paid by turns; guests see the open ones, and no margins.
async fn orders(house: &House) -> Client {
    let root = house.superuser().await;
    let defined = root
        .post(
            "/api/collections",
            json!({"name": "orders", "listRule": "status = 'open'", "viewRule": "", "fields": [
                    {"name": "status", "type": "select", "values": ["open", "paid"], "maxSelect": 1},
                    {"name": "total", "type": "number"}, {"name": "place", "type": "text"},
                    {"name": "gift", "type": "bool"},
                    {"name": "margin", "type": "number", "hidden": true}],
                "indexes": ["CREATE INDEX orders_status ON orders (status, total)"]}),
        )
        .await;
    assert_eq!(defined.status, 200, "{}", defined.body);
    for n in 0..40 {
        let status = ["open", "paid"][n % 2];
        let place = ["Bonn", "Kiel", "Ulm"][n % 3];
        let order = json!({"status": status, "total": n, "place": place, "margin": 1,
            "gift": n % 2 == 1});
        assert_eq!(root.post(RECORDS, order).await.status, 200);
    }
    root
}

fn totals(body: &Value) -> Vec<u64> {
    let items = body["items"].as_array().unwrap();
    items.iter().map(|item| item["total"].as_u64().unwrap()).collect()
}

async fn plan(root: &Client, query: &str) -> Value {
    let answer = root.get(&format!("{RECORDS}?explain=1&{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(answer.header("holdall-plan")).unwrap()
}

#[tokio::test]
async fn superusers_can_see_which_index_was_used() {
    let house = House::new();
    let root = orders(&house).await;

    let indexed = plan(&root, "filter=status%3D'open'&sort=-total&perPage=5").await;
    let unindexed = plan(&root, "filter=place%3D'Ulm'&sort=total").await;
    let by_creation = plan(&root, "perPage=5&skipTotal=1").await;
    let guests = house.guest().get(&format!("{RECORDS}?explain=1")).await;

    assert_eq!((&indexed["index"], &indexed["rowsReturned"]), (&json!("orders_status"), &json!(5)));
    assert!(indexed["rowsVisited"].as_u64().unwrap() <= 6, "{indexed}");
    assert_eq!(
        (&unindexed["index"], &unindexed["missingIndex"]),
        (&Value::Null, &json!("orders (place, total)"))
    );
    assert!(by_creation["rowsVisited"].as_u64().unwrap() <= 6, "{by_creation}");
    assert_eq!(guests.header("holdall-plan"), "");
}

#[tokio::test]
async fn index_that_would_help_is_named_for_orders_sides_and_beginnings_too() {
    let house = House::new();
    let root = orders(&house).await;
    for (query, expected) in [
        ("sort=-place", json!("orders (place DESC)")),
        ("sort=place,-total", json!("orders (place, total DESC)")),
        ("sort=id", json!("orders (id)")),
        ("filter=place%3D'Ulm'&sort=-total", json!("orders (place, total DESC)")),
        ("filter=place%3D'Ulm'%7C%7Ctotal%3D3", json!("orders (place) and one on orders (total)")),
        ("filter=status%3D'open'%7C%7Ctotal%3E38", json!("orders (total)")),
        ("filter=place%3D'Ulm'%26%26total%3D3", json!("orders (place, total)")),
        ("filter=place~'Ul%25'", json!("orders (place COLLATE NOCASE)")),
        ("filter=place~'Ul'%7C%7Ctotal%3D3", Value::Null),
        ("filter=place~'Ul'&sort=total", Value::Null),
    ] {
        assert_eq!(plan(&root, query).await["missingIndex"], expected, "{query}");
    }
}

#[tokio::test]
async fn few_records_of_several_indexes_are_found_before_many_are_passed() {
    let house = House::new();
    let root = orders(&house).await;
    let indexes = json!({"indexes": [
        "CREATE INDEX orders_place ON orders (place)", "CREATE INDEX orders_total ON orders (total)"]});
    assert_eq!(root.patch("/api/collections/orders", indexes).await.status, 200);
    let query = "filter=place%3D'Rome'%7C%7Ctotal%3D3&perPage=30&skipTotal=1&page=9";
    let found = plan(&root, query).await;
    assert_eq!(found["index"], "orders_place, orders_total");
    assert!(found["rowsVisited"].as_u64().unwrap() < 5, "{found}");
}

#[tokio::test]
async fn no_number_is_made_of_secrets() {
    let house = House::new();
    let root = house.superuser().await;
    let notes = json!({"name": "notes", "type": "base", "fields": [
        {"name": "lock", "type": "password"},
        {"name": "by", "type": "relation", "collectionId": "_pb_users_auth_"}]});
    assert_eq!(root.post("/api/collections", notes).await.status, 200);
    for path in [
        "users/aggregate?group=tokenKey",
        "users/aggregate?select=min(password)",
        "_superusers/aggregate?group=email,password",
        "notes/aggregate?group=lock",
        "notes/aggregate?select=max(by.tokenKey)",
        "notes/aggregate?select=count,min(by.password)",
    ] {
        let refused = root.get(&format!("/api/collections/{path}")).await;
        assert_eq!(refused.status, 400, "{path}");
        let message = refused.body["message"].as_str().unwrap();
        assert!(message.ends_with("is a secret"), "{path}: {message}");
    }
    assert_eq!(root.get("/api/collections/users/aggregate?group=email").await.status, 200);
}

#[tokio::test]
async fn lists_continue_behind_a_record() {
    let house = House::new();
    orders(&house).await;
    let guest = house.guest();
    let mut seen = Vec::new();
    let mut after = String::new();

    loop {
        let path = format!("{RECORDS}?sort=-total&perPage=7&skipTotal=1&after={after}");
        let page = guest.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let Some(last) = page.body["items"].as_array().unwrap().last() else { break };
        after = last["id"].as_str().unwrap().to_owned();
        seen.extend(totals(&page.body));
    }

    assert_eq!(seen, (0..20).rev().map(|n| n * 2).collect::<Vec<u64>>());
}

#[tokio::test]
async fn lists_continue_behind_a_record_that_left_them_but_not_behind_one_that_is_gone() {
    let house = House::new();
    let root = orders(&house).await;
    let page = format!("{RECORDS}?filter=status%3D'open'&sort=-total&perPage=7&skipTotal=1");
    let first = root.get(&page).await;
    let id = |at: usize| first.body["items"][at]["id"].as_str().unwrap().to_owned();
    for at in 0..7 {
        let done = json!({"status": "paid"});
        assert_eq!(root.patch(&format!("{RECORDS}/{}", id(at)), done).await.status, 200);
    }

    let second = root.get(&format!("{page}&after={}", id(6))).await;
    let stranger = house.guest().get(&format!("{page}&after={}", id(6))).await;
    assert_eq!(root.delete(&format!("{RECORDS}/{}", id(6))).await.status, 204);
    let third = root.get(&format!("{page}&after={}", id(6))).await;

    assert_eq!(totals(&second.body), (6..13).rev().map(|n| n * 2).collect::<Vec<u64>>());
    assert_eq!((stranger.status, third.status), (400, 400), "{}", third.body);
    assert!(third.body["message"].as_str().unwrap().contains("it is gone"), "{}", third.body);
}

#[tokio::test]
async fn figures_are_of_what_the_caller_may_list() {
    let house = House::new();
    let root = orders(&house).await;
    let guest = house.guest();
    let figures = "select=count,sum(total),max(total)&group=status";

    let all = root.get(&format!("{AGGREGATE}?{figures}")).await;
    let seen = guest.get(&format!("{AGGREGATE}?{figures}")).await;
    let count = guest.get(AGGREGATE).await;
    let filtered = guest.get(&format!("{AGGREGATE}?filter=total%3E30&select=avg(total)")).await;

    assert_eq!(
        all.body,
        json!({"items": [
            {"group": {"status": "open"}, "values": {"count": 20, "sum(total)": 380, "max(total)": 38}},
            {"group": {"status": "paid"}, "values": {"count": 20, "sum(total)": 400, "max(total)": 39}},
        ]})
    );
    assert_eq!(seen.body["items"], json!([all.body["items"][0]]));
    assert_eq!(count.body, json!({"items": [{"group": {}, "values": {"count": 20}}]}));
    assert_eq!(filtered.body["items"][0]["values"], json!({"avg(total)": 35}));
    let by_truth = root.get(&format!("{AGGREGATE}?group=gift")).await;
    let truths =
        by_truth.body["items"].as_array().unwrap().iter().map(|item| &item["group"]["gift"]);
    assert_eq!(truths.collect::<Vec<_>>(), [&json!(false), &json!(true)]);
    for refused in [
        "select=sum(margin)",
        "group=margin",
        "select=median(total)",
        "filter=margin%3D1",
        "group=zz",
    ] {
        assert_eq!(guest.get(&format!("{AGGREGATE}?{refused}")).await.status, 400, "{refused}");
    }
    let many = "select=count,sum(total),min(total),max(total),avg(total),min(place),max(place),\
                sum(gift),max(gift),min(gift),avg(gift)&group=status,gift";
    assert_eq!(root.get(&format!("{AGGREGATE}?{many}")).await.status, 200);
    let sorted = guest.get(&format!("{RECORDS}?sort={}", ["total"; 9].join(","))).await;
    assert_eq!(sorted.body["message"], "more than 8 sort keys (at character 48)");
    let five = "select=count,sum(total),min(total),max(total),avg(total)";
    assert_eq!(guest.get(&format!("{AGGREGATE}?{five}")).await.status, 200);
    assert_eq!(guest.get("/api/collections/nothing/aggregate").await.status, 404);
    assert_eq!(guest.get("/api/collections/_superusers/aggregate").await.status, 403);
}
