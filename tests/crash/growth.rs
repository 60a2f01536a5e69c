//! Many small records under many random updates: what the store takes of disk and memory stays
//! within what `web/docs/store.md` says.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use holdall::store::{Home, Options, Read, Store};

use crate::product::{self, Random};

/// In the environment of the process that is measured: the store it makes.
const CHILD: &str = "HOLDALL_GROWTH_CHILD";
const WRITERS: u64 = 8;
/// Records changed in one commit.
const TOGETHER: u64 = 50;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What `web/docs/store.md` says.
const MEMORY: (u64, u64) = (160 * MIB, KIB / 2);
const STATE: (u64, u64) = (64 * MIB, 5 * KIB / 4);
/// Until a base is due, one that is being made beside traffic, and a segment given in advance.
const JOURNAL: u64 = 160 * MIB;

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
    in_turns(&store, records, |number| number, value);
    in_turns(&store, updates, |number| Random(number).below(records), value);
    store.close();
}

/// Puts `count` records, by all writers; `which` says which one comes when.
fn in_turns(
    store: &Store,
    count: u64,
    which: impl Fn(u64) -> u64 + Sync,
    value: impl Fn(u64) -> String + Sync,
) {
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
    let within = |(fixed, each): (u64, u64)| fixed + each * records;
    assert!(peak > 0 && peak <= within(MEMORY), "{peak} bytes of memory");
    assert!(state <= within(STATE), "{state} bytes of state");
    assert!(journal <= JOURNAL + bases, "{journal} bytes of journal above a base of {bases}");
    let store = Store::open(options(&path)).unwrap();
    assert_eq!(store.snapshot().count(b"\xa0R").unwrap(), records);
}

/// What an index holds of a text is as long as the text, and thousands of them may begin alike.
#[test]
fn long_indexed_text_takes_its_own_length_of_the_state() {
    const RECORDS: u64 = 400;
    const LENGTH: u64 = 20_000;
    let alike = |_: u64| "x".repeat(LENGTH as usize);
    let ends = |number: u64| "x".repeat(LENGTH as usize) + &number.to_string();
    let begins = |number: u64| number.to_string() + &"x".repeat(LENGTH as usize);
    let kinds: [&(dyn Fn(u64) -> String + Sync); 3] = [&alike, &ends, &begins];
    for (kind, value) in kinds.into_iter().enumerate() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let store = Store::open(options(&path)).unwrap();
        in_turns(&store, RECORDS, |number| number, value);
        for _ in 0..3 {
            in_turns(&store, RECORDS, |number| number, |number| value(number + 1));
        }
        drop(store);
        let state = size(&path.join("state"));
        eprintln!("{RECORDS} texts of {LENGTH} bytes, of kind {kind}: state {} MiB", state / MIB);
        assert!(state <= STATE.0 + 4 * RECORDS * LENGTH, "{state} bytes of state");
        assert_eq!(fs::read_dir(path.join("state/blobs")).unwrap().count(), 0);
        let store = Store::open(options(&path)).unwrap();
        assert_eq!(store.check().unwrap().problems(), [""; 0]);
    }
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
