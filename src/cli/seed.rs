//! Records from a directory, as `exec` puts them into its instance.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use crate::app::App;
use crate::cli::Result;
use crate::cli::admin::in_words;
use crate::cli::definitions;
use crate::domain::records;

/// Records in one transaction: well below what a transaction may hold.
const SLICE: usize = 100;

/// Creates the records in the files of `directory`, in the order of their names: `posts.json`, or
/// `20-posts.json` where posts refer to what is in `10-users.json`; `.jsonl` has one on each line.
pub fn fill(app: &App, directory: &Path) -> Result {
    for file in definitions::files(directory, &["json", "jsonl"])? {
        let name = file.file_stem().map(|name| name.to_string_lossy()).unwrap_or_default();
        let digits = name.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let collection = match digits.strip_prefix('-') {
            Some(rest) if digits.len() < name.len() => rest,
            _ => &*name,
        };
        let Value::Array(list) = read(&file)? else {
            return Err(anyhow::anyhow!("{} is not a list of records", file.display()).into());
        };
        for slice in definitions::objects(list, &file)?.chunks(SLICE) {
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

fn read(file: &Path) -> Result<Value> {
    if file.extension().is_some_and(|end| end == "json") {
        return definitions::parse(file);
    }
    let words = || format!("cannot read {}", file.display());
    let text = fs::read_to_string(file).with_context(words)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let records: Vec<Value> =
        lines.map(serde_json::from_str).collect::<Result<_, _>>().with_context(words)?;
    Ok(Value::Array(records))
}
