//! `holdall.toml`: where it is, and its values by key.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::config::{Error, Result};

const NAME: &str = "holdall.toml";

/// The file that was asked for, which must then exist; else `holdall.toml` of the working
/// directory, else that of the data directory.
pub fn locate(asked: Option<&Path>, working: &Path, data: &Path) -> Option<PathBuf> {
    if let Some(asked) = asked {
        return Some(working.join(asked));
    }
    // A link that leads nowhere was put there by somebody: it is found, and refused.
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    [working, data].map(|directory| directory.join(NAME)).into_iter().find(is_there)
}

/// Returns each key with its value as text: `[log] level = "info"` is `log.level`.
pub fn read(path: &Path) -> Result<Vec<(String, String)>> {
    let refuse = |problem: String| Error::File { path: path.to_owned(), problem };
    let unreadable = |error: io::Error| match error.kind() {
        ErrorKind::InvalidData => refuse("is not UTF-8 text".to_owned()),
        ErrorKind::NotFound if path.is_symlink() => {
            refuse("is a symbolic link that leads nowhere".to_owned())
        }
        _ => refuse(format!("cannot be read: {error}")),
    };
    // Of a FIFO the end may never come, nor of a device.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(refuse("is not a regular file".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    // The parser's own report quotes the line, which may hold what should not be printed.
    let table: Table = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        refuse(format!("line {line}: {}", error.message()))
    })?;
    let mut values = Vec::new();
    flatten("", &table, &mut values).map_err(refuse)?;
    Ok(values)
}

fn flatten(prefix: &str, table: &Table, values: &mut Vec<(String, String)>) -> Result<(), String> {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(inner) => flatten(&format!("{key}."), inner, values)?,
            Value::Array(items) => {
                let items: Option<Vec<String>> = items.iter().map(plain).collect();
                let items = items.ok_or_else(|| format!("{key}: is a list of something else"))?;
                values.push((key, items.join(",")));
            }
            other => {
                let text = plain(other).ok_or_else(|| format!("{key}: cannot be a date"))?;
                values.push((key, text));
            }
        }
    }
    Ok(())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<(String, String)>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn tables_become_dotted_keys() {
        let values =
            read_text("listen = \"[::1]:80\"\n[cors]\norigins = [\"a\", \"b\"]\n").unwrap();

        assert!(values.contains(&("listen".to_owned(), "[::1]:80".to_owned())));
        assert!(values.contains(&("cors.origins".to_owned(), "a,b".to_owned())));
    }

    #[test]
    fn a_broken_file_is_named_with_its_line_but_not_quoted() {
        let error = read_text("listen = \"x\"\nsecret = \"canary").unwrap_err().to_string();

        assert!(error.contains("line 2"), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
}
