//! `exec` from outside: what its command finds, how it ends, and that nothing is left behind.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::command::{Done, Holdall};
use crate::house::{Client, House};

fn exec(script: &str) -> Holdall {
    Holdall::new("exec -- sh -c").arg(script)
}

/// Starts `exec` with a script whose first line of output is a process id.
fn running(script: &str) -> (Child, i32, tempfile::TempDir) {
    start(exec(script))
}

fn start(holdall: Holdall) -> (Child, i32, tempfile::TempDir) {
    let (mut command, home) = holdall.into_command();
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary runs");
    let mut line = String::new();
    let out = child.stdout.as_mut().expect("it is piped");
    BufReader::new(out).read_line(&mut line).expect("the script says it");
    (child, line.trim().parse().expect("a process id"), home)
}

fn send(process: u32, signal: i32) {
    let process = i32::try_from(process).expect("process ids are small");
    // SAFETY: sends a signal to a process that this test started.
    assert_eq!(unsafe { libc::kill(process, signal) }, 0);
}

/// Waits until the process is gone, or is a zombie that nobody has asked about yet.
fn assert_ends(process: i32) {
    let begun = Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
        if matches!(state, None | Some('Z' | 'X')) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "process {process} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn command_finds_a_ready_instance_and_owns_standard_output() {
    let binary = env!("CARGO_BIN_EXE_holdall");
    let script = format!(
        "{binary} healthcheck >/dev/null && echo $HOLDALL_URL $HOLDALL_ADMIN_EMAIL \
         ${{#HOLDALL_ADMIN_PASSWORD}} && pwd"
    );

    let done = exec(&script).run();

    assert_eq!(done.code, 0, "{}", done.err);
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", done.out);
    assert!(lines[0].starts_with("http://127.0.0.1:"), "{}", done.out);
    assert!(lines[0].ends_with(" admin@example.com 32"), "{}", done.out);
    assert!(std::fs::metadata(format!("{}/holdall_data", lines[1])).is_err());
}

#[test]
fn exit_code_is_that_of_the_command() {
    let signalled = exec("kill -TERM $$").run();
    let missing = Holdall::new("exec -- no-such-command-anywhere").run();
    let directory = Holdall::new("exec -- /").run();

    assert_eq!(exec("exit 7").run().code, 7);
    assert_eq!(signalled.code, 143);
    assert_eq!(missing.code, 127, "{}", missing.err);
    assert!(missing.err.contains("cannot run no-such-command-anywhere"), "{}", missing.err);
    assert_eq!(directory.code, 126, "{}", directory.err);
}

#[test]
fn what_keeps_holdall_from_starting_is_125() {
    let refused = [
        Holdall::new("exec --listen nowhere -- true"),
        Holdall::new("exec --store files -- true"),
        Holdall::new("exec --no-such-flag -- true"),
        Holdall::new("exec"),
        Holdall::new("exec -- true").env("HOLDALL_LISTN", "x"),
    ];
    for holdall in refused {
        let done = holdall.run();
        assert_eq!(done.code, 125, "{}", done.err);
        assert!(!done.err.contains("panicked"), "{}", done.err);
    }
}

#[test]
fn what_a_server_could_not_start_with_is_told_before_anything_starts() {
    for (line, words) in [
        ("--public none", "cannot serve the site in"),
        ("--schema none.json", "none.json"),
        ("--tls-cert none.pem --tls-key none.pem", "cannot read the TLS certificate"),
        ("--admin-email me@example.com", "no superuser can be made of HOLDALL_ADMIN_EMAIL"),
    ] {
        let exec = Holdall::new(&format!("exec {line} -- true"));
        let exec = match line.contains("admin") {
            true => exec.env("HOLDALL_ADMIN_PASSWORD", "canary"),
            false => exec,
        };

        let done = exec.run();

        assert_eq!(done.code, 125, "{line}: {}", done.err);
        assert!(done.err.contains(words) && !done.err.contains("canary"), "{line}: {}", done.err);
    }
}

#[test]
fn deployment_settings_around_it_do_not_reach_the_instance() {
    let done = exec("echo fine")
        .env("HOLDALL_DATA", "/nonexistent")
        .env("HOLDALL_STORE", "files")
        .env("DATABASE_URL", "mysql://db/x")
        .env("PORT", "80")
        .run();

    assert_eq!((done.code, done.out.as_str()), (0, "fine\n"), "{}", done.err);
}

#[test]
fn signals_are_passed_on() {
    for (name, signal) in [("TERM", libc::SIGTERM), ("WINCH", libc::SIGWINCH)] {
        let wait = "echo $$; while :; do sleep 0.02; done";
        let (mut child, _, _home) = running(&format!("trap 'echo caught; exit 9' {name}; {wait}"));

        send(child.id(), signal);

        let mut rest = String::new();
        child.stdout.take().expect("it is piped").read_to_string(&mut rest).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(9), "{name}");
        assert_eq!(rest, "caught\n", "{name}");
    }
}

