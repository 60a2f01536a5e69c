//! What a store in files promises across restarts: bases, trimmed journals, damaged files.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::store::contract::{all, assert_derived, forget, get, in_files, options, put};
use crate::store::*;

fn segments(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.join("journal")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    paths.sort();
    paths
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0xff], at).unwrap();
}

/// Where the last frame of a segment ends.
fn written(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let length = |at: usize| u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    let mut end = 64;
    while length(end) > 0 {
        end += length(end);
    }
    end as u64
}

fn opened(home: &Path) -> Result<Store, OpenError> {
    Store::open(options(Home::Files(home.to_owned())))
}

#[test]
fn state_made_anew_of_base_and_trimmed_journal_equals_the_old_one() {
    let home = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 64 << 10,
        retention_us: 0,
        ..options(Home::Files(home.path().to_owned()))
    };
    for round in 0..4 {
        let store = Store::open(options.clone()).unwrap();
        for n in 0..300 {
            put(
                &store,
                &format!("R{:03}", (n * 7 + round) % 400),
                &format!("c{} {}", n % 5, "x".repeat(900)),
            );
        }
        store.write(|tx| tx.clear(format!("R{round}").as_bytes())).unwrap();
        store.make_base().unwrap();
        assert!(segments(home.path()).len() <= 3, "trimmed: {:?}", segments(home.path()));
        put(&store, "R999", &format!("late {round}"));
        store.write(|tx| tx.delete(b"R001")).unwrap();
        let before = all(&store.snapshot(), b"");
        assert_eq!(store.check().unwrap().problems(), [""; 0]);
        drop(store);
        forget(home.path());
        let store = Store::open(options.clone()).unwrap();
        assert_eq!(all(&store.snapshot(), b""), before);
        assert_derived(&store.snapshot());
        assert_eq!(store.check().unwrap().problems(), [""; 0]);
    }
}

/// A backup is put in the place of a store that is served still.
#[test]
fn what_took_the_place_of_a_moved_directory_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let (path, away) = (home.path().join("data"), home.path().join("away"));
    let options = Options {
        segment_bytes: 64 << 10,
        retention_us: 0,
        makes_bases: false,
        ..options(Home::Files(path.clone()))
    };
    let names = |path: &Path| {
        let folders = ["", "journal", "base", "state"].map(|name| path.join(name));
        let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        entries.map(|entry| entry.unwrap().path()).collect::<std::collections::BTreeSet<_>>()
    };
    let store = Store::open(options.clone()).unwrap();
    put(&store, "R0", "red before");
    fs::rename(&path, &away).unwrap();
    let other = Store::open(options.clone()).unwrap();
    put(&other, "R0", "blue other");
    drop(other);
    let before = names(&path);

    let value = "x".repeat(1_000);
    let write = |n: u32| store.write(|tx| tx.put(format!("R{n}").as_bytes(), value.clone()));
    let written = (1..2_000).take_while(|n| write(*n).is_ok()).count();
    assert!(written < 1_000, "it has room for a segment or two, not for {written} kB");
    let refused = write(0).unwrap_err();
    assert!(refused.to_string().contains("was moved away"), "{refused}");
    assert!(store.make_base().is_err());
    assert_eq!(names(&path), before);

    let gone = home.path().join("gone");
    fs::rename(&path, &gone).unwrap();
    fs::rename(&away, &path).unwrap();
    put(&store, "R9999", "green after");
    store.make_base().unwrap();
    drop(store);
    let store = Store::open(options).unwrap();
    assert_eq!(all(&store.snapshot(), b"R").len(), written + 2);
    assert_eq!(store.check().unwrap().problems(), [""; 0]);
}

#[test]
fn base_is_made_by_itself_when_the_journal_has_grown() {
    let home = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 64 << 10,
        base_bytes: 256 << 10,
        retention_bytes: 0,
        ..options(Home::Files(home.path().to_owned()))
    };
    let store = Store::open(options).unwrap();
    for n in 0..1_500 {
        put(&store, &format!("R{:03}", n % 50), &format!("red {}", "x".repeat(1_000)));
    }
    let begun = std::time::Instant::now();
    while segments(home.path()).len() > 12 {
        assert!(begun.elapsed().as_secs() < 20, "{} segments", segments(home.path()).len());
        std::thread::sleep(std::time::Duration::from_millis(20));
        put(&store, "R000", "red");
    }
    assert_eq!(store.check().unwrap().problems(), [""; 0]);
}

