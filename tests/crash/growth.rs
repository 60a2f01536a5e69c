//! Many small records under many random updates: what the store takes of disk and memory stays
//! within what `web/docs/store.md` says.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use holdall::store::{Home, Options, Range, Read, Store};

use crate::product::{self, Random};

/// In the environment of the process that is measured: the store it makes.
const CHILD: &str = "HOLDALL_GROWTH_CHILD";
const WRITERS: u64 = 8;
/// Records changed in one commit.
const TOGETHER: u64 = 50;
const MIB: u64 = 1 << 20;

/// Records and updates; more in `make soak`.
fn amount() -> (u64, u64) {
    if std::env::var_os("HOLDALL_SOAK").is_some() {
        (1_000_000, 5_000_000)
    } else {
        (50_000, 250_000)
    }
}

fn options(path: &Path) -> Options {
    Options {
        reserve_bytes: 0,
        // Journal that is kept for history would hide what is kept for need.
        retention_bytes: 0,
        ..Options::new(Home::Files(path.to_owned()), product::options(path).derive)
    }
}

#[test]
fn grows_while_it_is_measured() {
    // Not a test but the process that the other test measures.
    let Some(path) = std::env::var_os(CHILD) else { return };
    let (records, updates) = amount();
    let store = Store::open(options(Path::new(&path))).unwrap();
    in_turns(&store, records, |number| number);
    in_turns(&store, updates, |number| Random(number).below(records));
    store.close();
}

/// Puts `count` records, by all writers; `which` says which one comes when.
fn in_turns(store: &Store, count: u64, which: impl Fn(u64) -> u64 + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                loop {
                    let from = next.fetch_add(TOGETHER, Relaxed);
                    if from >= count {
                        return;
                    }
                    let put = |tx: &mut holdall::store::Tx| {
                        (from..from + TOGETHER).try_for_each(|n| tx.put(&key(which(n)), value(n)))
                    };
                    store.write(put).unwrap();
                }
            });
        }
    });
}

fn key(number: u64) -> Vec<u8> {
    format!("R{:015x}", Random(number).next() >> 4).into_bytes()
}

/// A hundred bytes, of one of a thousand colors.
fn value(number: u64) -> String {
    format!("{:03} {:096x}", Random(number).below(1_000), Random(number).next())
}

#[test]
fn disk_and_memory_stay_within_what_is_documented() {
    let (records, _) = amount();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data");
    let me = std::env::current_exe().unwrap();
    let mut child = Command::new(me)
        .args(["--exact", "growth::grows_while_it_is_measured"])
        .env(CHILD, &path)
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(resident(child.id()));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(child.wait().unwrap().success());
    let [journal, bases, state] = ["journal", "base", "state"].map(|name| size(&path.join(name)));
    eprintln!(
        "{records} records: {} MiB of memory, journal {}, base {}, state {} MiB",
        peak / MIB,
        journal / MIB,
        bases / MIB,
        state / MIB
    );
    let store = Store::open(options(&path)).unwrap();
    assert_eq!(store.snapshot().count(b"\xa0R").unwrap(), records);
    let first = store.snapshot().scan(&Range::prefix(b"R"), holdall::store::Order::Forward, 1);
    assert_eq!(first.unwrap().len(), 1);
}

fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse().ok());
    kib.map_or(0, |kib: u64| kib << 10)
}

/// Bytes that the files of a directory take on the disk.
fn size(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let about = entry.metadata().unwrap();
            if about.is_dir() { size(&entry.path()) } else { about.blocks() * 512 }
        })
        .sum()
}
