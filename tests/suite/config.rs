//! Settings from outside: who wins, what is refused, what is passed over.

use crate::command::{Done, Holdall};

fn check() -> Holdall {
    Holdall::new("config check")
}

/// The line of `config show` for one key.
fn shown(done: &Done, key: &str) -> String {
    assert_eq!(done.code, 0, "{}", done.err);
    let line = done.out.lines().find(|line| line.split_whitespace().next() == Some(key));
    let words: Vec<&str> = line.expect("every key has a line").split_whitespace().skip(1).collect();
    words.join(" ")
}

#[test]
fn bad_settings_are_refused_with_a_remedy_before_anything_is_touched() {
    let random = "9f2c4b7ad01e56883f1b2a97c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7";
    let cases: Vec<(&str, Holdall, &str)> = vec![
        ("variable", check().env("HOLDALL_LISTN", "x"), "did you mean HOLDALL_LISTEN?"),
        ("port variable", check().env("HOLDALL_PORT", "8000"), "PORT or HOLDALL_LISTEN"),
        ("key", check().file("holdall.toml", "[log]\nlevle = 1"), "did you mean `log.level`?"),
        ("broken file", check().file("holdall.toml", "a = 1\nb"), "holdall.toml: line 2"),
        ("missing file", check().arg("--config").arg("no.toml"), "no.toml: cannot be read"),
        (
            "address",
            check().env("HOLDALL_LISTEN", "localhost"),
            "HOLDALL_LISTEN: `localhost` is not",
        ),
        ("port", check().env("PORT", "70000"), "PORT: `70000` is not a port"),
        ("environment", check().env("ENVIRONMENT", "moon"), "none of dev, ci, staging, production"),
        (
            "time",
            check().arg("--shutdown-delay").arg("soon"),
            "--shutdown-delay: `soon` is not a time",
        ),
        ("no time", check().arg("--limits-request-time").arg("0"), "`0` is no time at all"),
        ("no path", check().arg("--data").arg(""), "--data: is empty"),
        ("no path", check().file("holdall.toml", "data = ''"), "holdall.toml: is empty"),
        ("size", check().env("HOLDALL_LIMITS_BODY_BYTES", "big"), "is not a size such as 32MiB"),
        ("database", check().env("DATABASE_URL", "mysql://db/x"), "HOLDALL_STORE=files"),
        ("home", check().env("HOLDALL_STORE", "mysql"), "not in this version"),
        (
            "weak secret",
            check()
                .env("ENVIRONMENT", "staging")
                .env("SECRET_KEY", "your-super-secret-key-here-0123456789"),
            "looks like an example's value",
        ),
        (
            "alphabet",
            check()
                .env("ENVIRONMENT", "production")
                .env("SECRET_KEY", "abcdefghijklmnopqrstuvwxyz123456"),
            "is a sequence or a repetition",
        ),
        ("short secret", check().env("HOLDALL_INSTANCE_SECRET", "short"), "shorter than 32 bytes"),
        (
            "secret twice",
            check().env("HOLDALL_INSTANCE_SECRET", random).env("HOLDALL_INSTANCE_SECRET_FILE", "x"),
            "are both set; keep one",
        ),
        (
            "secret file missing",
            check().env("HOLDALL_INSTANCE_SECRET_FILE", "none"),
            "HOLDALL_INSTANCE_SECRET_FILE: cannot read",
        ),
        (
            "two passwords",
            check()
                .file("key", "correct horse\nbattery staple\n")
                .env("HOLDALL_ADMIN_EMAIL", "ann@example.org")
                .env("HOLDALL_ADMIN_PASSWORD_FILE", "key"),
            "key holds more than one line",
        ),
        (
            "endless secret file",
            check().env("HOLDALL_INSTANCE_SECRET_FILE", "/dev/zero"),
            "HOLDALL_INSTANCE_SECRET_FILE: cannot read /dev/zero: it is larger than 64 KiB",
        ),
        (
            "secret in the file",
            check().file("holdall.toml", "instance_secret = \"canary-canary\""),
            "secrets have no place in this file",
        ),
        ("admin alone", check().env("HOLDALL_ADMIN_EMAIL", "a@b.c"), "go together"),
        (
            "debug in production",
            check().env("ENVIRONMENT", "production").env("DEBUG", "true"),
            "debugging is refused in production",
        ),
        (
            "size",
            check().env("HOLDALL_LIMITS_BODY_BYTES", "0"),
            "HOLDALL_LIMITS_BODY_BYTES: `0` is too small",
        ),
        ("origin", check().env("CORS_ORIGINS", "example.org"), "is not an origin"),
        ("flag", check().arg("--listne").arg("x"), "--listen"),
    ];
    for (kind, holdall, remedy) in cases {
        let home = holdall.home().to_owned();
        let before = std::fs::read_dir(&home).expect("readable").count();
        let (mut command, kept) = holdall.into_command();
        let done = Done::of(command.output().expect("the binary runs"));
        assert_eq!(done.code, 2, "{kind}: {}", done.err);
        assert!(done.err.contains(remedy), "{kind}: {}", done.err);
        assert!(!done.err.contains("canary") && !done.err.contains("panicked"), "{kind}");
        assert_eq!(std::fs::read_dir(kept.path()).expect("readable").count(), before, "{kind}");
    }
}

