//! Looks for erased values in every byte of the data directory, after every kind of end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::*;
use crate::store::Read;
use crate::store::base;
use crate::store::contract::{all, assert_derived, forget, get, in_files, options, put};
use crate::store::open::Home;
use crate::store::restarts::copy;

const CANARY: &str = "canary-7f3a1c";

/// What has the canary in it: files, plain, and bases when unpacked.
fn holders(home: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(home) {
        let mut bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "base") {
            bytes = unpacked(home, &path);
        }
        if memchr::memmem::find(&bytes, CANARY.as_bytes()).is_some() {
            found.push(path.strip_prefix(home).unwrap().display().to_string());
        }
    }
    found.sort();
    found
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn unpacked(home: &Path, path: &Path) -> Vec<u8> {
    let marker = fs::read_to_string(home.join("FORMAT")).unwrap();
    let line = marker.split_whitespace().nth(2).unwrap();
    let line = u128::from_str_radix(line, 16).unwrap().to_be_bytes();
    let bases = base::list(path.parent().unwrap(), &line).unwrap();
    let base = bases.iter().find(|base| base.path == path).expect("a whole base");
    let mut bytes = Vec::new();
    base::read(base, &line, |_, value| {
        bytes.extend_from_slice(&value);
        Ok(())
    })
    .unwrap();
    bytes
}

fn delete(store: &Store) -> Result<()> {
    store.write(|tx| tx.take_away(b"R007", "red".into()))
}

/// A closed store with the canary in journal, base, state and a state set aside.
fn with_canary(home: &Path) {
    let store = in_files(home);
    (0..300).for_each(|n| put(&store, &format!("R{n:03}"), "red others"));
    put(&store, "R007", &format!("red {CANARY}"));
    store.make_base().unwrap();
    drop(store);
    forget(home);
    let store = in_files(home);
    let changed = |tx: &mut crate::store::Tx| {
        tx.replace_with(b"R007", format!("blue {CANARY} again"), format!("red {CANARY}").into())
    };
    store.write(changed).unwrap();
    drop(store);
    let found = holders(home);
    for part in ["base/", "journal/", "state/", "state.old-1/"] {
        assert!(found.iter().any(|name| name.starts_with(part)), "{part} in {found:?}");
    }
}

fn assert_erased(home: &Path) {
    let store = in_files(home);
    assert!(!store.has_unscrubbed_state());
    assert_eq!(store.check().unwrap().problems(), [""; 0]);
    assert_derived(&store.snapshot());
    assert_eq!(all(&store.snapshot(), b"R").len(), 299);
    assert_eq!(get(&store, "R008").unwrap(), "red others");
    put(&store, "R008", "green");
    drop(store);
    assert_eq!(holders(home), [""; 0]);
    assert!(!home.join("SCRUB").exists());
    assert_eq!(get(&in_files(home), "R008").unwrap(), "green");
}

#[test]
fn deleting_alone_leaves_old_values_on_the_disk() {
    let home = tempfile::tempdir().unwrap();
    with_canary(home.path());
    let store = in_files(home.path());
    delete(&store).unwrap();
    store.make_base().unwrap();
    drop(store);
    assert!(!holders(home.path()).is_empty(), "these tests would not notice anything");
}

#[test]
fn scrubbed_values_leave_journal_and_bases_at_once_and_the_state_at_the_next_open() {
    let home = tempfile::tempdir().unwrap();
    with_canary(home.path());
    let store = in_files(home.path());
    store.scrub(|| delete(&store)).unwrap();
    assert!(store.has_unscrubbed_state() && !store.is_unscrubbed());
    let found = holders(home.path());
    assert!(found.iter().all(|name| name.starts_with("state/")), "{found:?}");
    assert_eq!(store.check().unwrap().problems(), [""; 0]);
    drop(store);
    assert_erased(home.path());
}

/// What cannot be made anew is not given up, nor is it called done.
#[test]
fn scrub_that_cannot_be_finished_stays_due() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    with_canary(home);
    let store = in_files(home);
    store.scrub(|| delete(&store)).unwrap();
    drop(store);
    let base = files(&home.join("base")).pop().unwrap();
    let sound = fs::read(&base).unwrap();
    let mut damaged = sound.clone();
    damaged[sound.len() / 2] ^= 1;
    fs::write(&base, damaged).unwrap();

    let makes_bases = false;
    let opened = || Store::open(Options { makes_bases, ..options(Home::Files(home.to_owned())) });
    let store = opened().unwrap();
    assert!(store.has_unscrubbed_state());
    assert_eq!(get(&store, "R008").unwrap(), "red others");
    drop(store);
    fs::write(&base, sound).unwrap();
    drop(opened().unwrap());
    assert_erased(home);
}

