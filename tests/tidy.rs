//! The rules of the house, held by a test: who may enter which room, where each outside crate may
//! be named, how long a file may be, and that every file says in its first line what happens in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines a file may have. Long before that, it holds two nouns.
const LINE_LIMIT: usize = 400;

/// Files that may be longer, each with its reason.
const LONG: &[(&str, &str)] = &[];

/// Room → the rooms it may enter. What is not listed here does not exist.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("lib", &[]),
    ("cli", &["app", "auth", "config", "domain", "http", "query", "store", "telemetry"]),
    ("http", &["app", "auth", "config", "domain", "query", "store", "telemetry"]),
    ("app", &["auth", "config", "domain", "query", "store", "telemetry"]),
    ("domain", &["query", "auth", "store", "config", "telemetry"]),
    // `domain` and `query` know each other's types only.
    ("query", &["store", "domain"]),
    ("store", &["config", "telemetry"]),
    ("auth", &["config"]),
    ("telemetry", &["config"]),
    ("config", &[]),
    // The one clock: any room may be handed it, only `app` makes one.
    ("clock", &[]),
    ("memory", &[]),
];

/// Rooms that any other may enter.
const OPEN: &[&str] = &["clock"];

/// Outside crate → where it may be named: rooms, or single files. A crate that is not listed may
/// not be used at all: adding one is a decision, and this is where it is written down.
const HOMES: &[(&str, &[&str])] = &[
    ("anyhow", &["cli", "config", "app", "http/serve.rs", "http/tls.rs"]),
    ("arc_swap", &["auth", "http", "store", "telemetry", "app", "query"]),
    ("argon2", &["auth"]),
    ("aws_lc_rs", &["auth", "http/tls.rs", "cli/client"]),
    ("axum", &["http"]),
    ("base64", &["auth", "http", "store"]),
    ("brotli", &["http"]),
    ("bytes", &["http", "store", "domain", "query", "app", "cli", "auth"]),
    ("clap", &["cli", "config"]),
    ("clap_complete", &["cli"]),
    ("crc32fast", &["store", "domain"]),
    ("flate2", &["http"]),
    ("futures_util", &["http", "app"]),
    ("getrandom", &["auth", "store", "domain", "http", "cli", "config", "telemetry"]),
    ("hashbrown", &["store"]),
    ("http_body", &["http"]),
    ("http_body_util", &["http", "cli"]),
    ("hyper", &["http", "cli"]),
    ("hyper_util", &["http", "cli"]),
    ("imbl", &["store"]),
    ("jsonwebtoken", &["auth"]),
    ("libc", &["store", "cli", "config", "http", "telemetry", "app"]),
    ("memchr", &["query", "domain", "store", "auth", "http"]),
    ("mimalloc", &["main.rs"]),
    ("multer", &["http"]),
    ("parking_lot", &["store", "app", "http", "auth", "query", "domain", "telemetry"]),
    ("quick_cache", &["store", "auth", "query", "http"]),
    ("rcgen", &["http/tls.rs"]),
    ("regex", &["domain"]),
    ("rust_embed", &["http"]),
    ("rustls", &["http", "cli/client"]),
    ("serde", &["*"]),
    ("serde_json", &["*"]),
    ("sled", &["store/state"]),
    ("smallvec", &["store", "query", "http"]),
    ("sqlparser", &["query", "domain"]),
    ("thiserror", &["*"]),
    ("time", &["domain", "query", "telemetry", "config", "http", "cli", "app"]),
    ("tokio", &["app", "http", "cli", "telemetry"]),
    ("tokio_rustls", &["http"]),
    ("toml", &["config", "cli"]),
    ("tower", &["http"]),
    ("tracing", &["*"]),
    ("tracing_subscriber", &["telemetry"]),
    ("zstd", &["http", "store"]),
];

struct Source {
    /// Path below `src/`, with `/`.
    name: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        let first = self.name.split('/').next().expect("a path has a first part");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Lines of code: comments and everything from the tests on left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, line)| (index + 1, line))
    }
}

