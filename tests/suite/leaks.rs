//! Strangers learn nothing of what is hidden: two houses that differ in nothing else answer alike.

use holdall::app::Options;
use holdall::clock::Clock;
use serde_json::{Value, json};

use crate::house::{Client, House, MORNING_MS};

const ADA: &str = "ada000000000000";
const BOB: &str = "bob000000000000";
const OPEN: &str = "open00000000000";
const SHUT: &str = "shut00000000000";
const PASSWORD: &str = "correct horse";

/// What strangers may not find out.
struct Secrets {
    pin: &'static str,
    rank: i64,
    handler: &'static str,
    email: &'static str,
    title: &'static str,
    /// How many posts there are that nobody may list.
    shut: usize,
}

const ONE: Secrets = Secrets {
    pin: "1111",
    rank: 1,
    handler: ADA,
    email: "aaa@example.com",
    title: "attack at dawn",
    shut: 1,
};
const OTHER: Secrets =
    Secrets { pin: "2222", rank: 9, handler: BOB, email: "zzz@example.org", title: "zzz", shut: 3 };

async fn made(root: &Client, path: &str, body: Value) {
    let answer = root.post(path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

async fn house(secrets: &Secrets) -> House {
    let house = House::with(Options { clock: Clock::set(MORNING_MS), ..Options::default() });
    let root = house.superuser().await;
    let everyone = json!({"listRule": "", "viewRule": ""});
    assert_eq!(root.patch("/api/collections/users", everyone).await.status, 200);
    for (id, name, email, shown) in [
        (ADA, "Ada", "ada@example.com", true),
        (BOB, "Bob", secrets.email, false),
        ("eve000000000000", "Eve", "eve@example.com", false),
    ] {
        let account = json!({"id": id, "name": name, "email": email, "emailVisibility": shown,
            "password": PASSWORD, "passwordConfirm": PASSWORD});
        made(&root, "/api/collections/users/records", account).await;
    }
    let defined = json!({"name": "posts", "listRule": "open = true && rank != 77", "viewRule": "open = true",
        "createRule": "", "updateRule": "open = true", "deleteRule": "pin = 'never'",
        "fields": [
            {"name": "title", "type": "text"}, {"name": "open", "type": "bool"},
            {"name": "author", "type": "relation", "collectionId": "_pb_users_auth_"},
            {"name": "pin", "type": "text", "hidden": true},
            {"name": "rank", "type": "number", "hidden": true},
            {"name": "place", "type": "geoPoint", "hidden": true},
            {"name": "meta", "type": "json", "hidden": true},
            {"name": "handler", "type": "relation", "collectionId": "_pb_users_auth_", "hidden": true}],
        "indexes": ["CREATE UNIQUE INDEX posts_pin ON posts (pin) WHERE pin != ''",
            "CREATE INDEX posts_rank ON posts (rank, title)"]});
    made(&root, "/api/collections", defined).await;
    let post = |id: &str, title: &str, open: bool, pin: &str| {
        json!({"id": id, "title": title, "open": open, "author": BOB, "pin": pin,
            "rank": secrets.rank, "handler": secrets.handler, "meta": {"deep": secrets.pin},
            "place": {"lon": secrets.rank, "lat": secrets.rank}})
    };
    let posts = "/api/collections/posts/records";
    made(&root, posts, post(OPEN, "open", true, secrets.pin)).await;
    for n in 0..secrets.shut {
        let id = format!("{}{n}", &SHUT[..14]);
        made(&root, posts, post(&id, secrets.title, false, "")).await;
    }
    let locked = json!({"name": "locked", "fields": [{"name": "code", "type": "text"},
        {"name": "post", "type": "relation", "collectionId": "posts"}]});
    let id = root.get("/api/collections/posts").await.body["id"].clone();
    let mut locked = locked;
    locked["fields"][1]["collectionId"] = id;
    made(&root, "/api/collections", locked).await;
    for n in 0..secrets.shut {
        let code = json!({"code": format!("{}{n}", secrets.pin), "post": OPEN});
        made(&root, "/api/collections/locked/records", code).await;
    }
    house
}

/// Filters over posts that look where strangers may not.
const FILTERS: &[&str] = &[
    "pin = '1111'",
    "pin ~ '1'",
    "pin != ''",
    "pin:lower = '1111'",
    "pin:length > 1",
    "'1111' = pin",
    "rank > 5",
    "rank = title",
    "title = rank",
    "strftime('%Y', pin) = ''",
    "place.lon > 5",
    "geoDistance(place.lon, place.lat, 0, 0) > 500",
    "meta.deep = '1111'",
    "meta ~ '1'",
    "handler = 'ada000000000000'",
    "handler.name = 'Ada'",
    "handler.id ?= 'ada000000000000'",
    "handler:length = 1",
    "handler.email != ''",
    "author.email ~ 'aaa'",
    "author.email = 'aaa@example.com'",
    "author.email > 'm'",
    "author.email != 'aaa@example.com'",
    "author.email !~ 'aaa'",
    "author.email = ''",
    "author.email = null",
    "author.email:lower = 'aaa@example.com'",
    "author.email = author.email",
    "author.email ~ author.name",
    "author.password != ''",
    "author.tokenKey != ''",
    "author.tokenKey ~ 'a'",
    "author.posts_via_author.title ?~ 'attack'",
    "author.posts_via_author.title ~ 'attack'",
    "author.posts_via_author.title !~ 'attack'",
    "author.posts_via_author.title != 'zzz'",
    "author.posts_via_author.title ?!= 'open'",
    "author.posts_via_author.title = 'open'",
    "author.posts_via_author.open ?= false",
    "author.posts_via_author.id ?= 'shut0000000000'",
    "author.posts_via_author.pin ?= '1111'",
    "author.posts_via_handler.id ?= 'open00000000000'",
    "locked_via_post.code ?~ '1'",
    "locked_via_post.id != ''",
    "@collection.locked.code ?~ '1'",
    "@collection.posts.pin ?= '1111'",
    "@request.auth.tokenKey != ''",
    "@request.headers.authorization != ''",
    "open = false",
    "open = false || title ~ 'attack'",
    "title ~ 'attack' || title ~ 'zzz'",
];

/// The same over users.
const USER_FILTERS: &[&str] = &[
    "email = 'aaa@example.com'",
    "email ~ 'aaa'",
    "email !~ 'aaa'",
    "email != ''",
    "email = ''",
    "email > 'm'",
    "email < 'm' || name = 'x'",
    "email:lower ~ 'aaa'",
    "email = name",
    "strftime(email, '2024-01-01') = 'aaa@example.com'",
    "tokenKey ~ 'a'",
    "password ~ 'a'",
    "posts_via_handler.id ?= 'open00000000000'",
    "posts_via_handler.title ?~ 'o'",
    "posts_via_author.title ?~ 'attack'",
    "posts_via_author.title !~ 'attack'",
    "posts_via_author.rank ?> 5",
    "posts_via_author.author.email ?~ 'aaa'",
    "posts_via_author.author.posts_via_author.title ?~ 'attack'",
];

/// Everything else that may be asked of a list of records.
const QUERIES: &[&str] = &[
    "",
    "sort=pin",
    "sort=-rank",
    "sort=handler",
    "sort=handler.name",
    "sort=author.email",
    "sort=-author.email",
    "sort=author.tokenKey",
    "sort=place",
    "sort=meta.deep",
    "sort=@random&fields=title",
    "sort=@rowid",
    "sort=-@rowid",
    "fields=pin",
    "fields=*,pin,rank",
    "fields=meta,place,handler",
    "fields=pin:excerpt(9,true)",
    "fields=tokenKey,password,email",
    "fields=expand.author.email",
    "fields=expand.handler&expand=handler",
    "expand=handler",
    "expand=author",
    "expand=handler,author",
    "expand=author.posts_via_author",
    "expand=author.posts_via_handler",
    "expand=locked_via_post",
    "expand=author.posts_via_author.handler",
    "after=shut0000000000",
    "after=shut0000000000&sort=title",
    "after=open00000000000&sort=-title",
    "page=2&perPage=1",
    "explain=1",
    "explain=1&filter=title='open'",
    "skipTotal=1&perPage=1",
];

const USER_QUERIES: &[&str] = &[
    "",
    "sort=email",
    "sort=-email",
    "sort=email,name",
    "sort=tokenKey",
    "sort=posts_via_author.title",
    "sort=posts_via_handler.title",
    "fields=email",
    "fields=email,password,tokenKey",
    "expand=posts_via_handler",
    "expand=posts_via_author",
    "expand=posts_via_author.handler",
    "after=bob000000000000&sort=email",
    "after=bob000000000000&sort=-email",
];

const FIGURES: &[&str] = &[
    "select=count",
    "select=count&filter=open=false",
    "select=sum(rank)",
    "select=min(pin)",
    "select=max(author.email)",
    "select=count&group=pin",
    "select=count&group=author.email",
    "select=count&group=handler",
    "select=count&group=handler.name",
    "select=max(title)",
    "select=count&filter=author.email~'aaa'",
    "select=count&filter=author.posts_via_author.title?~'attack'",
    "select=max(author.tokenKey)",
];

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'~' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn requests() -> Vec<String> {
    let (posts, users) = ("/api/collections/posts", "/api/collections/users");
    let mut all = Vec::new();
    all.extend(FILTERS.iter().map(|filter| format!("{posts}/records?filter={}", escaped(filter))));
    all.extend(
        FILTERS
            .iter()
            .map(|filter| format!("{posts}/aggregate?select=count&filter={}", escaped(filter))),
    );
    all.extend(
        USER_FILTERS.iter().map(|filter| format!("{users}/records?filter={}", escaped(filter))),
    );
    all.extend(USER_FILTERS.iter().map(|filter| format!("/api/users?filter={}", escaped(filter))));
    all.extend(QUERIES.iter().map(|query| format!("{posts}/records?{query}")));
    all.extend(QUERIES.iter().map(|query| format!("{posts}/records/{OPEN}?{query}")));
    all.extend(QUERIES.iter().map(|query| format!("{posts}/records/shut0000000000?{query}")));
    all.extend(USER_QUERIES.iter().map(|query| format!("{users}/records?{query}")));
    all.extend(USER_QUERIES.iter().map(|query| format!("{users}/records/{BOB}?{query}")));
    all.extend(FIGURES.iter().map(|query| format!("{posts}/aggregate?{query}")));
    all.push("/api/openapi.json".to_owned());
    all.push("/api/collections/locked/records".to_owned());
    all
}

/// What an answer says, but for the name of the request.
fn said(answer: crate::house::Answer) -> (u16, String, Value) {
    let plan = answer.header("holdall-plan").to_owned();
    let mut body = answer.body;
    if let Some(members) = body.as_object_mut() {
        members.remove("request_id");
    }
    (answer.status, plan, body)
}

#[tokio::test]
async fn strangers_cannot_tell_two_houses_apart_by_reading() {
    let (one, other) = (house(&ONE).await, house(&OTHER).await);
    let callers = [
        (one.guest(), other.guest()),
        (
            one.sign_in("users", "ada@example.com", PASSWORD).await,
            other.sign_in("users", "ada@example.com", PASSWORD).await,
        ),
    ];
    let mut leaks = Vec::new();

    for (in_one, in_other) in &callers {
        for path in requests() {
            let path = path.replace(' ', "%20").replace('\'', "%27");
            let (here, there) = (in_one.get(&path).await, in_other.get(&path).await);
            assert_ne!(here.status, 500, "{path}");
            let (here, there) = (said(here), said(there));
            if here != there {
                leaks.push(format!("{path}\n  {here:?}\n  {there:?}"));
            }
        }
    }

    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

#[tokio::test]
async fn strangers_cannot_tell_two_houses_apart_by_writing() {
    let (one, other) = (house(&ONE).await, house(&OTHER).await);
    let posts = "/api/collections/posts/records";
    let mut leaks = Vec::new();

    for (method, path, body) in [
        ("POST", posts.to_owned(), json!({"id": "new000000000000", "title": "x", "pin": "1111"})),
        (
            "POST",
            posts.to_owned(),
            json!({"id": "new000000000001", "title": 5, "pin": "2222", "rank": 77}),
        ),
        ("POST", posts.to_owned(), json!({"id": "new000000000002", "author": "nobody000000000"})),
        (
            "POST",
            format!("{posts}?expand=handler,author"),
            json!({"id": "new000000000003", "author": BOB, "handler": BOB}),
        ),
        ("PATCH", format!("{posts}/{OPEN}?expand=handler"), json!({"title": "y", "pin": "9"})),
        ("PATCH", format!("{posts}/{OPEN}"), json!({"pin+": "1", "rank+": 1, "handler-": ADA})),
        ("PATCH", format!("{posts}/shut0000000000"), json!({"title": "y"})),
        ("DELETE", format!("{posts}/{OPEN}"), json!({})),
        ("DELETE", format!("{posts}/shut0000000000"), json!({})),
        (
            "POST",
            "/api/collections/users/auth-with-password".to_owned(),
            json!({"identity": "aaa@example.com", "password": "wrong password"}),
        ),
        (
            "POST",
            "/api/collections/users/auth-with-password".to_owned(),
            json!({"identity": "Bob", "identityField": "name", "password": PASSWORD}),
        ),
        ("POST", "/api/collections/posts/explain".to_owned(), json!({"action": "list"})),
    ] {
        let method: http::Method = method.parse().unwrap();
        let here = one.guest().send_json(method.clone(), &path, &body).await;
        let there = other.guest().send_json(method.clone(), &path, &body).await;
        assert_ne!(here.status, 500, "{path}");
        let (here, there) = (said(here), said(there));
        if here != there {
            leaks.push(format!("{method} {path} {body}\n  {here:?}\n  {there:?}"));
        }
    }

    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// Else the tests above would say nothing.
#[tokio::test]
async fn superusers_can_tell_the_houses_apart() {
    let (one, other) = (house(&ONE).await, house(&OTHER).await);
    let (here, there) = (one.superuser().await, other.superuser().await);
    let mut alike = Vec::new();

    for filter in FILTERS.iter().filter(|filter| !filter.contains("open = false || ")) {
        let path = format!("/api/collections/posts/records?filter={}", escaped(filter));
        let (here, there) = (here.get(&path).await, there.get(&path).await);
        if said(here) == said(there) {
            alike.push(*filter);
        }
    }

    // Most of the filters are about something that differs.
    assert!(alike.len() < FILTERS.len() / 4, "{alike:?}");
}
