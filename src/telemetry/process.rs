//! What the kernel knows of this process and of the cgroup it lives in, and what else only Linux has:
//! another system needs another one of these, and nothing else.

use std::fs;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::telemetry::metrics::Page;

/// Kernel ticks per second, as `/proc` counts; fixed at 100 on every Linux that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Bytes used and allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub used: u64,
    pub total: u64,
}

impl Share {
    /// Between 0 and 100, with one decimal.
    pub fn percent(&self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        (self.used as f64 * 1000.0 / self.total as f64).round() / 10.0
    }

    pub fn free(&self) -> u64 {
        self.total.saturating_sub(self.used)
    }
}

/// Writes the `process_*` families that Prometheus' own libraries have.
pub(super) fn write(page: &mut Page) {
    if let Some(stat) = stat() {
        page.single(
            "process_cpu_seconds_total",
            "counter",
            "User and system CPU time spent, in seconds.",
            stat.cpu_seconds,
        );
        page.single("process_threads", "gauge", "Threads of this process.", stat.threads);
        page.single(
            "process_virtual_memory_bytes",
            "gauge",
            "Virtual memory size in bytes.",
            stat.virtual_bytes,
        );
        page.single(
            "process_start_time_seconds",
            "gauge",
            "Start time since the epoch in seconds.",
            stat.start_seconds,
        );
    }
    if let Some(resident) = resident_bytes() {
        page.single(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            resident,
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        page.single("process_open_fds", "gauge", "Open file descriptors.", open.count());
    }
    page.single("process_max_fds", "gauge", "Most open file descriptors.", max_files());
}

/// Returns the resident memory of this process.
pub fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

/// Returns how many files this process may have open.
pub fn max_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call fills the struct that it is given.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if done == 0 { limit.rlim_cur } else { 0 }
}

/// Raises the soft limit of open files to the hard one: a connection needs one each.
pub fn raise_max_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls read and fill the struct that they are given.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// Lets the kernel kill the calling process when its parent ends, which has to be `parent`. Only
/// system calls, so that it may stand between fork and exec.
pub fn die_with(parent: u32) -> io::Result<()> {
    // SAFETY: these only tell and ask the kernel something.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
            return Err(io::Error::last_os_error());
        }
        // A parent that died before that call sends nothing any more.
        if u32::try_from(libc::getppid()) != Ok(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    Ok(())
}

/// Returns a short path of an open file or directory, good as long as it stays open.
pub fn path_of(opened: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()))
}

/// The process that has a file locked with flock, where the kernel tells it.
pub fn holder_of_lock(file: &Metadata) -> Option<u32> {
    let (major, minor) = (libc::major(file.dev()), libc::minor(file.dev()));
    let name = format!("{major:02x}:{minor:02x}:{}", file.ino());
    // `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF`
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let mut locks = locks.lines().map(|line| line.split_whitespace().skip(4));
    let mut lock = locks.find(|lock| lock.clone().nth(1) == Some(&name))?;
    lock.next()?.parse().ok().filter(|process| *process > 0)
}

/// Returns memory used and allowed: of the cgroup where it has a limit, else of the machine.
pub fn memory() -> Option<Share> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = |name: &str| -> Option<u64> {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    let total = line("MemTotal")? << 10;
    let machine = Share { used: total.saturating_sub(line("MemAvailable")? << 10), total };
    Some(cgroup_memory(Path::new("/sys/fs/cgroup"), total).unwrap_or(machine))
}

/// Memory of the cgroup mounted at `root`, version 2 or 1. What the page cache holds and could
/// give back at once does not count as used.
fn cgroup_memory(root: &Path, machine_total: u64) -> Option<Share> {
    let number = |name: &str| -> Option<u64> {
        fs::read_to_string(root.join(name)).ok()?.trim().parse().ok()
    };
    let (total, used, stat, key) = match number("memory.max") {
        Some(total) => (total, number("memory.current")?, "memory.stat", "inactive_file "),
        None => (
            number("memory/memory.limit_in_bytes")?,
            number("memory/memory.usage_in_bytes")?,
            "memory/memory.stat",
            "total_inactive_file ",
        ),
    };
    if total == 0 || total >= machine_total {
        return None;
    }
    let stat = fs::read_to_string(root.join(stat)).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    Some(Share { used: used.saturating_sub(cache.unwrap_or(0)), total })
}

/// Returns space used and there of the volume that holds `path`.
pub fn disk(path: &Path) -> Option<Share> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a NUL, and the call fills the struct when it returns 0.
    let stat = unsafe {
        if libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    // As `df` counts: what only root may use is neither free nor used.
    let unit = stat.f_frsize as u64;
    let used = (stat.f_blocks as u64).saturating_sub(stat.f_bfree as u64) * unit;
    Some(Share { used, total: used + stat.f_bavail as u64 * unit })
}

struct Stat {
    cpu_seconds: f64,
    threads: u64,
    virtual_bytes: u64,
    start_seconds: f64,
}

fn stat() -> Option<Stat> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold anything, so the fields are counted from its end.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
    let number = |at: usize| -> Option<u64> { fields.get(at)?.parse().ok() };
    let booted = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 =
        booted.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Stat {
        cpu_seconds: (number(11)? + number(12)?) as f64 / TICKS_PER_SECOND,
        threads: number(17)?,
        virtual_bytes: number(20)?,
        start_seconds: booted + number(19)? as f64 / TICKS_PER_SECOND,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroup(files: &[(&str, &str)]) -> Option<Share> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        cgroup_memory(root.path(), 1000)
    }

    #[test]
    fn memory_is_the_cgroups_where_it_has_a_limit() {
        let files = [
            ("memory.max", "512\n"),
            ("memory.current", "300\n"),
            ("memory.stat", "anon 1\ninactive_file 100\n"),
        ];
        assert_eq!(cgroup(&files), Some(Share { used: 200, total: 512 }));
        let files = [
            ("memory/memory.limit_in_bytes", "512\n"),
            ("memory/memory.usage_in_bytes", "300\n"),
            ("memory/memory.stat", "inactive_file 7\ntotal_inactive_file 100\n"),
        ];
        assert_eq!(cgroup(&files), Some(Share { used: 200, total: 512 }));
    }

    #[test]
    fn cgroup_without_limit_is_passed_over() {
        assert_eq!(cgroup(&[("memory.max", "max\n"), ("memory.current", "300\n")]), None);
        let huge = [
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/memory.usage_in_bytes", "300\n"),
        ];
        assert_eq!(cgroup(&huge), None);
        assert_eq!(cgroup(&[]), None);
    }

    #[test]
    fn process_and_disk_are_read() {
        let stat = stat().unwrap();
        assert!(stat.threads >= 1 && stat.virtual_bytes > 0 && stat.start_seconds > 1e9);
        assert!(resident_bytes().unwrap() > 0 && max_files() > 0);
        let disk = disk(Path::new("/")).unwrap();
        assert!(disk.total >= disk.used && (0.0..=100.0).contains(&disk.percent()));
        assert!(memory().unwrap().total > 0);
        assert_eq!(super::disk(Path::new("/no/such/place")), None);
    }
}