#[test]
fn torn_tail_is_cut_and_writing_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let store = in_files(home.path());
    (0..50).for_each(|n| put(&store, &format!("R{n:02}"), "red"));
    drop(store);
    let last = segments(home.path()).pop().unwrap();
    let file = OpenOptions::new().write(true).open(&last).unwrap();
    // Half of a frame: its beginning is right, the rest never arrived.
    let frame = fs::read(&last).unwrap()[64..130].to_vec();
    file.write_all_at(&frame, written(&last)).unwrap();
    for _ in 0..2 {
        let store = in_files(home.path());
        put(&store, "R50", "blue");
        assert_eq!(all(&store.snapshot(), b"R").len(), 51);
        assert_derived(&store.snapshot());
    }
}

#[test]
fn damage_in_the_middle_of_the_journal_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let store = in_files(home.path());
    (0..50).for_each(|n| put(&store, &format!("R{n:02}"), "red"));
    drop(store);
    let first = segments(home.path()).remove(0);
    let end = written(&first);
    for at in (64..end / 2).step_by(997) {
        flip(&first, at);
        match opened(home.path()) {
            Err(error @ OpenError::Damaged(_)) => assert!(error.is_refusal()),
            other => panic!("byte {at}: {:?}", other.err()),
        }
        flip(&first, at);
    }
    assert_eq!(all(&opened(home.path()).unwrap().snapshot(), b"R").len(), 50);
}

#[test]
fn journal_that_lost_its_end_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let store = in_files(home.path());
    (0..50).for_each(|n| put(&store, &format!("R{n:02}"), "red"));
    drop(store);
    let first = segments(home.path()).remove(0);
    let end = written(&first);
    let file = OpenOptions::new().write(true).open(&first).unwrap();
    file.write_all_at(&vec![0; (end - 2_000) as usize], 2_000).unwrap();
    assert!(matches!(opened(home.path()), Err(OpenError::Damaged(_))));
    fs::remove_file(&first).unwrap();
    assert!(matches!(opened(home.path()), Err(OpenError::Damaged(_))));
}

#[test]
fn journal_of_another_store_is_refused() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for home in &homes {
        put(&in_files(home.path()), "R1", "red");
    }
    let theirs = segments(homes[1].path()).remove(0);
    fs::copy(theirs, segments(homes[0].path()).remove(0)).unwrap();
    assert!(matches!(opened(homes[0].path()), Err(OpenError::Damaged(_))));
}

#[test]
fn damaged_state_is_made_anew() {
    let home = tempfile::tempdir().unwrap();
    let store = in_files(home.path());
    for n in 0..2_000 {
        put(&store, &format!("R{:03}", n % 300), &format!("c{} {}", n % 9, "y".repeat(300)));
    }
    let before = all(&store.snapshot(), b"");
    drop(store);
    let state = home.path().join("state");
    let damage: [&dyn Fn(); 4] = [
        &|| {
            for at in 0..200 {
                let path = state.join("db");
                let length = fs::metadata(&path).unwrap().len();
                OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .write_all_at(&[0x5a; 512], (at * 7_919) % length)
                    .unwrap();
            }
        },
        &|| fs::remove_file(state.join("db")).unwrap(),
        &|| fs::write(state.join("conf"), "nonsense").unwrap(),
        &|| fs::remove_file(state.join("CREATED")).unwrap(),
    ];
    for hurt in damage {
        hurt();
        let store = in_files(home.path());
        assert_eq!(store.check().unwrap().problems(), [""; 0]);
        assert_eq!(all(&store.snapshot(), b""), before);
    }
}