#[test]
fn only_a_regular_file_is_read_for_settings() {
    type Make = fn(&std::path::Path);
    let cases: [(&str, Make, &str); 4] = [
        (
            "FIFO",
            |path| {
                assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success())
            },
            "is not a regular file",
        ),
        ("directory", |path| std::fs::create_dir(path).unwrap(), "is not a regular file"),
        (
            "device",
            |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
            "is not a regular file",
        ),
        (
            "link",
            |path| std::os::unix::fs::symlink("nowhere", path).unwrap(),
            "is a symbolic link that leads nowhere",
        ),
    ];
    for (kind, make, words) in cases {
        for line in ["config check --config holdall.toml", "config check"] {
            let (mut command, home) = Holdall::new(line).into_command();
            make(&home.path().join("holdall.toml"));
            let done = Done::of(command.output().expect("the binary runs"));
            assert_eq!(done.code, 2, "{kind}: {}", done.err);
            assert!(done.err.contains(&format!("holdall.toml: {words}")), "{kind}: {}", done.err);
        }
    }
}

#[test]
fn check_refuses_what_serve_would_refuse() {
    let cases = [
        ("--public none", "cannot serve the site in"),
        ("--schema none.json", "none.json"),
        ("--schema holdall.toml", "holdall.toml"),
        ("--tls-cert none.pem --tls-key none.pem", "cannot read the TLS certificate"),
        ("--tls-cert holdall.toml --tls-key holdall.toml", "holds no certificate"),
        ("--admin-email me@example.com", "password: Must have at least 8"),
        ("--data /proc/foo", "cannot keep data in /proc/foo"),
        ("--data holdall.toml", "cannot keep data in"),
        ("--data holdall.toml/below", "cannot keep data in"),
    ];
    for (line, words) in cases {
        for command in ["config check", "serve --listen 127.0.0.1:0"] {
            let holdall = Holdall::new(&format!("{command} {line}")).file("holdall.toml", "");
            let holdall = match line.contains("admin") {
                true => holdall.env("HOLDALL_ADMIN_PASSWORD", "canary"),
                false => holdall,
            };
            let (mut command, home) = holdall.into_command();
            let done = Done::of(command.output().expect("the binary runs"));
            assert_eq!(done.code, 2, "{line}: {}", done.err);
            assert!(done.err.contains(words), "{line}: {}", done.err);
            assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 1, "{line}");
        }
    }
    let fine = check().arg("--data").arg("not/yet");
    let home = fine.home().to_owned();
    let (mut command, _home) = fine.into_command();
    assert_eq!(Done::of(command.output().expect("the binary runs")).code, 0);
    assert_eq!(std::fs::read_dir(home).expect("readable").count(), 0);
}

#[test]
fn check_refuses_what_somebody_else_has_or_a_newer_version_wrote() {
    let home = tempfile::tempdir().unwrap();
    let check =
        |line: &str| check().arg("--data").arg(home.path().to_str().unwrap()).line(line).run();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = std::net::TcpListener::bind(taken).unwrap();
    let refused = |done: Done, words: &str| {
        assert_eq!(done.code, 2, "{}", done.err);
        assert!(done.err.contains(words), "{}", done.err);
    };
    refused(check(&format!("--listen {taken}")), "cannot listen on");
    refused(check("--listen 192.0.2.1:80"), "this machine has no such address");
    drop(listener);
    let free = "--listen 127.0.0.1:0";
    let marker = home.path().join("FORMAT");
    for (text, words) in [("holdall 999 7", "a newer version"), ("tape", "is not a format marker")]
    {
        std::fs::write(&marker, text).unwrap();
        refused(check(free), words);
    }
    std::fs::remove_file(&marker).unwrap();
    std::fs::create_dir(home.path().join("state")).unwrap();
    refused(check(free), "is missing");
    std::fs::remove_dir(home.path().join("state")).unwrap();
    let held = holdall::store::directory::Directory::open(home.path(), 64 << 10).unwrap();
    refused(check(free), "is in use by process");
    drop(held);
    let fine = check(&format!("{free} --public {}", home.path().display()));
    assert_eq!(fine.code, 0, "{}", fine.err);
    assert!(fine.out.contains("has no index.html"), "{}", fine.out);
}

