//! The page of error codes: all that the program gives, and no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Words of `error.rs` that are members of the answer, not codes.
const MEMBERS: [&str; 7] =
    ["status", "message", "data", "code", "request_id", "requests", "response"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The page's part below a heading.
fn part(heading: &str) -> String {
    let page = std::fs::read_to_string(root().join("web/docs/errors.md")).unwrap();
    let (_, after) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    after.split("\n## ").next().unwrap().to_owned()
}

/// The codes that the table of a part lists.
fn listed(part: &str) -> BTreeSet<String> {
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

/// The texts that look like a code in what a file does, its comments and tests apart.
fn words(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let code: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let is_word = |text: &&str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    code.join("\n").split('"').filter(is_word).map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn page_lists_every_code_of_an_answer() {
    let of_answers = listed(&part("Of answers"));
    let mut given = words(&root().join("src/http/error.rs"));
    given.retain(|word| !MEMBERS.contains(&word.as_str()) && word != "batch_request_failed");
    assert_eq!(of_answers, given);
    let code = std::fs::read_to_string(root().join("src/http/error.rs")).unwrap();
    for row in part("Of answers").lines().filter(|line| line.starts_with("| ")) {
        assert!(code.contains(&format!("//! {row}\n")), "error.rs says otherwise: {row}");
    }
}

#[test]
fn page_lists_every_code_of_a_field() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut given = BTreeSet::from(["batch_request_failed".to_owned()]);
    for file in files {
        given.extend(words(&file).into_iter().filter(|word| word.starts_with("validation_")));
    }
    assert_eq!(listed(&part("Of fields")), given);
}
