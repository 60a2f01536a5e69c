//! The program under the manifest's security context: another user, no capabilities, no new
//! privileges, and a root that can only be read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Runs as root in a mount namespace of its own; $1 is a folder with the program and its data.
/// The root is this machine's, read-only, since the program of a test is not a static one.
const CONFINE: &str = r#"
set -e
mount --make-rprivate /
mkdir "$1/tree"
mount --bind / "$1/tree"
mount --bind "$1" "$1/tree/mnt"
mount -t proc proc "$1/tree/proc"
mount --bind /dev "$1/tree/dev"
mount -o remount,bind,ro "$1/tree/mnt"
mount --bind "$1/data" "$1/tree/mnt/data"
mount -o remount,bind,ro "$1/tree"
exec chroot "$1/tree" setpriv --reuid 10001 --regid 10001 --clear-groups \
    --bounding-set=-all --inh-caps=-all --no-new-privs \
    /mnt/holdall serve --listen 127.0.0.1:0 --ready-file /mnt/data/ready.json
"#;

/// A program that runs confined; killed when dropped.
struct Confined {
    folder: TempDir,
    child: Child,
}

impl Confined {
    /// Starts it, or says why that can't be done here.
    fn start() -> Result<Self, &'static str> {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&data, Some(10001), Some(10001))
            .map_err(|_| "only root can change to another user")?;
        let is_able = Command::new("unshare").args(["--mount", "true"]).status();
        if !is_able.is_ok_and(|status| status.success()) {
            return Err("mount namespaces can't be made here");
        }
        let program = folder.path().join("holdall");
        std::fs::copy(env!("CARGO_BIN_EXE_holdall"), program).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("unshare")
            .args(["--mount", "bash", "-c", CONFINE, "confine"])
            .arg(folder.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs([("DOCKERIZED", "1"), ("ENVIRONMENT", "staging"), ("HOLDALL_DATA", "/mnt/data")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Ok(Self { folder, child })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until it says that it serves, and where.
    fn url(&mut self) -> String {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let said = std::fs::read_to_string(self.path("data/ready.json")).unwrap_or_default();
            if let Ok(ready) = serde_json::from_str::<serde_json::Value>(&said) {
                return ready["url"].as_str().unwrap().to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < patience, "{ended:?}\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A line of `/proc/PID/status`.
    fn status(&self, key: &str) -> String {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The names in a folder that somebody else than root owns.
fn written(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn runs_under_the_security_context_of_the_manifest() {
    let mut confined = match Confined::start() {
        Ok(confined) => confined,
        Err(why) => {
            eprintln!("SKIPPED runs_under_the_security_context_of_the_manifest: {why}");
            return;
        }
    };
    let url = confined.url();

    // When it serves, it is who it should be, and may nothing.
    assert_eq!(confined.status("Uid"), "10001 10001 10001 10001");
    assert_eq!(confined.status("Gid"), "10001 10001 10001 10001");
    assert_eq!(confined.status("NoNewPrivs"), "1");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(confined.status(set), "0000000000000000", "{set}");
    }
    for path in ["/startup", "/health/ready", "/health/live"] {
        assert_eq!(get(&url, path), 200, "{path}");
    }
    assert!(!written(&confined.path("data")).is_empty(), "its data is in the data directory");

    // Asked to end, it ends well.
    let pid = i32::try_from(confined.child.id()).unwrap();
    // SAFETY: the child is ours and not yet waited for, so the number is still its.
    unsafe { libc::kill(pid, libc::SIGTERM) };
    assert_eq!(confined.child.wait().unwrap().code(), Some(0));
}

/// The status of a GET.
fn get(url: &str, path: &str) -> u16 {
    use std::io::{Read, Write};
    let address = url.strip_prefix("http://").unwrap().replace("0.0.0.0", "127.0.0.1");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
