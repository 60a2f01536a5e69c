//! Disks that fail or fill up: a clear error, and nothing acknowledged is lost.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdall::store::{Error, Options, Store};

use crate::power::build_recorder;
use crate::product::{self, Model, THREADS};

/// In the environment of a child: the store it is to write to until a sync fails.
const CHILD: &str = "HOLDALL_FAULT_CHILD";

#[test]
fn writes_until_a_sync_fails() {
    // Not a test but the process whose disk fails.
    let Some(path) = std::env::var_os(CHILD) else { return };
    let options = Options {
        on_fatal: Arc::new(|_| product::say("fatal\n")),
        ..product::options(Path::new(&path))
    };
    let store = Store::open(options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                while let Ok(number) = product::step(store, thread) {
                    product::say(&format!("ack {thread} {number}\n"));
                }
            });
        }
    });
    let again = product::step(&store, 0);
    if matches!(again, Err(Error::Broken(_))) && store.broken().is_some() {
        product::say("refused\n");
    }
}

#[test]
fn failed_sync_is_never_tried_again() {
    let home = tempfile::tempdir().unwrap();
    let Some(recorder) = build_recorder(home.path()) else {
        eprintln!("SKIPPED: no C compiler, so no disk can be made to fail");
        return;
    };
    let path = home.path().join("data");
    let mut acknowledged = [0; THREADS as usize];
    let mut model = Model::default();
    for (round, syncs) in [40, 150].into_iter().enumerate() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::writes_until_a_sync_fails", "--nocapture"])
            .env(CHILD, &path)
            .env("LD_PRELOAD", &recorder)
            .env("RECORD_DIR", &path)
            .env("RECORD", home.path().join("record"))
            .env("FAIL_SYNC", syncs.to_string())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&child.stdout);
        assert_eq!(told.matches("fatal\n").count(), 1, "told once that the process must end");
        assert!(told.contains("refused\n"), "no write after a failed sync");
        product::acknowledged(&told, &mut acknowledged);
        let store = Store::open(product::options(&path)).unwrap();
        model.check(&store, &acknowledged).unwrap();
        assert!(model.commits() > round as u64 * 20);
    }
}

/// A small file system that is gone when dropped.
struct Volume(PathBuf);

impl Volume {
    /// `None` where one may not mount.
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        let text = |bytes: &[u8]| CString::new(bytes).unwrap();
        let (kind, path) = (text(b"tmpfs"), text(at.as_os_str().as_bytes()));
        let size = text(format!("size={megabytes}m").as_bytes());
        // SAFETY: all pointers are to strings that live through the call.
        let mounted = unsafe {
            libc::mount(kind.as_ptr(), path.as_ptr(), kind.as_ptr(), 0, size.as_ptr().cast())
        };
        (mounted == 0).then(|| Self(at.to_owned()))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let path = CString::new(self.0.as_os_str().as_bytes()).unwrap();
        // SAFETY: the path is a string that lives through the call.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

#[test]
fn disk_that_fills_up_stops_writers_until_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let Some(volume) = Volume::mount(home.path(), 48) else {
        eprintln!("SKIPPED: may not mount a small volume");
        return;
    };
    let path = volume.0.join("data");
    let filler = volume.0.join("filler");
    let options = || Options { reserve_bytes: 8 << 20, ..product::options(&path) };
    let mut acknowledged = [0; THREADS as usize];
    let mut model = Model::default();
    {
        let store = Store::open(options()).unwrap();
        fs::write(&filler, vec![1; 20 << 20]).unwrap();
        let begun = Instant::now();
        let refused = loop {
            match product::step(&store, 1) {
                Ok(number) => acknowledged[1] = number,
                Err(error) => break error,
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the volume never filled up");
        };
        assert!(matches!(refused, Error::ReadOnly(_)), "{refused}");
        assert!(store.stats().read_only && store.broken().is_none());
        model.check(&store, &acknowledged).unwrap();

        fs::remove_file(&filler).unwrap();
        let begun = Instant::now();
        while product::step(&store, 2).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "there is room again");
            std::thread::sleep(Duration::from_millis(20));
        }
        acknowledged[2] = 1;
        assert!(!store.stats().read_only);
    }
    let store = Store::open(options()).unwrap();
    model.check(&store, &acknowledged).unwrap();
}

#[test]
fn disk_without_reserve_that_is_full_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let Some(volume) = Volume::mount(home.path(), 24) else {
        eprintln!("SKIPPED: may not mount a small volume");
        return;
    };
    let path = volume.0.join("data");
    let filler = volume.0.join("filler");
    fs::write(&filler, vec![1; 8 << 20]).unwrap();
    let mut acknowledged = [0; THREADS as usize];
    {
        let store = Store::open(product::options(&path)).unwrap();
        let begun = Instant::now();
        while let Ok(number) = product::step(&store, 1) {
            acknowledged[1] = number;
            assert!(begun.elapsed() < Duration::from_secs(60), "the volume never filled up");
        }
    }
    fs::remove_file(&filler).unwrap();
    let store = Store::open(product::options(&path)).unwrap();
    Model::default().check(&store, &acknowledged).unwrap();
    product::step(&store, 1).unwrap();
}