#[test]
fn scrubbing_is_right_beside_writers_and_bases() {
    let home = tempfile::tempdir().unwrap();
    with_canary(home.path());
    let store = in_files(home.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let bases = scope.spawn(|| {
            while !done.load(SeqCst) {
                store.make_base().expect("the mutex keeps others from its file");
            }
        });
        let writer = scope.spawn(|| {
            while !done.load(SeqCst) {
                put(&store, "R100", "red others");
            }
        });
        let rounds: Vec<_> = (0..5)
            .map(|_| {
                put(&store, "R007", &format!("red {CANARY}"));
                let scrubbed = store.scrub(|| delete(&store));
                (scrubbed.err(), journal_holders(home.path()))
            })
            .collect();
        // Whatever comes of it, or nobody would ever end.
        done.store(true, SeqCst);
        bases.join().unwrap();
        writer.join().unwrap();
        for (failed, found) in rounds {
            assert!(failed.is_none() && found.is_empty(), "{failed:?} {found:?}");
        }
    });
    drop(store);
    assert_erased(home.path());
}

/// The same of the journal alone: beside a writer of bases, their files come and go.
fn journal_holders(home: &Path) -> Vec<String> {
    let entries = fs::read_dir(home.join("journal")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let holds = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        memchr::memmem::find(&bytes, CANARY.as_bytes()).is_some()
    };
    paths.filter(holds).map(|path| path.display().to_string()).collect()
}

#[test]
fn killed_behind_the_delete_it_is_finished_by_the_next_open() {
    let home = tempfile::tempdir().unwrap();
    with_canary(home.path());
    let store = in_files(home.path());
    fs::write(home.path().join("SCRUB"), "all\n").unwrap();
    delete(&store).unwrap();
    // As a kill leaves it: a copy of the files of a store that runs.
    let killed = tempfile::tempdir().unwrap();
    copy(home.path(), killed.path());
    drop(store);
    assert_erased(killed.path());
    assert_erased(home.path());
}

#[test]
fn killed_behind_the_trim_it_is_finished_though_the_state_is_behind() {
    let home = tempfile::tempdir().unwrap();
    with_canary(home.path());
    let behind = tempfile::tempdir().unwrap();
    copy(&home.path().join("state"), behind.path());
    let store = in_files(home.path());
    store.scrub(|| delete(&store)).unwrap();
    drop(store);
    for marker in ["all\n", "state\n", "torn", ""] {
        let killed = tempfile::tempdir().unwrap();
        copy(home.path(), killed.path());
        fs::remove_dir_all(killed.path().join("state")).unwrap();
        copy(behind.path(), &killed.path().join("state"));
        fs::create_dir_all(killed.path().join("state/blobs")).unwrap();
        fs::write(killed.path().join("SCRUB"), marker).unwrap();
        assert_erased(killed.path());
    }
}

#[test]
fn killed_while_the_new_state_is_made_it_is_made_again() {
    let home = tempfile::tempdir().unwrap();
    with_canary(home.path());
    let store = in_files(home.path());
    store.scrub(|| delete(&store)).unwrap();
    drop(store);
    fs::rename(home.path().join("state"), home.path().join("state.scrubbed-1")).unwrap();
    fs::create_dir_all(home.path().join("state/blobs")).unwrap();
    fs::write(home.path().join("state/db"), "half").unwrap();
    assert_erased(home.path());
}

#[test]
fn refused_delete_leaves_history_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    with_canary(home.path());
    let store = in_files(home.path());
    let before = holders(home.path());
    let refused = store.scrub(|| Err::<(), _>(Error::Conflict));
    assert!(matches!(refused, Err(Error::Conflict)));
    assert!(!store.has_unscrubbed_state());
    drop(store);
    drop(in_files(home.path()));
    assert_eq!(holders(home.path()), before);
}

#[test]
fn store_that_takes_no_writes_opens_and_scrubs_later() {
    let home = tempfile::tempdir().unwrap();
    with_canary(home.path());
    let store = in_files(home.path());
    delete(&store).unwrap();
    drop(store);
    fs::write(home.path().join("SCRUB"), "all\n").unwrap();
    let files = Home::Files(home.path().to_owned());
    let full = Options { reserve_bytes: u64::MAX, ..options(files) };
    let store = Store::open(full).unwrap();
    assert!(store.is_unscrubbed());
    assert_eq!(get(&store, "R008").unwrap(), "red others");
    drop(store);
    assert_erased(home.path());
}

#[test]
fn store_in_memory_has_nothing_to_scrub() {
    let store = Store::memory(Arc::new(crate::store::contract::Paint));
    put(&store, "R007", "red");
    store.scrub(|| delete(&store)).unwrap();
    assert_eq!(store.snapshot().get(b"R007").unwrap(), None);
    assert!(!store.has_unscrubbed_state());
}