#[test]
fn flag_beats_variable_beats_legacy_name_beats_file_beats_default() {
    let show = || Holdall::new("config show");
    let file = "[log]\nlevel = \"error\"\n";

    let level = |holdall: Holdall| shown(&holdall.run(), "log.level");

    assert_eq!(level(show()), "info default");
    assert!(level(show().file("holdall.toml", file)).starts_with("error log.level in "));
    let legacy = || show().file("holdall.toml", file).env("LOG_LEVEL", "WARNING");
    assert_eq!(level(legacy()), "warn LOG_LEVEL");
    let own = || legacy().env("HOLDALL_LOG_LEVEL", "debug");
    assert_eq!(level(own()), "debug HOLDALL_LOG_LEVEL");
    assert_eq!(level(own().arg("--log-level").arg("trace")), "trace --log-level");
}

#[test]
fn values_are_shown_as_they_were_understood() {
    let done = Holdall::new("config show --limits-body-bytes 10MB --shutdown-delay 120")
        .env("HOLDALL_READY_STRICT", "yes")
        .env("DEBUG", "1")
        .env("ENVIRONMENT", "Testing")
        .run();

    assert_eq!(shown(&done, "limits.body_bytes"), "10MiB --limits-body-bytes");
    assert_eq!(shown(&done, "shutdown.delay"), "2m --shutdown-delay");
    assert_eq!(shown(&done, "ready.strict"), "true HOLDALL_READY_STRICT");
    assert_eq!(shown(&done, "environment"), "ci ENVIRONMENT");
    assert_eq!(shown(&done, "log.level"), "debug default, debug from DEBUG");
}

#[test]
fn nothing_far_fetched_is_suggested() {
    for holdall in [
        check().env("HOLDALL_DEMO_TITLE", "x"),
        check().env("HOLDALL_FOO", "x"),
        check().file("holdall.toml", "colour = true"),
        check().arg("--colour"),
        Holdall::new("deploy"),
    ] {
        let done = holdall.run();
        assert_eq!(done.code, 2, "{done:?}");
        let words = ["did you mean", "similar"];
        assert!(!words.iter().any(|words| done.err.contains(words)), "{}", done.err);
    }
    for (line, meant) in [("config chekc", "'check'"), ("serve --pubilc x", "'--public'")] {
        let done = Holdall::new(line).run();
        assert!(done.err.contains(meant), "{}", done.err);
    }
}

#[test]
fn port_changes_only_the_port_and_only_of_default_or_file() {
    let listen = |holdall: Holdall| shown(&holdall.run(), "listen");
    let show = || Holdall::new("config show");

    assert_eq!(listen(show().env("PORT", "91")), "127.0.0.1:91 default, port from PORT");
    assert!(listen(show().env("APP_PORT", "92").env("PORT", "91")).starts_with("127.0.0.1:91 "));
    assert!(listen(show().env("DOCKERIZED", "1").env("APP_PORT", "92")).starts_with("0.0.0.0:92 "));
    assert_eq!(listen(show().env("DOCKERIZED", "true")), "0.0.0.0:8000 default");
    let file = show().file("holdall.toml", "listen = \"[::1]:1\"").env("PORT", "91");
    assert!(listen(file).starts_with("[::1]:91 "));
    let own = show().env("HOLDALL_LISTEN", "127.0.0.1:5").env("PORT", "91");
    assert_eq!(listen(own), "127.0.0.1:5 HOLDALL_LISTEN");
}

