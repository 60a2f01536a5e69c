//! Opening and closing: an empty directory, and many records.

use std::path::Path;
use std::process::Command;
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
    let killed = home.join("killed");
    let me = std::env::current_exe().expect("this program has a path");
    let mut filler = Command::new(me);
    filler.arg(&killed).arg(records.to_string()).status().expect("it runs");
    let begun = Instant::now();
    let store = store::open(&killed);
    println!("{:>24}: {:?}", "open after a kill", begun.elapsed());
    drop(store);
    Store::forget_state(&store::options(&place)).expect("the state can be forgotten");
    let begun = Instant::now();
    drop(store::open(&place));
    println!("{:>24}: {:?}", "make the state anew", begun.elapsed());
}

/// Fills a store as fast as it goes, and dies at once.
pub fn fill_and_die(place: &Path, records: u64) {
    store::fill(&store::open(place), records);
    // SAFETY: of this process, nothing is left to be unsound.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
}
