//! What every home promises, tested on each of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use bytes::Bytes;

use super::*;

/// A small product: records `R<id>` = `<color> <rest>`, an index by color while the schema is not
/// `off`, and a count.
pub struct Paint;

pub const COUNT: &[u8] = b"\xa0R";
pub const INDEX: &[u8] = b"\x90c";

impl Derive for Paint {
    fn derive(
        &self,
        read: &dyn Read,
        key: &[u8],
        value: &[u8],
        derived: &mut Derived,
    ) -> Result<()> {
        if !key.starts_with(b"R") {
            return Ok(());
        }
        let on = memo(read, keys::SCHEMA, |read| {
            let schema = read.get(keys::SCHEMA)?;
            Ok::<_, Error>(schema.is_none_or(|schema| schema != "off"))
        })?;
        derived.counts.push(COUNT.to_vec());
        if *on {
            derived.entries.push((index_entry(color(value), key), Vec::new()));
        }
        Ok(())
    }
}

pub fn color(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b' ').next().unwrap_or_default()
}

pub fn index_entry(color: &[u8], key: &[u8]) -> Vec<u8> {
    [INDEX, color, b"\0", key].concat()
}

pub fn options(home: Home) -> Options {
    Options {
        cache_bytes: 8 << 20,
        segment_bytes: 1 << 20,
        reserve_bytes: 0,
        ..Options::new(home, Arc::new(Paint))
    }
}

pub fn in_files(path: &Path) -> Store {
    Store::open(options(Home::Files(path.to_owned()))).unwrap()
}

/// Sets the state of a closed store aside.
pub fn forget(path: &Path) {
    Store::forget_state(&options(Home::Files(path.to_owned()))).unwrap();
}

fn every_home(check: impl Fn(&Store)) {
    check(&Store::memory(Arc::new(Paint)));
    let home = tempfile::tempdir().unwrap();
    check(&in_files(home.path()));
}

pub fn put(store: &Store, key: &str, value: &str) {
    store.write(|tx| tx.put(key.as_bytes(), value.to_owned())).unwrap();
}

pub fn get(store: &Store, key: &str) -> Option<Bytes> {
    store.snapshot().get(key.as_bytes()).unwrap()
}

pub fn all(read: &dyn Read, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
    read.scan(&Range::prefix(prefix), Order::Forward, usize::MAX).unwrap()
}

/// The index, both ways, and the count agree with the records.
pub fn assert_derived(read: &dyn Read) {
    let records = all(read, b"R");
    let mut expected: Vec<_> = records.iter().map(|(k, v)| index_entry(color(v), k)).collect();
    expected.sort();
    let found: Vec<_> = all(read, INDEX).into_iter().map(|(key, _)| key.to_vec()).collect();
    assert_eq!(found, expected, "index entries and records differ");
    assert_eq!(read.count(COUNT).unwrap(), records.len() as u64, "the count is wrong");
}

#[test]
fn derived_entries_follow_their_records() {
    every_home(|store| {
        put(store, "R1", "red a");
        put(store, "R2", "blue b");
        put(store, "R1", "green a");
        store.write(|tx| tx.delete(b"R2")).unwrap();
        put(store, "R3", "red c");
        let snapshot = store.snapshot();
        assert_derived(&snapshot);
        assert_eq!(snapshot.count(COUNT).unwrap(), 2);
    });
}

#[test]
fn refused_rule_writes_nothing() {
    every_home(|store| {
        let refused = store.write(|tx| {
            tx.put(b"R1", "red")?;
            Err::<(), _>(Error::Conflict)
        });
        assert!(refused.is_err());
        assert_eq!(get(store, "R1"), None, "nothing of a refused commit may stay");
    });
}

#[test]
fn transaction_sees_its_own_writes_and_others_do_not() {
    every_home(|store| {
        put(store, "R1", "red");
        store
            .write(|tx| {
                tx.put(b"R2", "blue")?;
                tx.delete(b"R1")?;
                assert_eq!(tx.get(b"R1")?, None);
                assert_eq!(all(tx, b"R").len(), 1);
                assert_eq!(tx.count(COUNT)?, 1);
                assert_derived(tx);
                assert_eq!(get(store, "R2"), None);
                Ok::<_, Error>(())
            })
            .unwrap();
        assert_eq!(all(&store.snapshot(), b"R").len(), 1);
    });
}

