//! What the binary says of itself: help, and the reference pages made from it.

use crate::command::Holdall;

#[test]
fn help_of_a_command_lists_the_settings_that_concern_it() {
    for (command, shown, hidden) in [
        ("log-level", &["--config", "--data"][..], &["--listen", "--url", "--public"][..]),
        ("store check", &["--config", "--data"], &["--listen", "--limits-body-bytes"]),
        ("wait", &["--data", "--url", "--listen", "--tls-cert"], &["--public", "--threads"]),
        ("schema apply", &["--data", "--schema-allow-data-loss"], &["--url", "--proxy"]),
        ("exec", &["--listen", "--schema", "--public"], &["--data", "--store", "--url"]),
        ("serve", &["--data", "--public", "--limits-body-bytes"], &[]),
        ("config check", &["--data", "--public", "--limits-body-bytes"], &[]),
    ] {
        let help = Holdall::new(&format!("{command} --help")).run().out;
        let has = |flag: &&&str| help.split(&['[', ' ', '\n']).any(|word| word == **flag);
        assert_eq!(shown.iter().filter(has).count(), shown.len(), "{command}: {help}");
        assert_eq!(hidden.iter().filter(has).count(), 0, "{command}: {help}");
    }
    // A script that says the same settings to all commands goes on working.
    let done = Holdall::new("wait --timeout 10ms --listen 127.0.0.1:1 --threads 2").run();
    assert_eq!(done.code, 1, "{done:?}");
}

#[test]
fn reference_pages_are_what_the_binary_says() {
    for (line, page) in [("config reference", "configuration.md"), ("commands", "commands.md")] {
        let path = format!("{}/web/docs/{page}", env!("CARGO_MANIFEST_DIR"));

        let said = Holdall::new(line).run().out;

        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(said == kept, "stale: run `holdall {line} > web/docs/{page}`");
    }
}
