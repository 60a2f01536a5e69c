//! Opening and closing: an empty directory, and many records.

use std::path::Path;
use std::time::Instant;

use holdall::store::Store;

use crate::store;

pub fn measure(home: &Path) {
    println!();
    let begun = Instant::now();
    store::open(&home.join("empty"));
    println!("{:>24}: {:?}", "open an empty directory", begun.elapsed());
    let records = std::env::var("RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let place = home.join("opening");
    let store = store::open(&place);
    store::fill(&store, records);
    let begun = Instant::now();
    drop(store);
    println!("{:>24}: {:?}", format!("close {records} records"), begun.elapsed());
    let begun = Instant::now();
    drop(store::open(&place));
    println!("{:>24}: {:?}", "open and close, clean", begun.elapsed());
    Store::forget_state(&place).expect("the state can be forgotten");
    let begun = Instant::now();
    drop(store::open(&place));
    println!("{:>24}: {:?}", "make the state anew", begun.elapsed());
}