#[test]
fn snapshot_stays_as_it_was() {
    every_home(|store| {
        (0..50).for_each(|n| put(store, &format!("R{n:02}"), "red"));
        let before = store.snapshot();
        store.write(|tx| tx.clear(b"R")).unwrap();
        put(store, "R07", "blue");
        std::thread::sleep(std::time::Duration::from_millis(60));
        assert_eq!(all(&before, b"R").len(), 50);
        assert_eq!(before.get(b"R07").unwrap().unwrap(), "red");
        assert_derived(&before);
        assert_eq!(all(&store.snapshot(), b"R").len(), 1);
        assert_derived(&store.snapshot());
    });
}

#[test]
fn schema_change_derives_anew() {
    every_home(|store| {
        (0..20).for_each(|n| put(store, &format!("R{n:02}"), "red"));
        let switch = |to: &'static str| {
            store
                .write(|tx| {
                    tx.put(keys::SCHEMA, to)?;
                    tx.rederive(&[INDEX], b"R")
                })
                .unwrap();
        };
        switch("off");
        assert_eq!(all(&store.snapshot(), INDEX).len(), 0);
        assert_eq!(store.snapshot().count(COUNT).unwrap(), 20, "the count is not concerned");
        put(store, "R20", "blue");
        switch("on");
        assert_derived(&store.snapshot());
        store.write(|tx| tx.rederive(&[INDEX, COUNT], b"R")).unwrap();
        assert_derived(&store.snapshot());
    });
}

#[test]
fn parallel_increments_are_all_counted() {
    every_home(|store| {
        let add = |tx: &mut Tx| -> Result<()> {
            let old = tx.get(b"n")?.map_or(0, |n| String::from_utf8_lossy(&n).parse().unwrap());
            tx.put(b"n", (old + 1).to_string())
        };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    for _ in 0..25 {
                        if thread % 2 == 0 {
                            store.write(add).unwrap();
                        } else {
                            commit(store, add);
                        }
                    }
                });
            }
        });
        assert_eq!(get(store, "n").unwrap(), "200");
    });
}

/// Writes as the server does: by an attempt whose commit calls back.
pub fn commit(store: &Store, rule: impl Fn(&mut Tx) -> Result<()> + Send + 'static) {
    let mut rule = rule;
    loop {
        let (sender, receiver) = std::sync::mpsc::channel();
        drop(store.attempt(rule).submit(move |outcome| sender.send(outcome).unwrap()));
        match receiver.recv().unwrap() {
            Outcome::Done(answer) => return answer.unwrap(),
            Outcome::Again(lost) => rule = lost,
        }
    }
}

#[test]
fn write_skew_cannot_happen() {
    every_home(|store| {
        for round in 0..20 {
            let (a, b) = (format!("Ra{round}"), format!("Rb{round}"));
            put(store, &a, "on call");
            put(store, &b, "on call");
            let leave = |mine: &str, other: &str| {
                store
                    .write(|tx| {
                        let other = tx.get(other.as_bytes())?.unwrap();
                        let stays = if other == "on call" { "off" } else { "on call" };
                        tx.put(mine.as_bytes(), stays)
                    })
                    .unwrap();
            };
            std::thread::scope(|scope| {
                scope.spawn(|| leave(&a, &b));
                scope.spawn(|| leave(&b, &a));
            });
            let on_call = |key: &str| get(store, key).unwrap() == "on call";
            assert!(on_call(&a) || on_call(&b), "both left, each counting on the other");
        }
    });
}

#[test]
fn phantoms_are_noticed() {
    every_home(|store| {
        // One red record at most: everybody looks at the index first.
        let created = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for n in 0..8 {
                let created = &created;
                scope.spawn(move || {
                    let key = format!("R{n}");
                    let won = store
                        .write(|tx| {
                            if !all(tx, &[INDEX, b"red"].concat()).is_empty() {
                                return Ok::<_, Error>(false);
                            }
                            tx.put(key.as_bytes(), "red")?;
                            Ok(true)
                        })
                        .unwrap();
                    created.fetch_add(won.into(), SeqCst);
                });
            }
        });
        assert_eq!(created.load(SeqCst), 1);
        assert_eq!(all(&store.snapshot(), b"R").len(), 1);
    });
}

