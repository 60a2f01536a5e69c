//! Point reads, pages by index and forks of 10,000 records, warm.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use holdall::store::{Home, Options, Order, Read, Store};

use crate::store;

const RECORDS: u64 = 10_000;

pub fn measure(home: &Path) {
    println!("\nreads of {RECORDS} warm records, snapshot included");
    for (name, store) in
        [("memory", store::in_memory()), ("files", store::open(&home.join("reading")))]
    {
        store::fill(&store, RECORDS);
        std::thread::sleep(Duration::from_millis(500));
        let get = typical(|| drop(store.snapshot().get(&store::key(4_711)).expect("it reads")));
        let page = typical(|| page(&store));
        println!("{name:>24}: get {get:?}, page of up to 30 by index {page:?}");
        store.close();
    }
    beside_writers(&home.join("beside"));
    let options = Options::new(Home::Memory, std::sync::Arc::new(Nothing));
    let store = store::in_memory();
    store::fill(&store, RECORDS);
    if let Some(mark) = store.mark() {
        let fork = typical(|| drop(Store::from_mark(&mark, &options)));
        println!("{:>24}: {fork:?}", "fork");
    }
}

/// Reads while 64 writers commit: of what was just written, and of what was read before.
fn beside_writers(home: &Path) {
    let store = store::open(home);
    store::fill(&store, RECORDS);
    let next = AtomicU64::new(RECORDS);
    let stop = AtomicBool::new(false);
    let (mut fresh, mut warm) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let number = next.fetch_add(1, Relaxed);
                    store.write(|tx| store::rule(tx, number)).expect("it commits");
                }
            });
        }
        let begun = Instant::now();
        let mut rounds = 0;
        while begun.elapsed() < Duration::from_secs(3) {
            rounds += 1;
            // Given time to commit: the 64 latest are still on their way.
            let latest = next.load(Relaxed).saturating_sub(200);
            fresh.push(timed(&store, &store::key(latest)));
            warm.push(timed(&store, &store::key(rounds % 1_000)));
            if rounds % 100 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        stop.store(true, Relaxed);
    });
    for (name, times) in [("just written", &mut fresh), ("read before", &mut warm)] {
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!("{name:>24}: p50 {:?}, p99 {:?}, beside 64 writers", at(50), at(99));
    }
    store.close();
}

fn timed(store: &Store, key: &[u8]) -> Duration {
    let begun = Instant::now();
    drop(store.snapshot().get(key).expect("it reads"));
    begun.elapsed()
}

struct Nothing;

impl holdall::store::Derive for Nothing {
    fn derive(
        &self,
        _: &dyn Read,
        _: &[u8],
        _: &[u8],
        _: &mut holdall::store::Derived,
    ) -> holdall::store::Result<()> {
        Ok(())
    }
}

fn page(store: &Store) {
    let snapshot = store.snapshot();
    let range = store::first(&store::body(7));
    for (entry, _) in snapshot.scan(&range, Order::Forward, 30).expect("it scans") {
        snapshot.get(&entry[10..]).expect("it reads");
    }
}

/// The middle of many runs of something short.
fn typical(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..400)
        .map(|_| {
            let begun = Instant::now();
            (0..50).for_each(|_| work());
            begun.elapsed() / 50
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