/// Waits until the process is stopped.
fn assert_stops(process: u32) {
    let begun = Instant::now();
    let stat = || std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    while !stat().contains(") T ") {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", stat());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_command_that_stops_stops_holdall_and_both_go_on_together() {
    let (mut child, _, _home) = running("echo $$; kill -STOP $$; exit 5");
    assert_stops(child.id());

    send(child.id(), libc::SIGCONT);

    assert_eq!(child.wait().expect("it ends").code(), Some(5));
}

#[test]
fn a_stopped_command_gets_the_signal_that_ends_it() {
    let (mut child, command, _home) =
        running("trap 'exit 9' TERM; echo $$; kill -STOP $$; while :; do sleep 0.02; done");
    assert_stops(child.id());
    let command = u32::try_from(command).expect("process ids are positive");
    assert_stops(command);

    send(child.id(), libc::SIGTERM);
    send(child.id(), libc::SIGCONT);

    assert_eq!(child.wait().expect("it ends").code(), Some(9));
}

#[test]
fn commands_inside_change_the_instance_and_leave_the_files_alone() {
    let holdall = env!("CARGO_BIN_EXE_holdall");
    let script = format!(
        "set -e; printf 'tr0ub4dor and three' | {holdall} admin create ada@example.com
         {holdall} keys rotate; {holdall} types ts | head -1; {holdall} log-level
         {holdall} erase --yes _superusers ada@example.com | head -2; stat -c %a $HOLDALL_DATA
         echo $HOLDALL_DATA; pwd"
    );

    let done = exec(&script).run();

    assert_eq!(done.code, 0, "{}", done.err);
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines[0], "ada@example.com is a superuser now");
    assert!(done.out.contains("(ada@example.com)"), "{}", done.out);
    let [mode, data, home] = lines[lines.len() - 3..] else { panic!("{}", done.out) };
    assert_eq!(mode, "700");
    assert!(!std::path::Path::new(data).exists(), "{data} is gone");
    assert!(!std::path::Path::new(home).join("holdall_data").exists());
}

/// An empty root has no place for a directory; commands in it still never find the files outside.
#[test]
fn command_runs_where_no_directory_can_be_made() {
    let bin = env!("CARGO_BIN_EXE_holdall");
    let script = format!("{bin} healthcheck && ! {bin} keys rotate 2>&1");
    let done = exec(&script).env("TMPDIR", "/proc/nowhere").run();
    assert_eq!(done.code, 0, "{} {}", done.out, done.err);
    assert!(done.out.contains("no store"), "{}", done.out);
}

#[test]
fn an_address_that_a_command_cannot_use_is_refused() {
    for line in ["keys rotate", "admin create a@example.com", "types ts", "log-level"] {
        let done = Holdall::new(&format!("{line} --url http://127.0.0.1:1")).run();
        assert_eq!(done.code, 2, "{line}: {}", done.err);
        assert!(done.err.contains("--url has no place here"), "{line}: {}", done.err);
    }
}

#[test]
fn whole_group_is_gone_when_holdall_is_killed() {
    let temporary = tempfile::tempdir().expect("a directory can be made");
    let script = "sleep 300 & echo $!; wait";
    let holdall = exec(script).env("TMPDIR", temporary.path().to_str().expect("text"));
    let (mut child, left_behind, _home) = start(holdall);
    let left = || std::fs::read_dir(temporary.path()).expect("it is readable").count();
    assert_eq!(left(), 1);

    send(child.id(), libc::SIGKILL);

    child.wait().expect("it ends");
    assert_ends(left_behind);
    let begun = Instant::now();
    while left() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the directory is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn whole_group_is_gone_when_the_command_is_killed_or_just_ends() {
    for (end, code) in [("kill -KILL $$", 137), ("exit 0", 0)] {
        let (command, _home) = exec(&format!("sleep 300 >&- 2>&- & echo $!; {end}")).into_command();
        let mut command = command;
        let done = Done::of(command.output().expect("the binary runs"));

        assert_eq!(done.code, code, "{}", done.err);
        assert_ends(done.out.trim().parse().expect("a process id"));
    }
}

#[tokio::test]
async fn seeded_world_comes_back_with_a_reset() {
    let schema = r#"[{"name": "notes", "type": "base", "listRule": "", "createRule": "",
        "fields": [{"name": "title", "type": "text"}]}]"#;
    let (mut command, home) = Holdall::new("exec --schema schema --seed seed -- sh -c")
        .arg("echo $HOLDALL_URL; sleep 300")
        .into_command();
    for (name, text) in
        [("schema/all.json", schema), ("seed/10-notes.jsonl", "{\"title\": \"a\"}\n")]
    {
        std::fs::create_dir_all(home.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(home.path().join(name), text).unwrap();
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
    let guest = Client::of(url.trim().trim_start_matches("http://").parse().unwrap());
    let notes = "/api/collections/notes/records";
    let total = async || guest.get(notes).await.body["totalItems"].clone();

    assert_eq!(total().await, 1);
    assert_eq!(guest.post(notes, serde_json::json!({"title": "b"})).await.status, 200);
    assert_eq!(total().await, 2);
    assert_eq!(guest.post("/api/test/reset", serde_json::json!({})).await.status, 204);
    assert_eq!(total().await, 1);

    send(child.id(), libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[tokio::test]
async fn instances_that_are_kept_know_no_reset() {
    let house = House::new();

    assert_eq!(house.guest().post("/api/test/reset", serde_json::json!({})).await.status, 404);
}
