//! `holdall erase`, run as a person would: who goes, what goes along, and what is left of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdall::app::Options;
use holdall::store::Home;
use memchr::memmem;
use serde_json::{Value, json};

use crate::command::{Done, Holdall};
use crate::house::{Client, House};

/// What Ada wrote, and nobody else.
const CANARY: &str = "canary-of-ada";

/// A data directory with Ada, Bob, posts that go with their author, and comments that go with posts.
struct Place(tempfile::TempDir);

impl Place {
    async fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let house = place.house();
        let root = house.superuser().await;
        relate(&root, "posts", json!({"collectionId": "_pb_users_auth_", "cascadeDelete": true}))
            .await;
        let posts = root.get("/api/collections/posts").await.body["id"].clone();
        relate(&root, "comments", json!({"collectionId": posts, "cascadeDelete": true})).await;
        for name in ["ada", "bob"] {
            let account = json!({"id": id(name), "email": format!("{name}@Example.com"),
                "name": format!("canary-of-{name}"), "password": "a long password",
                "passwordConfirm": "a long password"});
            create(&root, "users", account).await;
            let mut old = json!({"id": id(&format!("post{name}")), "of": id(name), "text": ""});
            create(&root, "posts", old.clone()).await;
            old["text"] = json!(format!("canary-of-{name}, changed"));
            let path = format!("/api/collections/posts/records/{}", id(&format!("post{name}")));
            assert_eq!(root.patch(&path, old).await.status, 200);
        }
        for _ in 0..2 {
            let comment = json!({"of": id("postada"), "text": CANARY});
            create(&root, "comments", comment).await;
        }
        let link = json!({"collectionRef": "_pb_users_auth_", "recordRef": id("ada"),
            "provider": "google", "providerId": CANARY});
        create(&root, "_externalAuths", link).await;
        house.app.store().make_base().unwrap();
        drop(root);
        drop(house);
        place
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Another place with the same data.
    fn copy(&self) -> Self {
        let other = Self(tempfile::tempdir().unwrap());
        let done = Command::new("cp").arg("-r").arg(self.data()).arg(other.data()).status();
        assert!(done.unwrap().success());
        other
    }

    /// Runs a command and kills it after a while; returns how long it ran.
    fn run_for(&self, line: &str, patience: Duration) -> Duration {
        let data = self.data();
        let holdall = Holdall::new(line).arg("--data").arg(data.to_str().unwrap());
        let (mut command, _home) = holdall.into_command();
        let begun = Instant::now();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while child.try_wait().unwrap().is_none() && begun.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();
        begun.elapsed()
    }

    fn house(&self) -> House {
        House::with(Options { home: Home::Files(self.data()), ..Options::default() })
    }

    fn run(&self, line: &str) -> Done {
        Holdall::new(line).arg("--data").arg(self.data().to_str().unwrap()).run()
    }

    /// Whether any file but bases, which are packed, has what Ada wrote.
    fn has_canary(&self) -> bool {
        files(&self.data()).iter().any(|path| {
            memmem::find(&fs::read(path).unwrap_or_default(), CANARY.as_bytes()).is_some()
        })
    }