fn files(root: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        let skipped = ["node_modules", "dist", "work", "target", "fuzz"];
        if path.is_dir() && !skipped.iter().any(|name| path.ends_with(name)) {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let root = root().join("src");
    let mut found = Vec::new();
    files(&root, "rs", &mut found);
    found.sort();
    assert!(found.len() > 10, "the test looks at the wrong folder");
    found
        .into_iter()
        .map(|path| Source {
            name: path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned(),
            text: fs::read_to_string(&path).expect("readable"),
        })
        .collect()
}

fn words(line: &str, after: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(after)
        .filter(|(at, _)| !line[..*at].ends_with(is_word))
        .map(|(at, _)| line[at + after.len()..].chars().take_while(|c| is_word(*c)).collect())
        .collect()
}

fn fail_on(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_room_enters_only_where_it_may() {
    let rooms: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut faults = Vec::new();
    for source in sources() {
        let Some(may) = rooms.get(source.room()) else {
            faults.push(format!("src/{}: a room that ROOMS does not know", source.name));
            continue;
        };
        let door = if source.room() == "main" { "holdall::" } else { "crate::" };
        for (line, text) in source.code() {
            for entered in words(text, door) {
                let is_room = rooms.contains_key(entered.as_str());
                let open = OPEN.contains(&entered.as_str()) || may.contains(&entered.as_str());
                if is_room && entered != source.room() && !open {
                    let room = source.room();
                    faults.push(format!(
                        "src/{}:{line}: {room} may not enter {entered}",
                        source.name
                    ));
                }
            }
        }
    }
    fail_on(faults);
}

#[test]
fn every_outside_crate_stays_at_home() {
    let mut faults = Vec::new();
    for source in sources() {
        for (line, text) in source.code() {
            for (name, homes) in HOMES {
                let named = text.contains(&format!("{name}::"))
                    && words(text, name).iter().any(String::is_empty)
                    && !text.contains(&format!("::{name}::"));
                let at_home = homes.iter().any(|home| {
                    *home == "*"
                        || source.name == *home
                        || source.name.starts_with(&format!("{home}/"))
                        || source.name == format!("{home}.rs")
                });
                if named && !at_home {
                    faults
                        .push(format!("src/{}:{line}: {name} may not be named here", source.name));
                }
            }
        }
    }
    fail_on(faults);
}

#[test]
fn every_dependency_has_a_home() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("readable");
    let dependencies = manifest
        .split("\n[")
        .find_map(|part| part.strip_prefix("dependencies]"))
        .expect("a table of dependencies");
    let faults = dependencies
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim().replace('-', "_")))
        .filter(|name| !name.starts_with('#') && name != "http")
        .filter(|name| !HOMES.iter().any(|(known, _)| known == name))
        .map(|name| format!("Cargo.toml: {name} has no home in HOMES"))
        .collect();
    fail_on(faults);
}

#[test]
fn every_file_says_what_happens_in_it() {
    let faults = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| {
            format!("src/{}: the first line must be `//! what happens here`", source.name)
        })
        .collect();
    fail_on(faults);
}

#[test]
fn no_file_needs_an_afternoon() {
    let mut faults = Vec::new();
    for (folder, ending) in [("src", "rs"), ("tests", "rs"), ("web/src", "ts"), ("web/src", "tsx")]
    {
        let mut found = Vec::new();
        files(&root().join(folder), ending, &mut found);
        for path in found {
            let lines = fs::read_to_string(&path).expect("readable").lines().count();
            let name =
                path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            if lines > LINE_LIMIT && !LONG.iter().any(|(exempt, _)| *exempt == name) {
                faults.push(format!("{name}: {lines} lines, at most {LINE_LIMIT}"));
            }
        }
    }
    fail_on(faults);
}

#[test]
fn doors_stay_greppable() {
    let mut faults = Vec::new();
    for source in sources() {
        for (line, text) in source.code() {
            if text.contains("use crate::{") || text.contains("use crate::*") {
                faults.push(format!("src/{}:{line}: one `use crate::…` path a line", source.name));
            }
        }
    }
    fail_on(faults);
}

#[test]
fn rules_know_no_sockets() {
    let mut faults = Vec::new();
    for source in sources() {
        if !["domain", "query"].contains(&source.room()) {
            continue;
        }
        for (line, text) in source.code() {
            for word in ["StatusCode", "axum", "tokio", "hyper", "sled", "std::net::Tcp"] {
                if text.contains(word) {
                    faults.push(format!("src/{}:{line}: a rule names {word}", source.name));
                }
            }
        }
    }
    fail_on(faults);
}

#[test]
fn what_only_linux_has_stays_behind_one_module() {
    // The call that sled makes on Linux is replaced where sled is, and room is made for its file.
    let exempt = [
        ("telemetry/process.rs", ""),
        ("store/state/sled.rs", "sync_file_range"),
        ("store/state/room.rs", "fallocate"),
    ];
    let words =
        ["\"/proc", "\"/sys/", "prctl", "cgroup.", "sync_file_range", "fallocate", "os::linux"];
    let mut faults = Vec::new();
    for source in sources() {
        for (line, text) in source.code() {
            for word in words {
                let allowed = exempt
                    .iter()
                    .any(|(file, only)| source.name == *file && (only.is_empty() || *only == word));
                if text.contains(word) && !allowed {
                    faults.push(format!("src/{}:{line}: {word}", source.name));
                }
            }
        }
    }
    fail_on(faults);
}
