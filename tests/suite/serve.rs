//! The built binary as a server: how it says that it is ready, what commands reach it, how it ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{Done, Holdall};
use crate::house::Client;

/// A server in a process of its own; killed when dropped.
struct Server {
    child: Option<Child>,
    home: tempfile::TempDir,
    data: PathBuf,
    ready: Value,
}

impl Server {
    /// Starts one whose data directory is `data` below a fresh directory.
    fn start(data: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join(data);
        std::fs::create_dir_all(data.parent().unwrap()).unwrap();
        Self::start_in(home, data)
    }

    fn start_in(home: tempfile::TempDir, data: PathBuf) -> Self {
        Self::start_as("serve --listen 127.0.0.1:0 --ready-file", home, data)
    }

    fn start_as(line: &str, home: tempfile::TempDir, data: PathBuf) -> Self {
        let path = home.path().join("ready.json");
        let _ = std::fs::remove_file(&path);
        let (mut command, _working) = Holdall::new(line)
            .arg(path.to_str().unwrap())
            .arg("--data")
            .arg(data.to_str().unwrap())
            .into_command();
        command.current_dir(home.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let begun = Instant::now();
        let ready = loop {
            if let Ok(text) = std::fs::read_to_string(&path) {
                break serde_json::from_str(&text).unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("ended with {status}: {:?}", child.wait_with_output());
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "not ready");
            std::thread::sleep(Duration::from_millis(5));
        };
        Self { child: Some(child), home, data, ready }
    }

    fn ask(&self, line: &str) -> Done {
        command(line, &self.data).run()
    }

    fn send(&self, signal: i32) {
        let process = i32::try_from(self.child.as_ref().unwrap().id()).unwrap();
        // SAFETY: sends a signal to a process that this test started.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0);
    }

    fn end(&mut self, signal: i32) -> Output {
        self.send(signal);
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn command(line: &str, data: &Path) -> Holdall {
    Holdall::new(line).arg("--data").arg(data.to_str().unwrap())
}

fn create_admin(email: &str, data: &Path) -> Done {
    command(&format!("admin create {email} --password-file password"), data)
        .file("password", "tr0ub4dor and three\n")
        .run()
}

#[test]
fn says_where_it_serves_and_stops_in_order() {
    let mut server = Server::start("data");
    let url = server.ready["url"].as_str().unwrap().to_owned();

    let well = Holdall::new("healthcheck --url").arg(&url).run();
    let waited = Holdall::new("wait --ready --timeout 5s").env("HOLDALL_URL", &url).run();
    let pid = server.child.as_ref().unwrap().id();
    let ended = server.end(libc::SIGTERM);

    assert_eq!((well.code, waited.code), (0, 0), "{well:?} {waited:?}");
    assert_eq!(server.ready["pid"], pid);
    assert_eq!(server.ready["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.is_empty());
    assert_eq!(Holdall::new("healthcheck --url").arg(&url).run().code, 1);
}

#[test]
fn server_on_a_free_port_is_found_by_its_data_directory() {
    let mut server = Server::start("data");
    let lines = ["healthcheck", "healthcheck --live", "wait --ready --timeout 5s", "wait"];

    let named = lines.map(|line| server.ask(line));
    // Settings that are on no line name it too, but for an address on the line.
    let beside = |line| Holdall::new(line).env("HOLDALL_DATA", server.data.to_str().unwrap());
    let configured = lines.map(|line| beside(line).run());
    let elsewhere = beside("healthcheck --listen 127.0.0.1:1").run();
    server.end(libc::SIGTERM);
    let gone = server.ask("wait --timeout 10ms");

    let ends = ["is well\n", "is well\n", "is ready\n", "answers\n"];
    for (done, end) in named.iter().zip(ends) {
        assert!(done.out.ends_with(end), "{done:?}");
    }
    for done in named.into_iter().chain(configured) {
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.out.starts_with("the server in "), "{done:?}");
    }
    assert_eq!(elsewhere.code, 1, "{elsewhere:?}");
    assert_eq!(gone.code, 1);
    assert!(gone.err.contains("no server runs in"), "{gone:?}");
}

#[tokio::test]
async fn port_of_the_metrics_is_told() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let line = "serve --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 --ready-file";
    let mut server = Server::start_as(line, home, data);
    let url = server.ready["metrics_url"].as_str().unwrap().to_owned();

    let address = url.strip_prefix("http://").and_then(|url| url.strip_suffix("/metrics"));
    let metrics = Client::of(address.unwrap().parse().unwrap()).get("/metrics").await;
    let log = String::from_utf8(server.end(libc::SIGTERM).stderr).unwrap();

    assert_eq!(metrics.status, 200);
    assert!(log.contains(&format!("metrics are at {url}")), "{log}");
}

#[test]
fn another_instance_secret_is_told() {
    let mut server = Server::start("data");
    assert_eq!(server.ask("keys rotate").code, 0);
    let first = String::from_utf8(server.end(libc::SIGTERM).stderr).unwrap();
    std::fs::remove_file(server.data.join("instance-secret")).unwrap();

    let home = std::mem::replace(&mut server.home, tempfile::tempdir().unwrap());
    let mut again = Server::start_in(home, server.data.clone());
    let second = String::from_utf8(again.end(libc::SIGTERM).stderr).unwrap();

    let told = "the instance secret is another than it was: a new signing key is made, and everybody \
                has to sign in again";
    assert!(!first.contains(told) && second.contains(told), "{second}");
}

#[test]
fn log_level_of_a_running_server_changes() {
    let mut server = Server::start("data");

    assert_eq!(server.ask("log-level").out, "info\n");
    assert_eq!(server.ask("log-level debug").out, "debug\n");
    assert_eq!(server.ask("log-level").out, "debug\n");
    let wrong = server.ask("log-level loud");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("no such log level"), "{}", wrong.err);
    assert_eq!(server.ask("log-level off").out, "off\n");
    let socket = std::fs::metadata(server.data.join("control.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let log = String::from_utf8(server.end(libc::SIGINT).stderr).unwrap();
    let told = log.lines().rfind(|line| line.contains("the log level is off now"));
    assert!(told.is_some_and(|line| line.contains(r#""level":"info""#)), "{log}");
    let nobody = server.ask("log-level");
    assert_eq!(nobody.code, 1);
    assert!(nobody.err.contains("no server runs in"), "{}", nobody.err);
}

#[test]
fn who_asks_a_server_is_not_asked_where_data_shall_live() {
    let server = Server::start("data");
    for line in ["healthcheck", "wait --timeout 1s", "log-level"] {
        let done = command(line, &server.data).env("DATABASE_URL", "mysql://db/x").run();
        assert_eq!(done.code, 0, "{line}: {}", done.err);
    }
}

#[test]
fn server_without_its_socket_is_named() {
    let mut server = Server::start("data");
    std::fs::remove_file(server.data.join("control.sock")).unwrap();

    let lines = ["healthcheck", "wait --timeout 10ms", "log-level"];
    let asked = lines.map(|line| server.ask(line));
    let pid = server.child.as_ref().unwrap().id();
    server.end(libc::SIGTERM);

    for done in asked {
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains(&format!("process {pid} holds ")), "{done:?}");
        assert!(done.err.contains("a restart brings it back"), "{done:?}");
    }
}

#[test]
fn server_that_opens_its_store_lives_and_is_not_ready() {
    let mut server = Server::start("data");
    server.end(libc::SIGTERM);
    // Definitions that come when we say so keep it opening.
    let schema = server.home.path().join("schema.json");
    assert!(std::process::Command::new("mkfifo").arg(&schema).status().unwrap().success());
    let write = || std::fs::write(&schema, r#"[{"name": "notes", "type": "base"}]"#).unwrap();
    let line = format!("serve --listen 127.0.0.1:0 --schema {}", schema.display());
    let (mut serve, _working) = command(&line, &server.data).into_command();
    server.child = Some(serve.stderr(Stdio::null()).spawn().unwrap());
    // Read once before anything is touched, and again when the store is there.
    write();
    let begun = Instant::now();
    while server.ask("healthcheck --live").code != 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it lives");
    }

    let ready = server.ask("healthcheck");
    let admin = create_admin("ada@example.com", &server.data);
    let level = server.ask("log-level");
    write();
    let waited = server.ask("wait --ready");
    server.end(libc::SIGTERM);

    assert_eq!(ready.code, 1, "{ready:?}");
    assert!(ready.err.contains("its store is being opened"), "{ready:?}");
    assert_eq!(admin.code, 2, "{admin:?}");
    assert!(admin.err.contains("is starting"), "{admin:?}");
    assert_eq!(level.out, "info\n", "{level:?}");
    assert_eq!(waited.code, 0, "{waited:?}");
    assert!(!server.data.join("control.sock").exists());
}

#[test]
fn a_stopped_server_keeps_no_command_waiting() {
    let mut server = Server::start("data");
    server.send(libc::SIGSTOP);

    let done = server.ask("log-level");

    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("does not answer within 5 s: is it stopped"), "{}", done.err);
    assert!(!done.err.contains("os error"), "{}", done.err);
    server.send(libc::SIGCONT);
    assert_eq!(server.ask("log-level").out, "info\n");
    server.end(libc::SIGTERM);
}

#[test]
fn superusers_are_created_through_the_running_server_or_on_its_files() {
    let mut server = Server::start("data");

    let running = create_admin("ada@example.com", &server.data);
    let weak = command("admin create eve@example.com --password-file password", &server.data)
        .file("password", "x")
        .run();
    server.end(libc::SIGKILL);
    let killed = create_admin("ada@example.com", &server.data);

    assert_eq!(running.out, "ada@example.com is a superuser now\n", "{}", running.err);
    assert_eq!(weak.code, 2, "{weak:?}");
    assert!(killed.out.contains("already"), "{killed:?}");
}

#[test]
fn socket_is_reached_where_its_path_is_too_long_for_one() {
    let server = Server::start(&["a-rather-long-name-of-a-directory"; 5].join("/"));

    assert_eq!(server.ask("log-level").out, "info\n");
}

#[test]
fn a_second_server_on_port_or_data_is_refused_and_the_first_goes_on() {
    let server = Server::start("data");
    let address = server.ready["url"].as_str().unwrap().trim_start_matches("http://").to_owned();

    let port = Holdall::new("serve --listen").arg(&address).run();
    let data = command("serve --listen 127.0.0.1:0", &server.data).run();

    assert_eq!(port.code, 2, "{}", port.err);
    assert!(port.err.contains(&format!("cannot listen on {address}")), "{}", port.err);
    assert!(port.err.contains("choose another address with --listen"), "{}", port.err);
    assert_eq!(data.code, 2, "{}", data.err);
    let pid = server.child.as_ref().unwrap().id().to_string();
    assert!(data.err.contains(&pid), "{}", data.err);
    assert_eq!(server.ask("log-level").code, 0);
}

#[test]
fn server_keeps_its_directory_though_somebody_deletes_the_lock_file() {
    let server = Server::start("data");
    std::fs::remove_file(server.data.join("LOCK")).unwrap();

    for line in ["serve --listen 127.0.0.1:0", "store check", "store rebuild"] {
        let done = server.ask(line);
        assert_eq!(done.code, 2, "{line}: {done:?}");
        assert!(done.err.contains("is in use by"), "{line}: {done:?}");
    }
    assert_eq!(server.ask("log-level").code, 0);
}

#[test]
fn data_directories_that_cannot_be_used_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let newer = home.path().join("newer");
    std::fs::create_dir(&newer).unwrap();
    std::fs::write(newer.join("FORMAT"), format!("holdall 999 {:032x}\n", 7)).unwrap();

    // Not even root may make a directory there.
    let sealed = PathBuf::from("/sys/kernel/holdall");
    let sealed_words = "cannot keep data in /sys/kernel/holdall: ";
    for (data, words) in [(&file, "file"), (&newer, "newer version"), (&sealed, sealed_words)] {
        let refused = command("serve --listen 127.0.0.1:0", data).run();

        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains(words), "{}", refused.err);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a directory");
}

#[test]
fn ready_file_that_cannot_be_written_is_refused_before_anything_is_touched() {
    let refused = Holdall::new("serve --listen 127.0.0.1:0 --ready-file nowhere/ready --data data");
    let data = refused.home().join("data");
    let (mut command, _home) = refused.into_command();
    let done = Done::of(command.output().unwrap());

    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("cannot write the ready file nowhere/ready"), "{}", done.err);
    assert!(!data.exists());
}

#[test]
fn what_was_written_is_there_after_the_server_was_killed() {
    let mut server = Server::start("data");
    create_admin("ada@example.com", &server.data);
    server.end(libc::SIGKILL);
    let home = std::mem::replace(&mut server.home, tempfile::tempdir().unwrap());

    let again = Server::start_in(home, server.data.clone());

    assert!(create_admin("ada@example.com", &again.data).out.contains("already"));
}

#[test]
fn readers_who_leave_early_are_no_error() {
    for line in ["config reference", "config show", "completions bash", "--help", "version --json"]
    {
        let (mut command, _home) = Holdall::new(line).into_command();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = Done::of(child.wait_with_output().unwrap());
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{line}");
    }
}

#[test]
fn server_with_tls_is_asked_through_its_socket() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let line = "serve --tls self-signed --listen 127.0.0.1:0 --ready-file";
    let mut server = Server::start_as(line, home, data);
    assert!(server.ready["url"].as_str().unwrap().starts_with("https://"));

    // Its certificate is nobody's, and nothing listens at the address that the settings name.
    let asked =
        ["healthcheck", "healthcheck --live", "wait --ready --timeout 1s"].map(|command_line| {
            server.ask(&format!("{command_line} --tls self-signed --listen 127.0.0.1:1"))
        });
    server.end(libc::SIGTERM);
    let gone = server.ask("healthcheck --tls self-signed --listen 127.0.0.1:1");

    for done in asked {
        assert_eq!(done.code, 0, "{done:?}");
    }
    assert_eq!(gone.code, 1, "{gone:?}");
}