    /// Ids of a collection's records.
    async fn left(&self, house: &House, collection: &str) -> Vec<String> {
        let root = house.superuser().await;
        let list = root.get(&format!("/api/collections/{collection}/records?sort=id")).await;
        let items = list.body["items"].as_array().expect("a list");
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn id(name: &str) -> String {
    format!("{name:0<15}")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn relate(root: &Client, name: &str, mut relation: Value) {
    relation["name"] = json!("of");
    relation["type"] = json!("relation");
    relation["maxSelect"] = json!(1);
    let fields = json!([relation, {"name": "text", "type": "text"}]);
    let made = root.post("/api/collections", json!({"name": name, "fields": fields})).await;
    assert_eq!(made.status, 200, "{}", made.body);
}

async fn create(root: &Client, collection: &str, body: Value) {
    let made = root.post(&format!("/api/collections/{collection}/records"), body).await;
    assert_eq!(made.status, 200, "{}", made.body);
}

#[tokio::test]
async fn nothing_of_a_person_is_left_and_all_of_the_others() {
    let place = Place::new().await;
    fs::create_dir(place.data().join("backups")).unwrap();
    fs::write(place.data().join("base/old.bak"), "").unwrap();
    assert!(place.has_canary());

    let done = place.run("erase users ADA@example.com --yes");

    assert_eq!(done.code, 0, "{done:?}");
    for line in [
        "  users ada000000000000 (ada@Example.com)",
        "erased: 1 of _externalAuths, 2 of comments, 1 of posts, 1 of users",
        "Nothing of it is left in the data directory.",
        "Not looked into, though it is in there: backups, base/old.bak",
    ] {
        assert!(done.out.lines().any(|said| said == line), "{line} in {}", done.out);
    }
    assert!(done.out.contains("Backups and copies"), "{}", done.out);
    assert!(!place.has_canary());
    assert!(!place.data().join("SCRUB").exists());
    let checked = place.run("store check");
    assert_eq!(checked.code, 0, "{checked:?}");
    let house = place.house();
    assert_eq!(place.left(&house, "users").await, [id("bob")]);
    assert_eq!(place.left(&house, "posts").await, [id("postbob")]);
    assert_eq!(place.left(&house, "_externalAuths").await, [""; 0]);
    house.sign_in("users", "bob@Example.com", "a long password").await;
}

#[tokio::test]
async fn nobody_goes_unless_it_is_meant() {
    let place = Place::new().await;

    let unsure = place.run("erase users ada000000000000");
    let unknown = place.run("erase users ada000000000000 eve@example.com nobody --yes");
    let nowhere = place.run("erase people ada000000000000 --yes");

    assert_eq!((unsure.code, unknown.code, nowhere.code), (2, 2, 2));
    let counts = "in all 1 of _externalAuths, 2 of comments, 1 of posts, 1 of users\n";
    assert!(unsure.out.contains(counts), "{}", unsure.out);
    assert!(unsure.err.contains("--yes"), "{}", unsure.err);
    for name in ["users has no record eve@example.com", "users has no record nobody"] {
        assert!(unknown.err.contains(name), "{}", unknown.err);
    }
    assert!(nowhere.err.contains("collection not found"), "{}", nowhere.err);
    assert!(place.has_canary() && !place.data().join("SCRUB").exists());
    let house = place.house();
    assert_eq!(place.left(&house, "users").await, [id("ada"), id("bob")]);
}

#[tokio::test]
async fn who_is_required_by_others_stays_with_all_history() {
    let place = Place::new().await;
    {
        let house = place.house();
        let root = house.superuser().await;
        let strict = json!({"collectionId": "_pb_users_auth_", "required": true});
        relate(&root, "bills", strict).await;
        create(&root, "bills", json!({"of": id("ada"), "text": "1 EUR"})).await;
    }

    let refused = place.run("erase users ada@example.com bob@example.com --yes");

    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("a record of bills requires it"), "{}", refused.err);
    assert!(place.has_canary() && !place.data().join("SCRUB").exists());
    let house = place.house();
    assert_eq!(place.left(&house, "users").await, [id("ada"), id("bob")]);
}

#[tokio::test]
async fn what_goes_along_may_be_named_as_well_and_twice() {
    let place = Place::new().await;
    {
        let house = place.house();
        let root = house.superuser().await;
        let path = "/api/collections/posts";
        let mut fields = root.get(path).await.body["fields"].clone();
        let posts = root.get(path).await.body["id"].clone();
        let answer = json!({"name": "answers", "type": "relation", "collectionId": posts,
            "cascadeDelete": true, "maxSelect": 1});
        fields.as_array_mut().unwrap().push(answer);
        assert_eq!(root.patch(path, json!({ "fields": fields })).await.status, 200);
        let path = format!("{path}/records/{}", id("postbob"));
        let answer = json!({"answers": id("postada")});
        assert_eq!(root.patch(&path, answer).await.status, 200);
    }

    let named = place.run("erase posts postada00000000 postbob00000000 postada00000000 --yes");
    let again = place.run("erase posts postada00000000 --yes");

    assert_eq!((named.code, again.code), (0, 2), "{named:?} {again:?}");
    assert!(named.out.contains("erased: 2 of comments, 2 of posts\n"), "{}", named.out);
}

#[tokio::test]
async fn address_that_several_have_is_nobody() {
    let place = Place::new().await;
    {
        let house = place.house();
        let root = house.superuser().await;
        let double = json!({"email": "ADA@example.com", "password": "a long password",
            "passwordConfirm": "a long password"});
        create(&root, "users", double).await;
    }

    let refused = place.run("erase users ada@example.com --yes");

    assert_eq!(refused.code, 2, "{refused:?}");
    for part in ["ada@example.com may be any of ", "ada000000000000"] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
}

#[tokio::test]
async fn a_running_server_erases_and_the_next_start_clears_its_state() {
    let place = Place::new().await;
    let ready = place.0.path().join("ready.json");
    let (mut command, _home) = Holdall::new("serve --listen 127.0.0.1:0 --data")
        .arg(place.data().to_str().unwrap())
        .arg("--ready-file")
        .arg(ready.to_str().unwrap())
        .into_command();
    let log = fs::File::create(place.0.path().join("log")).unwrap();
    let mut server = command.stderr(log).spawn().unwrap();
    while !ready.exists() {
        assert!(server.try_wait().unwrap().is_none(), "the server ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }

    let unsure = place.run("erase users ada@example.com");
    let unknown = place.run("erase users eve@example.com --yes");
    let done = place.run("erase users ada@example.com --yes");
    let journal = files(&place.data().join("journal")).into_iter().chain(files(&place.data()));
    let journal: Vec<_> =
        journal.filter(|path| !path.starts_with(place.data().join("state"))).collect();
    let kept = journal.iter().find(|path| {
        memmem::find(&fs::read(path).unwrap_or_default(), CANARY.as_bytes()).is_some()
    });
    let marked = place.data().join("SCRUB").exists();

    // SAFETY: sends a signal to a process that this test started.
    assert_eq!(unsafe { libc::kill(i32::try_from(server.id()).unwrap(), libc::SIGTERM) }, 0);
    server.wait().unwrap();
    assert_eq!((unsure.code, unknown.code, done.code), (2, 2, 0), "{unsure:?} {done:?}");
    assert!(unsure.out.contains("2 of comments"), "{}", unsure.out);
    assert!(unknown.err.contains("eve@example.com"), "{}", unknown.err);
    assert!(done.out.contains("when the server starts next"), "{}", done.out);
    assert!(kept.is_none() && marked, "{kept:?}");
    let house = place.house();
    assert_eq!(place.left(&house, "users").await, [id("bob")]);
    drop(house);
    assert!(!place.has_canary() && !place.data().join("SCRUB").exists());
    let log = fs::read_to_string(place.0.path().join("log")).unwrap();
    assert!(log.contains("were erased") && !log.contains("ada"), "{log}");
}

/// SIGKILL at many moments: who is deleted by then is erased by the next start.
#[tokio::test]
async fn killed_command_is_finished_by_the_next_start() {
    let place = Place::new().await;
    let line = "erase users ada@example.com --yes";
    let whole = place.copy().run_for(line, Duration::from_secs(60));
    let (mut gone, mut unfinished) = (0, 0);
    for part in 1..=24 {
        let killed = place.copy();

        killed.run_for(line, whole * part / 24);

        unfinished += usize::from(killed.data().join("SCRUB").exists());
        let house = killed.house();
        let left = killed.left(&house, "users").await;
        let comments = killed.left(&house, "comments").await;
        drop(house);
        let mut checked = killed.run("store check");
        for start in 1..3 {
            // A start that something kept from it leaves it to the next one, and says so.
            if killed.data().join("SCRUB").exists() {
                eprintln!("part {part}, start {start}: {checked:?}");
                checked = killed.run("store check");
            }
        }
        assert_eq!(checked.code, 0, "part {part}: {checked:?}");
        assert!(!killed.data().join("SCRUB").exists(), "part {part}: {checked:?}");
        match left.len() {
            1 => assert!(comments.is_empty() && !killed.has_canary(), "part {part}"),
            left => assert_eq!((left, comments.len()), (2, 2), "part {part}"),
        }
        gone += usize::from(left.len() == 1);
    }
    assert!(gone > 0 && unfinished > 0, "killed at the wrong moments: {gone}, {unfinished}");
}

#[test]
fn command_wants_a_store_on_disk() {
    let memory = Holdall::new("erase users ada --yes --store memory --data nowhere").run();
    let nowhere = Holdall::new("erase users ada --yes --data nowhere").run();

    assert_eq!((memory.code, nowhere.code), (2, 2), "{memory:?} {nowhere:?}");
    assert!(memory.err.contains("in memory"), "{}", memory.err);
    assert!(nowhere.err.contains("there is no store in"), "{}", nowhere.err);
}
