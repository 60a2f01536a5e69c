//! SIGKILL at any moment, a third of them while the store opens: nothing acknowledged is lost.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdall::store::Store;

use crate::product::{self, Model, Random, THREADS};

/// In the environment of a child: the store it is to write to until it dies.
const CHILD: &str = "HOLDALL_CRASH_CHILD";

/// More of them in `make soak`.
fn cycles() -> u64 {
    if std::env::var_os("HOLDALL_SOAK").is_some() { 2_000 } else { 100 }
}

#[test]
fn writes_until_it_is_killed() {
    // Not a test but the process that the other test kills.
    if let Some(path) = std::env::var_os(CHILD) {
        product::run(Path::new(&path), u64::MAX);
    }
}

#[test]
fn killed_store_keeps_what_it_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let seed = std::env::var("HOLDALL_CRASH_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
            as u64,
    );
    let mut random = Random(seed);
    let mut path = home.path().join("data-0");
    let mut model = Model::default();
    let mut commits = 0;
    for cycle in 0..cycles() {
        if cycle % 25 == 24 {
            // A new store now and then: creation is killed too, and checks stay quick.
            path = home.path().join(format!("data-{cycle}"));
            commits += model.commits();
            model = Model::default();
        }
        let told = live_and_die(&path, &mut random);
        let mut acknowledged = [0; THREADS as usize];
        product::acknowledged(&told, &mut acknowledged);
        let store = Store::open(product::options(&path)).unwrap();
        if let Err(what) = model.check(&store, &acknowledged) {
            panic!("cycle {cycle}, HOLDALL_CRASH_SEED={seed}: {what}");
        }
    }
    commits += model.commits();
    assert!(commits > 10 * cycles(), "too little was written to prove anything: {commits}");
}

fn live_and_die(path: &Path, random: &mut Random) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    if random.below(3) == 0 {
        pause(random.below(20_000));
    } else {
        // Wait for the store to be open, then for a while.
        while !told.ends_with("open\n") && out.read_line(&mut told).unwrap() > 0 {}
        if !told.ends_with("open\n") {
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("the store did not open: {why}");
        }
        pause(random.below(80_000));
    }
    end(&mut child);
    out.read_to_string(&mut told).unwrap();
    told
}

/// Busy at the end: sleeping is too coarse to hit every moment.
fn pause(micros: u64) {
    let until = Instant::now() + Duration::from_micros(micros);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_micros(50));
    }
}

fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
