//! Disks that are full, or fill up: a clear error, reads go on, and nothing acknowledged is lost.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdall::store::{Error, OpenError, Options, Store};

use crate::product::{self, Model, THREADS};

/// In the environment of a child: the store it is to open on a disk that has no room for it.
const CHILD: &str = "HOLDALL_FULL_CHILD";
/// The exit code of a child that was told that it cannot go on.
const HALTED: i32 = 70;

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

/// Takes all the room there is.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for piece in [1 << 20, 4 << 10, 1] {
        while file.write_all(&vec![1; piece]).is_ok() {}
    }
}

#[test]
fn reads_go_on_while_others_fill_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let Some(volume) = Volume::mount(home.path(), 96) else {
        eprintln!("SKIPPED: may not mount a small volume");
        return;
    };
    let path = volume.0.join("data");
    let filler = volume.0.join("filler");
    let options = || Options { reserve_bytes: 32 << 20, ..product::options(&path) };
    let mut acknowledged = [0; THREADS as usize];
    {
        let store = Store::open(options()).unwrap();
        (0..50).for_each(|_| acknowledged[1] = product::step(&store, 1).unwrap());
        // The state has all of it: what is not written cannot fail.
        std::thread::sleep(Duration::from_secs(1));
        fill(&filler);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            assert!(matches!(product::step(&store, 1), Err(Error::ReadOnly(_))));
            Model::default().check(&store, &acknowledged).unwrap();
        }
        assert_eq!(store.broken(), None);
        fs::remove_file(&filler).unwrap();
        store.look_for_room();
        std::thread::sleep(Duration::from_millis(200));
        store.look_for_room();
        assert!(!store.stats().read_only, "seen without a writer that tries");
        acknowledged[1] = product::step(&store, 1).unwrap();
    }
    fill(&filler);
    let refused = Store::open(options()).err().unwrap();
    assert!(refused.is_refusal() && refused.to_string().contains("full"), "{refused}");
    fs::remove_file(&filler).unwrap();
    let store = Store::open(options()).unwrap();
    Model::default().check(&store, &acknowledged).unwrap();
}

#[test]
fn opens_on_a_disk_that_is_full() {
    // Not a test but the process that may hang.
    let Some(path) = std::env::var_os(CHILD) else { return };
    let options = Options {
        on_fatal: Arc::new(|_| std::process::exit(HALTED)),
        ..product::options(Path::new(&path))
    };
    if let Err(error) = Store::open(options) {
        assert!(matches!(error, OpenError::Unusable(_) | OpenError::Io(_)), "{error:?}");
        std::process::exit(HALTED);
    }
}

#[test]
fn opening_on_a_disk_that_fills_up_ends() {
    let home = tempfile::tempdir().unwrap();
    let Some(volume) = Volume::mount(home.path(), 32) else {
        eprintln!("SKIPPED: may not mount a small volume");
        return;
    };
    let path = volume.0.join("data");
    let filler = volume.0.join("filler");
    let mut acknowledged = [0; THREADS as usize];
    {
        let store = Store::open(product::options(&path)).unwrap();
        (0..80).for_each(|_| acknowledged[1] = product::step(&store, 1).unwrap());
    }
    // The state has to be made anew, and there is no room for it.
    Store::forget_state(&product::options(&path)).unwrap();
    fs::remove_dir_all(path.join("state.old-1")).unwrap();
    fill(&filler);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "full::opens_on_a_disk_that_is_full", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(code, Some(HALTED));
    fs::remove_file(&filler).unwrap();
    let store = Store::open(product::options(&path)).unwrap();
    Model::default().check(&store, &acknowledged).unwrap();
}

#[test]
fn state_stays_where_no_files_can_be_made() {
    let home = tempfile::tempdir().unwrap();
    let Some(volume) = Volume::mount(home.path(), 64) else {
        eprintln!("SKIPPED: may not mount a small volume");
        return;
    };
    let path = volume.0.join("data");
    let mut acknowledged = [0; THREADS as usize];
    {
        let store = Store::open(product::options(&path)).unwrap();
        (0..80).for_each(|_| acknowledged[1] = product::step(&store, 1).unwrap());
    }
    let many = volume.0.join("many");
    fs::create_dir(&many).unwrap();
    let made = (0..).take_while(|n| File::create(many.join(n.to_string())).is_ok()).count();
    assert!(made > 100, "{made} files were made");

    let refused = Store::forget_state(&product::options(&path));

    assert!(matches!(&refused, Err(OpenError::Unusable(why)) if why.contains("inodes")));
    assert!(path.join("state").exists());
    fs::remove_dir_all(&many).unwrap();
    Store::forget_state(&product::options(&path)).unwrap();
    let store = Store::open(product::options(&path)).unwrap();
    Model::default().check(&store, &acknowledged).unwrap();
}

/// A base is as large as the store: it must not take the room that recovery needs.
#[test]
fn base_that_has_no_room_leaves_none_behind() {
    let home = tempfile::tempdir().unwrap();
    let Some(volume) = Volume::mount(home.path(), 128) else {
        eprintln!("SKIPPED: may not mount a small volume");
        return;
    };
    let path = volume.0.join("data");
    let filler = volume.0.join("filler");
    let options = || Options { reserve_bytes: 24 << 20, ..product::options(&path) };
    let store = Store::open(options()).unwrap();
    let mut random = product::Random(7);
    for number in 0..400 {
        let noise: Vec<u8> = (0..50_000).map(|_| b'!' + random.below(90) as u8).collect();
        let value = [b"red ".as_slice(), &noise].concat();
        store.write(|tx| tx.put(format!("R{number}").as_bytes(), value.clone())).unwrap();
    }
    // What goes into the state takes room as well.
    std::thread::sleep(Duration::from_secs(2));
    // Room for a part of it above what is kept back.
    let free = || free_bytes(&volume.0);
    fs::write(&filler, vec![1; free() - (30 << 20)]).unwrap();
    assert!(store.make_base().is_err());
    assert!(free() > 20 << 20, "{} bytes are free", free());
    assert_eq!(fs::read_dir(path.join("base")).unwrap().count(), 0);
    store.write(|tx| tx.put(b"R1", "red")).unwrap();
    fs::remove_file(&filler).unwrap();
    store.make_base().unwrap();
    assert_eq!(store.check().unwrap().problems(), [""; 0]);
}

fn free_bytes(volume: &Path) -> usize {
    let path = CString::new(volume.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path ends with a zero, and the call fills the struct.
    unsafe {
        let mut found = std::mem::zeroed::<libc::statvfs>();
        assert_eq!(libc::statvfs(path.as_ptr(), &raw mut found), 0);
        (found.f_bavail * found.f_frsize) as usize
    }
}
