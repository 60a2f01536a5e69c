//! Point reads, pages by index and forks of 10,000 records, warm.

use std::path::Path;
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
    let options = Options::new(Home::Memory, std::sync::Arc::new(Nothing));
    let store = store::in_memory();
    store::fill(&store, RECORDS);
    if let Some(mark) = store.mark() {
        let fork = typical(|| drop(Store::from_mark(&mark, &options)));
        println!("{:>24}: {fork:?}", "fork");
    }
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
        snapshot.get(&entry[9..]).expect("it reads");
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