#[test]
fn configmap_of_the_stack_before_needs_one_more_line() {
    let deployment = [
        ("ENVIRONMENT", "staging"),
        ("DOCKERIZED", "true"),
        ("DEBUG", "False"),
        ("APP_PORT", "8000"),
        ("LOG_LEVEL", "INFO"),
        ("CORS_ORIGINS", "https://app.example.org,https://*.staging.example.org"),
        ("DATABASE_URL", "mysql+pymysql://flask_user:canary@mysql:3306/flask_staging"),
        ("SQLALCHEMY_TRACK_MODIFICATIONS", "False"),
        ("SECRET_KEY", "9f2c4b7ad01e56883f1b2a97c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7"),
        ("JWT_ALGORITHM", "RS256"),
        ("JWT_ISSUER", "my-backend"),
        ("JWT_AUDIENCE", "my-frontend"),
        ("API_TEST_MODE", "0"),
        ("PROFILING", "1"),
        ("GUNICORN_WORKERS", "4"),
        ("HOLDALL_STORE", "files"),
    ];
    let show = deployment
        .iter()
        .fold(Holdall::new("config show"), |holdall, (name, value)| holdall.env(name, value));

    let done = show.run();

    assert_eq!(shown(&done, "threads"), "4 GUNICORN_WORKERS");
    assert_eq!(shown(&done, "instance_secret"), "*** SECRET_KEY");
    assert_eq!(shown(&done, "data"), "/data default");
    assert!(!done.out.contains("canary"), "{}", done.out);
    let notices: Vec<&str> = done.out.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(done.out.contains("they mean nothing here: API_TEST_MODE, "), "{}", done.out);
    assert!(done.out.contains("PROFILING"), "{}", done.out);
}

#[test]
fn workers_of_the_stack_before_are_a_hint_and_no_more() {
    for workers in ["0", "auto", "2000"] {
        let done = Holdall::new("config show").env("GUNICORN_WORKERS", workers).run();
        assert!(shown(&done, "threads").ends_with("default"), "{}", done.out);
        assert!(done.out.contains("GUNICORN_WORKERS is no number of threads"), "{}", done.out);
        assert_eq!(check().env("HOLDALL_THREADS", workers).run().code, 2);
    }
}

#[test]
fn service_links_of_kubernetes_are_passed_over_with_one_line() {
    let links = [
        ("HOLDALL_PORT", "tcp://10.96.0.7:80"),
        ("HOLDALL_SERVICE_HOST", "10.96.0.7"),
        ("HOLDALL_SERVICE_PORT", "80"),
        ("HOLDALL_SERVICE_PORT_HTTP", "80"),
        ("HOLDALL_PORT_80_TCP", "tcp://10.96.0.7:80"),
        ("HOLDALL_PORT_80_TCP_PROTO", "tcp"),
        ("HOLDALL_PORT_80_TCP_PORT", "80"),
        ("HOLDALL_PORT_80_TCP_ADDR", "10.96.0.7"),
    ];
    let check = links.iter().fold(check(), |holdall, (name, value)| holdall.env(name, value));

    let done = check.run();

    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.out.lines().filter(|line| line.contains("service links")).count(), 1);
    let one = self::check().env("HOLDALL_SERVICE_HOST", "10.96.0.7").run();
    assert!(format!("{one:?}").contains("1 variable is a Kubernetes service link of"), "{one:?}");
}

#[test]
fn secrets_come_from_files_without_their_last_newline() {
    let done = Holdall::new("config show")
        .file("key", "9f2c4b7ad01e56883f1b2a97c4d5e6f7\n")
        .file("holdall.toml", "instance_secret_file = \"key\"\n")
        .env("ENVIRONMENT", "production")
        .run();

    assert!(shown(&done, "instance_secret").starts_with("*** instance_secret in "), "{done:?}");
}

#[test]
fn a_secret_may_come_from_a_fifo_that_gives_it_once() {
    let show = Holdall::new("config show").env("HOLDALL_INSTANCE_SECRET_FILE", "key");
    let (mut command, home) = show.into_command();
    let key = home.path().join("key");
    assert!(std::process::Command::new("mkfifo").arg(&key).status().unwrap().success());
    let writer = std::thread::spawn(|| std::fs::write(key, "9f2c4b7ad01e56883f1b2a97c4d5e6f7\n"));

    let done = Done::of(command.output().expect("the binary runs"));

    assert_eq!(shown(&done, "instance_secret"), "*** HOLDALL_INSTANCE_SECRET_FILE");
    writer.join().unwrap().unwrap();
}

#[test]
fn other_algorithms_than_ours_are_not_passed_over_in_silence() {
    let other = check().env("JWT_ALGORITHM", "HS256").run();
    let ours = check().env("JWT_ALGORITHM", "RS256").run();

    assert_eq!((other.code, ours.code), (0, 0), "{other:?} {ours:?}");
    let words = |done: &Done| format!("{}{}", done.out, done.err);
    assert!(words(&other).contains("tokens are signed with RS256"), "{other:?}");
    assert!(!words(&ours).contains("tokens are signed with RS256"), "{ours:?}");
}