#[test]
fn readers_see_transfers_whole() {
    every_home(|store| {
        let accounts = 10;
        (0..accounts).for_each(|n| put(store, &format!("b{n}"), "100"));
        let stop = AtomicBool::new(false);
        let number = |bytes: &Bytes| String::from_utf8_lossy(bytes).parse::<i64>().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..3u64 {
                let stop = &stop;
                scope.spawn(move || {
                    let mut n = thread;
                    while !stop.load(SeqCst) {
                        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                        let from = format!("b{}", (n >> 33) % accounts);
                        let to = format!("b{}", (n >> 43) % accounts);
                        let moved = store.write(|tx| {
                            let balance = number(&tx.get(from.as_bytes())?.unwrap());
                            tx.put(from.as_bytes(), (balance - 1).to_string())?;
                            let balance = number(&tx.get(to.as_bytes())?.unwrap());
                            tx.put(to.as_bytes(), (balance + 1).to_string())
                        });
                        moved.unwrap();
                    }
                });
            }
            for _ in 0..300 {
                let snapshot = store.snapshot();
                let sum: i64 = all(&snapshot, b"b").iter().map(|(_, value)| number(value)).sum();
                assert_eq!(sum, 100 * accounts as i64);
            }
            stop.store(true, SeqCst);
        });
    });
}

#[test]
fn cost_is_counted() {
    every_home(|store| {
        let before = store.tally();
        put(store, "k1", "v");
        assert_eq!(store.tally() - before, Tally { gets: 1, scans: 0, commits: 1 });
    });
}

#[test]
fn too_large_transactions_are_refused() {
    every_home(|store| {
        let many = |tx: &mut Tx| (0..10_001u32).try_for_each(|n| tx.put(&n.to_be_bytes(), "x"));
        assert!(matches!(store.write(many), Err(Error::TooLarge(_))));
        let bulk = |tx: &mut Tx| {
            tx.allow_bulk();
            many(tx)
        };
        store.write(bulk).unwrap();
    });
}

#[test]
fn stamps_only_grow() {
    every_home(|store| {
        let stamp = || store.write(|tx| Ok::<_, Error>(tx.stamp())).unwrap();
        let first = stamp();
        assert!(stamp() > first);
    });
}

#[test]
fn large_values_come_back() {
    every_home(|store| {
        let large = |seed: u8| -> Vec<u8> {
            (0..50_000u32).map(|n| (n as u8).wrapping_mul(31) ^ seed).collect()
        };
        for seed in 0..3 {
            store.write(|tx| tx.put(b"large", large(seed))).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(60));
            assert_eq!(get(store, "large").unwrap(), large(seed));
        }
        for length in [6_999, 7_000, 7_001, 7_002, 14_000] {
            store.write(|tx| tx.put(b"large", vec![1; length])).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(60));
            assert_eq!(get(store, "large").unwrap().len(), length);
        }
    });
}

#[test]
fn store_in_files_opens_as_it_was_left() {
    let home = tempfile::tempdir().unwrap();
    let stamp = {
        let store = in_files(home.path());
        (0..500).for_each(|n| put(&store, &format!("R{n:03}"), ["red", "blue"][n % 2]));
        store.write(|tx| tx.clear(b"R1")).unwrap();
        store.write(|tx| Ok::<_, Error>((tx.stamp(), tx.put(b"x", "")?).0)).unwrap()
    };
    for _ in 0..2 {
        let store = in_files(home.path());
        let snapshot = store.snapshot();
        assert_eq!(all(&snapshot, b"R").len(), 400);
        assert_derived(&snapshot);
        assert!(store.write(|tx| Ok::<_, Error>(tx.stamp())).unwrap() > stamp);
    }
}

#[test]
fn state_is_made_anew_from_the_journal() {
    let home = tempfile::tempdir().unwrap();
    let before = {
        let store = in_files(home.path());
        (0..300).for_each(|n| put(&store, &format!("R{:02}", n % 40), &format!("c{} x", n % 7)));
        store.write(|tx| tx.delete(b"R05")).unwrap();
        all(&store.snapshot(), b"")
    };
    std::fs::remove_dir_all(home.path().join("state")).unwrap();
    let store = in_files(home.path());
    assert_eq!(all(&store.snapshot(), b""), before);
    assert_derived(&store.snapshot());
}

#[test]
fn closed_store_takes_no_writes() {
    every_home(|store| {
        put(store, "a", "1");
        store.close();
        let refused = store.write(|tx| tx.put(b"a", "2"));
        assert!(matches!(refused, Err(Error::ReadOnly(_))));
        assert_eq!(get(store, "a").unwrap(), "1");
    });
}
