//! Collections and records from a directory, as `exec` puts them into its instance.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value};

use crate::app::App;
use crate::cli::Result;
use crate::cli::admin::in_words;
use crate::domain::{collections, records};

/// Records in one transaction: well below what a transaction may hold.
const SLICE: usize = 100;

/// Imports the collections in the `.json` files of `directory` as one set, so that they may refer
/// to each other. A file is a list, one collection, or `{"collections": […]}` as exported.
pub fn define(app: &App, directory: &Path) -> Result {
    let mut definitions = Vec::new();
    for file in files(directory)? {
        let listed = match read(&file)? {
            Value::Object(mut one) => match one.remove("collections") {
                Some(Value::Array(list)) => list,
                _ => vec![Value::Object(one)],
            },
            Value::Array(list) => list,
            _ => Vec::new(),
        };
        definitions.extend(objects(listed, &file)?);
    }
    if definitions.is_empty() {
        return Ok(());
    }
    let request = app.operator("exec");
    let import = app.store().write(|tx| {
        collections::import(tx, &request.caller, &definitions, false, request.now_ms).map(drop)
    });
    import.map_err(in_words)
}

/// Creates the records in the files of `directory`, in the order of their names: `posts.json`, or
/// `20-posts.json` where posts refer to what is in `10-users.json`; `.jsonl` has one on each line.
pub fn fill(app: &App, directory: &Path) -> Result {
    for file in files(directory)? {
        let name = file.file_stem().map(|name| name.to_string_lossy()).unwrap_or_default();
        let digits = name.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let collection = match digits.strip_prefix('-') {
            Some(rest) if digits.len() < name.len() => rest,
            _ => &*name,
        };
        let Value::Array(list) = read(&file)? else {
            return Err(anyhow::anyhow!("{} is not a list of records", file.display()).into());
        };
        for slice in objects(list, &file)?.chunks(SLICE) {
            let requests: Vec<_> = slice.iter().map(|_| app.operator("exec")).collect();
            let filled = app.store().write(|tx| {
                for (record, request) in slice.iter().zip(&requests) {
                    records::create(tx, request, collection, record)?;
                }
                Ok(())
            });
            filled.map_err(in_words).map_err(|failure| {
                let words = format!("cannot fill {collection} from {}", file.display());
                failure.into_cause().context(words)
            })?;
        }
    }
    Ok(())
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory);
    let entries = entries.with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "json" || end == "jsonl"))
        .collect();
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Value> {
    let words = || format!("cannot read {}", file.display());
    let text = fs::read_to_string(file).with_context(words)?;
    if file.extension().is_some_and(|end| end == "json") {
        return Ok(serde_json::from_str(&text).with_context(words)?);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let records: Vec<Value> =
        lines.map(serde_json::from_str).collect::<Result<_, _>>().with_context(words)?;
    Ok(Value::Array(records))
}

fn objects(list: Vec<Value>, file: &Path) -> Result<Vec<Map<String, Value>>> {
    list.into_iter()
        .map(|one| match one {
            Value::Object(object) => Ok(object),
            _ => {
                Err(anyhow::anyhow!("{} lists something else than objects", file.display()).into())
            }
        })
        .collect()
}
