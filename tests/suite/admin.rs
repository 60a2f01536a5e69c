//! `holdall admin`, run as a person would.

use std::path::Path;
use std::sync::Arc;

use holdall::app::{Keys, Options};
use holdall::auth::keys::SigningKey;
use holdall::store::Home;
use serde_json::json;

use crate::command::{Done, Holdall};
use crate::house::{House, SUPERUSER};

const PASSWORD: &str = "tr0ub4dor and three";

fn admin(line: &str, data: &Path, password: &str) -> Done {
    let holdall = Holdall::new(&format!("admin {line} --password-file password"));
    holdall
        .file("password", &format!("{password}\n"))
        .arg("--data")
        .arg(data.to_str().unwrap())
        .run()
}

async fn signs_in(data: &Path, email: &str, password: &str) -> bool {
    let house = House::with(Options {
        home: Home::Files(data.to_owned()),
        keys: Keys { signing: Some(Arc::new(SigningKey::generate())), ..Keys::default() },
        ..Options::default()
    });
    let body = json!({"identity": email, "password": password});
    let door = "/api/collections/_superusers/auth-with-password";
    house.guest().post(door, body).await.status == 200
}

#[tokio::test]
async fn creates_superusers_and_leaves_them_alone_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");

    let first = admin("create ada@example.com", &data, PASSWORD);
    let second = admin("create ada@example.com", &data, "another password");

    assert_eq!((first.code, second.code), (0, 0), "{first:?} {second:?}");
    assert_eq!(first.out, "ada@example.com is a superuser now\n");
    assert!(second.out.contains("already"), "{}", second.out);
    assert!(signs_in(&data, "ada@example.com", PASSWORD).await);
    assert!(!signs_in(&data, "ada@example.com", "another password").await);
}

#[tokio::test]
async fn a_forgotten_password_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    admin("create ada@example.com", &data, PASSWORD);

    let changed = admin("password ada@example.com", &data, "another password");

    assert_eq!(changed.code, 0, "{changed:?}");
    assert!(!signs_in(&data, "ada@example.com", PASSWORD).await);
    assert!(signs_in(&data, "ada@example.com", "another password").await);
    let nobody = admin("password bob@example.com", &data, PASSWORD);
    assert_eq!((nobody.code, &nobody.err[..]), (2, "holdall: superuser not found\n"));
}

#[test]
fn says_what_is_wrong_and_never_shows_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");

    let short = admin("create ada@example.com", &data, "canary");
    let nowhere = admin("create ada", &data, PASSWORD);
    let empty = admin("create ada@example.com", &data, "");

    assert_eq!((short.code, nowhere.code, empty.code), (2, 2, 2));
    assert!(!data.exists(), "nothing was touched");
    assert!(short.err.contains("password: ") && !short.err.contains("canary"), "{short:?}");
    assert!(nowhere.err.contains("email: "), "{nowhere:?}");
    assert!(empty.err.contains("empty"), "{empty:?}");
}

#[test]
fn a_store_in_memory_has_nobody_to_create() {
    let refused = admin("create ada@example.com --store memory", Path::new("data"), PASSWORD);

    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("HOLDALL_ADMIN_EMAIL"), "{}", refused.err);
}

#[tokio::test]
async fn a_new_key_signs_and_the_old_one_goes_on_verifying() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let open = || House::with(Options { home: Home::Files(data.clone()), ..Options::default() });
    let door = "/api/collections/_superusers/auth-with-password";
    let details = json!({"identity": SUPERUSER.0, "password": SUPERUSER.1});
    let house = open();
    let old = house.guest().post(door, details.clone()).await.body["token"].clone();
    drop(house);

    let nowhere = Holdall::new("keys rotate --data typo");
    let home = nowhere.home().to_owned();
    let (mut command, _home) = nowhere.into_command();
    let refused = Done::of(command.output().unwrap());
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("there is no store in"), "{refused:?}");
    assert!(!home.join("typo").exists());

    let rotated = Holdall::new("keys rotate --data").arg(data.to_str().unwrap()).run();

    assert_eq!(rotated.code, 0, "{rotated:?}");
    let house = open();
    let keys = house.guest().get("/.well-known/jwks.json").await.body["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 2);
    assert!(rotated.out.contains(keys[0]["kid"].as_str().unwrap()), "{rotated:?}");
    let new = house.guest().post(door, details).await.body["token"].clone();
    for token in [old, new] {
        let root = house.guest().holding(token.as_str().unwrap());
        assert_eq!(root.get("/api/settings").await.status, 200);
    }
}
