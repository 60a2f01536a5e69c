//! Reads the definitions of collections from files, and writes them: the schema as code.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value};

use crate::cli::Result;
use crate::cli::failure::Failure;

pub type Definition = Map<String, Value>;

/// The collections in `path`: a file, or the `.json` files of a directory. A file is a list, one
/// collection, or `{"collections": […]}`. Nothing at all is taken for a mistake, and no mistake for
/// something that failed: nothing was touched.
pub fn read(path: &Path) -> Result<Vec<Definition>> {
    read_all(path).map_err(|failure| Failure::Refused(failure.into_cause()))
}

fn read_all(path: &Path) -> Result<Vec<Definition>> {
    let mut definitions = Vec::new();
    let files = if path.is_dir() { files(path, &["json"])? } else { vec![path.to_owned()] };
    for file in files {
        let listed = match parse(&file)? {
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
        let words = format!("there is no collection in {}", path.display());
        return Err(Failure::refused(words));
    }
    Ok(definitions)
}

/// Writes a file for each collection, and removes those of collections that are no more: such as
/// hold one collection, under its name. Tells what it did.
pub fn write(directory: &Path, definitions: &[Definition]) -> Result<Vec<String>> {
    let words = |path: &Path| format!("cannot write {}", path.display());
    fs::create_dir_all(directory).with_context(|| words(directory))?;
    let mut told = Vec::new();
    let mut kept = Vec::new();
    for definition in definitions {
        let name = definition.get("name").and_then(Value::as_str).unwrap_or_default();
        let file = directory.join(format!("{name}.json"));
        let text = format!("{:#}\n", Value::Object(definition.clone()));
        if fs::read_to_string(&file).ok().as_ref() != Some(&text) {
            fs::write(&file, text).with_context(|| words(&file))?;
            told.push(format!("wrote {}", file.display()));
        }
        kept.push(file);
    }
    for file in files(directory, &["json"])? {
        let is_one = |value: Value| {
            let name = value.get("name").and_then(Value::as_str).map(str::to_owned);
            name.is_some() && name.as_deref() == file.file_stem().and_then(|stem| stem.to_str())
        };
        if !kept.contains(&file) && parse(&file).is_ok_and(is_one) {
            fs::remove_file(&file).with_context(|| words(&file))?;
            told.push(format!("removed {}", file.display()));
        }
    }
    Ok(told)
}

/// The files of a directory with one of these endings, by name.
pub fn files(directory: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory);
    let entries = entries.with_context(|| format!("cannot read {}", directory.display()))?;
    let wanted = |path: &PathBuf| {
        path.extension().is_some_and(|end| endings.iter().any(|wanted| end == *wanted))
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(wanted).collect();
    files.sort();
    Ok(files)
}

pub fn parse(file: &Path) -> Result<Value> {
    let words = || format!("cannot read {}", file.display());
    let text = fs::read_to_string(file).with_context(words)?;
    Ok(serde_json::from_str(&text).with_context(words)?)
}

pub fn objects(list: Vec<Value>, file: &Path) -> Result<Vec<Definition>> {
    list.into_iter()
        .map(|one| match one {
            Value::Object(object) => Ok(object),
            _ => {
                Err(anyhow::anyhow!("{} lists something else than objects", file.display()).into())
            }
        })
        .collect()
}
