//! Figures of this machine, printed beside what its disk can do. Not promises:
//! `cargo test --release --lib store::figures -- --ignored --nocapture --test-threads=1`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::store::contract::{INDEX, all, in_files, options, put};
use crate::store::*;

const VALUE: usize = 300;

fn value(n: usize) -> String {
    format!("c{} {}", n % 50, "v".repeat(VALUE))
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

/// The middle of many runs of something short.
fn typical(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let begun = Instant::now();
            (0..50).for_each(|_| work());
            begun.elapsed() / 50
        })
        .collect();
    percentile(&mut times, 50)
}

#[test]
#[ignore = "figures"]
fn opening() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let path = home.path().join(format!("new-{round}"));
        let begun = Instant::now();
        let store = in_files(&path);
        println!("open an empty directory: {:?}", begun.elapsed());
        drop(store);
    }
    let path = home.path().join("large");
    let store = in_files(&path);
    let records = 100_000;
    for batch in 0..records / 1_000 {
        let rows = || batch * 1_000..(batch + 1) * 1_000;
        store
            .write(|tx| rows().try_for_each(|n| tx.put(format!("R{n:07}").as_bytes(), value(n))))
            .unwrap();
    }
    let begun = Instant::now();
    drop(store);
    println!("close {records} records: {:?}", begun.elapsed());
    let begun = Instant::now();
    let store = in_files(&path);
    println!("open {records} records, clean: {:?}", begun.elapsed());
    drop(store);
    Store::forget_state(&path).unwrap();
    let begun = Instant::now();
    let store = in_files(&path);
    println!("make the state of {records} records anew: {:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(store.check().unwrap().problems, [""; 0]);
    println!("check {records} records: {:?}", begun.elapsed());
}

#[test]
#[ignore = "figures"]
fn writing() {
    let home = tempfile::tempdir().unwrap();
    let raw = File::create(home.path().join("raw")).unwrap();
    raw.write_all_at(&vec![0; 1 << 20], 0).unwrap();
    raw.sync_all().unwrap();
    let mut syncs: Vec<Duration> = (0..1_000)
        .map(|n| {
            let begun = Instant::now();
            raw.write_all_at(&[1; 400], n * 400).unwrap();
            raw.sync_data().unwrap();
            begun.elapsed()
        })
        .collect();
    println!("the disk's own write and sync: p50 {:?}", percentile(&mut syncs, 50));
    let store = in_files(&home.path().join("data"));
    for writers in [1, 8, 64] {
        let each = 6_400 / writers;
        let begun = Instant::now();
        let mut times: Vec<Duration> = std::thread::scope(|scope| {
            let write = |writer: usize| {
                let store = &store;
                move || -> Vec<Duration> {
                    (0..each)
                        .map(|n| {
                            let begun = Instant::now();
                            put(store, &format!("R{writers}-{writer}-{n}"), &value(n));
                            begun.elapsed()
                        })
                        .collect()
                }
            };
            let threads: Vec<_> = (0..writers).map(|writer| scope.spawn(write(writer))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let rate = (writers * each) as f64 / begun.elapsed().as_secs_f64();
        println!(
            "{writers} writers: {rate:.0} commits/s, p50 {:?}, p99 {:?}",
            percentile(&mut times, 50),
            percentile(&mut times, 99)
        );
    }
}

#[test]
#[ignore = "figures"]
fn reading() {
    let home = tempfile::tempdir().unwrap();
    for (name, store) in
        [("memory", Store::open(options(Home::Memory)).unwrap()), ("files", in_files(home.path()))]
    {
        (0..10).for_each(|batch| {
            let rows = batch * 1_000..(batch + 1) * 1_000;
            let rule = |tx: &mut Tx| {
                rows.clone().try_for_each(|n| tx.put(format!("R{n:05}").as_bytes(), value(n)))
            };
            store.write(rule).unwrap();
        });
        std::thread::sleep(Duration::from_millis(200));
        let get = typical(|| drop(store.snapshot().get(b"R04711").unwrap()));
        let page = typical(|| {
            let snapshot = store.snapshot();
            let range = Range::prefix(&[INDEX, b"c7\0"].concat());
            for (entry, _) in snapshot.scan(&range, Order::Forward, 30).unwrap() {
                snapshot.get(&entry[INDEX.len() + 3..]).unwrap().unwrap();
            }
        });
        println!("{name}: snapshot and get {get:?}, page of 30 by index {page:?}");
        if let Some(mark) = store.mark() {
            let fork = typical(|| drop(Store::from_mark(&mark, &options(Home::Memory))));
            println!("{name}: mark {:?}, fork {fork:?}", typical(|| drop(store.mark())));
            assert_eq!(all(&store.snapshot(), b"R").len(), 10_000);
        }
    }
}
