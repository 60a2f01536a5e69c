//! Power loss: a run is recorded, and the plug pulled at many moments of it. What was acknowledged
//! before that moment must be there after it.

mod disk;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use holdall::store::Store;

use crate::power::disk::{Disk, Event, Unsynced};
use crate::product::{self, Model, Random, THREADS};

/// In the environment of a child: the store it is to write to.
const CHILD: &str = "HOLDALL_POWER_CHILD";
/// Commits of each thread in a recorded run.
const COMMITS: u64 = 60;
/// Runs on the same store, one after the other.
const RUNS: u64 = 3;

/// Moments at which the plug is pulled, in each run; three images each. More in `make soak`.
fn cuts() -> u64 {
    if std::env::var_os("HOLDALL_SOAK").is_some() { 500 } else { 25 }
}

#[test]
fn writes_while_it_is_recorded() {
    // Not a test but the process that the other test records.
    if let Some(path) = std::env::var_os(CHILD) {
        product::run(Path::new(&path), COMMITS);
    }
}

#[test]
fn power_loss_takes_nothing_that_was_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let Some(recorder) = build_recorder(home.path()) else {
        eprintln!("SKIPPED: no C compiler, so nothing can be recorded");
        return;
    };
    let seed = std::env::var("HOLDALL_CRASH_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
            as u64,
    );
    let mut random = Random(seed);
    let root = home.path().join("data");
    let mut before = [0; THREADS as usize];
    for run in 0..RUNS {
        let disk = Disk::read(&root);
        let events = record(&recorder, &root, home.path());
        let last_open = events.iter().position(|event| matches!(event, Event::Print(_)));
        let opening = last_open.expect("the store opened");
        let mut moments: Vec<usize> = (0..cuts())
            .map(|cut| {
                // A quarter of them before the store is open.
                let limit = if cut % 4 == 0 { opening } else { events.len() };
                random.below(limit as u64 + 1) as usize
            })
            .collect();
        moments.sort_unstable();
        let mut disk = disk;
        let mut acknowledged = before;
        let mut happened = 0;
        for moment in moments {
            while happened < moment {
                disk.happen(&events, happened);
                if let Event::Print(told) = &events[happened] {
                    product::acknowledged(told, &mut acknowledged);
                }
                happened += 1;
            }
            for unsynced in [Unsynced::Dropped, Unsynced::AnyPages, Unsynced::LaterOnly] {
                let image = home.path().join("image");
                disk.clone().lose_power(&events, unsynced, &mut random, &root, &image);
                if let Err(what) = check(&image, &acknowledged) {
                    panic!(
                        "run {run}, event {moment} of {}, {unsynced:?}, HOLDALL_CRASH_SEED={seed}: {what}",
                        events.len()
                    );
                }
                std::fs::remove_dir_all(&image).unwrap();
            }
        }
        for event in &events {
            if let Event::Print(told) = event {
                product::acknowledged(told, &mut before);
            }
        }
        assert_eq!(before, [COMMITS * (run + 1); THREADS as usize], "all was acknowledged");
    }
}

fn check(image: &Path, acknowledged: &[u64]) -> Result<(), String> {
    let store = Store::open(product::options(image)).map_err(|error| error.to_string())?;
    Model::default().check(&store, acknowledged)?;
    let report = store.check().map_err(|error| error.to_string())?;
    if !report.problems().is_empty() {
        return Err(report.problems().join("; "));
    }
    product::step(&store, 0).map_err(|error| error.to_string())?;
    Ok(())
}

pub fn build_recorder(home: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/power/recorder.c");
    let library = home.join("recorder.so");
    let built = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .output()
        .ok()?;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(library)
}

fn record(recorder: &Path, root: &Path, home: &Path) -> Vec<Event> {
    let record = home.join("record");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "power::writes_while_it_is_recorded", "--nocapture"])
        .env(CHILD, root)
        .env("LD_PRELOAD", recorder)
        .env("RECORD_DIR", root)
        .env("RECORD", &record)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let events = disk::parse(&std::fs::read(&record).unwrap());
    let is_told = |event: &Event| matches!(event, Event::Print(told) if told.starts_with("ack"));
    assert!(events.iter().any(is_told), "the recorder saw nothing");
    events
}
