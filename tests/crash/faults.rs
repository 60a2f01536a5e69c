//! Disks that fail: a clear error, and nothing acknowledged is lost.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use holdall::store::{Error, Options, Store};

use crate::power::build_recorder;
use crate::product::{self, Model, THREADS};

/// In the environment of a child: the store it is to write to until the disk fails.
const CHILD: &str = "HOLDALL_FAULT_CHILD";

#[test]
fn writes_until_the_disk_fails() {
    // Not a test but the process whose disk fails.
    let Some(path) = std::env::var_os(CHILD) else { return };
    let options = Options {
        on_fatal: Arc::new(|_| product::say("fatal\n")),
        ..product::options(Path::new(&path))
    };
    let store = Store::open(options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                while let Ok(number) = product::step(store, thread) {
                    product::say(&format!("ack {thread} {number}\n"));
                }
            });
        }
    });
    let again = product::step(&store, 0);
    if matches!(again, Err(Error::Broken(_))) && store.broken().is_some() {
        product::say("refused\n");
    }
}

#[test]
fn failed_call_is_never_tried_again() {
    let home = tempfile::tempdir().unwrap();
    let Some(recorder) = build_recorder(home.path()) else {
        eprintln!("SKIPPED: no C compiler, so no disk can be made to fail");
        return;
    };
    let path = home.path().join("data");
    let mut acknowledged = [0; THREADS as usize];
    let mut model = Model::default();
    let faults = [
        ("sync", "/journal/", "40"),
        ("sync", "/journal/", "150"),
        ("write", "/journal/", "60"),
        ("write", "/state/", "12"),
        ("sync", "/state/", "12"),
    ];
    for (round, (call, below, from)) in faults.into_iter().enumerate() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::writes_until_the_disk_fails", "--nocapture"])
            .env(CHILD, &path)
            .env("LD_PRELOAD", &recorder)
            .env("RECORD_DIR", &path)
            .env("RECORD", home.path().join("record"))
            .env("FAIL_CALL", call)
            .env("FAIL_PATH", below)
            .env("FAIL_FROM", from)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&child.stdout);
        assert_eq!(told.matches("fatal\n").count(), 1, "{call} {below}: told once");
        assert!(told.contains("refused\n"), "{call} {below}: no write after it");
        product::acknowledged(&told, &mut acknowledged);
        let store = Store::open(product::options(&path)).unwrap();
        model.check(&store, &acknowledged).unwrap();
        assert!(model.commits() > round as u64 * 20);
    }
}