/// sled mends some damage by itself, by going back to what it was before.
#[test]
fn no_damaged_byte_of_the_state_leads_to_a_wrong_answer() {
    let home = tempfile::tempdir().unwrap();
    let (sound, hurt) = (home.path().join("sound"), home.path().join("hurt"));
    let mut before = Vec::new();
    for round in 0..4 {
        let store = in_files(&sound);
        for n in 0..1_500 {
            let value = format!("c{} {}", n % 9, "y".repeat(100 + n * (round + 7) % 900));
            put(&store, &format!("R{:04}", (n * 7 + round * 13) % 2_000), &value);
        }
        std::thread::sleep(std::time::Duration::from_millis(600));
        before = all(&store.snapshot(), b"");
    }
    let rounds = if std::env::var_os("HOLDALL_SOAK").is_some() { 3_000 } else { 50 };
    for round in 0..rounds {
        copy(&sound, &hurt);
        let files = files(&hurt.join("state"));
        let path = &files[random(files.len())];
        let bytes = fs::read(path).unwrap();
        // A byte that means something.
        let places = (0..100).filter(|_| !bytes.is_empty());
        let Some(at) = places.map(|_| random(bytes.len())).find(|at| bytes[*at] != 0) else {
            continue;
        };
        flip(path, at as u64);
        let told = format!("round {round}: byte {at} of {}", path.display());
        let mut store = opened(&hurt).unwrap_or_else(|error| panic!("{told}: {error}"));
        if let Err(error) = store.check() {
            // Found when it was read: the next open mends it.
            assert!(matches!(error, Error::Damaged(_)), "{told}: {error}");
            assert!(store.broken().is_some(), "{told}");
            drop(store);
            store = opened(&hurt).unwrap();
        }
        assert_eq!(store.check().unwrap().problems(), [""; 0], "{told}");
        assert!(all(&store.snapshot(), b"") == before, "{told}");
    }
}

fn random(below: usize) -> usize {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_ne_bytes(bytes) as usize % below.max(1)
}

/// Files that have something, the largest first.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    found
}

pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
    for name in ["base", "state/blobs"] {
        fs::create_dir_all(to.join(name)).unwrap();
    }
}

#[test]
fn deleted_snapshots_of_sled_cost_nothing_but_time() {
    let home = tempfile::tempdir().unwrap();
    let store = in_files(home.path());
    (0..300).for_each(|n| put(&store, &format!("R{n:03}"), "red"));
    drop(store);
    for entry in fs::read_dir(home.path().join("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("snap.") {
            fs::write(path.with_extension("generating"), "torn").unwrap();
            fs::remove_file(path).unwrap();
        }
    }
    let store = in_files(home.path());
    assert_eq!(all(&store.snapshot(), b"R").len(), 300);
    assert_derived(&store.snapshot());
}

#[test]
fn damaged_base_is_passed_over_while_the_journal_reaches_back() {
    let home = tempfile::tempdir().unwrap();
    let store = in_files(home.path());
    (0..100).for_each(|n| put(&store, &format!("R{n:03}"), "red"));
    store.make_base().unwrap();
    drop(store);
    let base = fs::read_dir(home.path().join("base")).unwrap().next().unwrap().unwrap().path();
    flip(&base, 200);
    let store = in_files(home.path());
    let report = store.check().unwrap();
    assert_eq!((report.damaged.len(), report.bases, report.keys), (1, 0, 100));
    assert_eq!((&report.unreliable[..], &report.wrong[..]), (&[][..], &[][..]));
    drop(store);
    forget(home.path());
    let store = in_files(home.path());
    assert_eq!(all(&store.snapshot(), b"R").len(), 100);
    assert_derived(&store.snapshot());
}

#[test]
fn writers_stop_before_the_disk_is_full_and_readers_go_on() {
    let home = tempfile::tempdir().unwrap();
    put(&in_files(home.path()), "a", "1");
    let reserve =
        Options { reserve_bytes: u64::MAX, ..options(Home::Files(home.path().to_owned())) };
    let store = Store::open(reserve).unwrap();
    assert!(matches!(store.write(|tx| tx.put(b"a", "2")), Err(Error::ReadOnly(_))));
    assert!(store.stats().read_only);
    assert_eq!(get(&store, "a").unwrap(), "1");
}
