//! Stores that older versions wrote: each is opened, is complete, can be written to, and is of
//! today's format afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdall::app::{App, Options};
use holdall::clock::Clock;
use holdall::store::{Home, directory};
use serde_json::{Value, json};

use crate::house::{Client, House};

/// The kept stores, and what each answered when it was kept.
fn kept() -> Vec<(PathBuf, Value)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut kept = Vec::new();
    for format in 1.. {
        let answers = data.join(format!("store-{format}.json"));
        let Ok(answers) = fs::read(answers) else { break };
        let answers = serde_json::from_slice(&answers).unwrap();
        kept.push((data.join(format!("store-{format}.tar.gz")), answers));
    }
    let older = directory::FORMAT as usize - 1;
    assert!(kept.len() >= older, "scripts/keep-store.sh keeps one before the format changes");
    kept
}

fn unpacked(archive: &Path) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let unpack = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(home.path()).status();
    assert!(unpack.unwrap().success());
    home
}

fn options(home: &Path) -> Options {
    Options {
        home: Home::Files(home.to_owned()),
        clock: Clock::set(1_900_000_000_000),
        ..Options::default()
    }
}

fn assert_sound(app: &App) {
    assert_eq!(app.store().check().unwrap().problems(), [""; 0]);
}

async fn assert_answers(root: &Client, expected: &Value) {
    let found = root.get("/api/collections?perPage=200").await;
    let mut found = found.body["items"].as_array().unwrap().clone();
    for (name, collection) in expected["collections"].as_object().unwrap() {
        let at = found.iter().position(|found| found["name"] == **name);
        let mut found = found.swap_remove(at.unwrap_or_else(|| panic!("{name} is gone")));
        found.as_object_mut().unwrap().remove("name");
        assert_eq!(found, *collection, "{name}");
    }
    for (name, records) in expected["records"].as_object().unwrap() {
        let path = format!("/api/collections/{name}/records?perPage=500&sort=@rowid");
        let found = root.get(&path).await;
        assert_eq!(found.body["totalItems"], json!(records.as_array().unwrap().len()));
        assert_eq!(found.body["items"], *records, "{name}");
    }
}

async fn assert_takes_writes(root: &Client, expected: &Value) {
    let books = "/api/collections/books/records";
    let taken = root.post(books, json!({ "title": "Book 1" })).await;
    assert_eq!(taken.body["data"]["title"]["code"], "validation_not_unique", "{}", taken.body);
    let new = root.post(books, json!({ "title": "new", "kind": ["poem"], "sheets": 3 })).await;
    assert_eq!(new.status, 200, "{}", new.body);
    let of_kind = root.get(&format!("{books}?filter=title='new'%26%26sheets=3")).await;
    assert_eq!(of_kind.body["totalItems"], 1);
    for book in expected["records"]["books"].as_array().unwrap() {
        let path = format!("{books}/{}", book["id"].as_str().unwrap());
        let changed = root.patch(&path, json!({ "sheets+": 1 })).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
    }
    let author = expected["records"]["authors"][2]["id"].as_str().unwrap();
    let gone = root.delete(&format!("/api/collections/authors/records/{author}")).await;
    assert_eq!(gone.status, 204, "{}", gone.body);
}

#[tokio::test]
async fn store_of_every_format_is_opened_complete_and_written_to() {
    for (archive, expected) in kept() {
        let home = unpacked(&archive);
        {
            let house = House::with(options(home.path()));
            let root = house.superuser().await;
            assert_answers(&root, &expected).await;
            assert_sound(&house.app);
            house.sign_in("people", "p3@example.com", "correct-horse-9").await;
            assert_takes_writes(&root, &expected).await;
            assert_sound(&house.app);
        }
        let marker = fs::read_to_string(home.path().join("FORMAT")).unwrap();
        assert!(marker.starts_with(&format!("holdall {} ", directory::FORMAT)), "{marker}");

        crate::house::forget_state(home.path());
        let house = House::with(options(home.path()));
        assert_sound(&house.app);
        let root = house.superuser().await;
        let new = root.get("/api/collections/books/records?filter=title='new'").await;
        assert_eq!(new.body["totalItems"], 1);
    }
}

#[tokio::test]
async fn store_that_lost_its_state_is_the_same() {
    for (archive, expected) in kept() {
        let home = unpacked(&archive);
        fs::remove_dir_all(home.path().join("state")).unwrap();
        let house = House::with(options(home.path()));
        assert_answers(&house.superuser().await, &expected).await;
        assert_sound(&house.app);
    }
}
