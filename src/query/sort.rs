//! What a list is sorted by.

use crate::domain::record::Record;
use crate::query::parser::{self, invalid};
use crate::query::resolve::Resolver;
use crate::query::side::{Side, Trust};
use crate::query::tree::{Slots, SortKey, Value};
use crate::query::{Error, Result};

/// Most keys that a list is sorted by.
const LIST_LIMIT: usize = 8;
/// Most keys at all: aggregates have one for each group and measure.
const KEY_LIMIT: usize = 32;

/// Refuses a list that would be sorted by too much.
pub fn check(sort: &str) -> Result<()> {
    match sort.match_indices(',').nth(LIST_LIMIT - 1) {
        Some((at, _)) => Err(too_many(sort, at + 1, LIST_LIMIT)),
        None => Ok(()),
    }
}

fn too_many(sort: &str, at: usize, limit: usize) -> Error {
    invalid(sort, at, format!("more than {limit} sort keys"))
}

/// The keys of `sort`: comma separated paths, `-` in front of what descends.
pub fn keys(resolver: &mut Resolver, sort: &str, guarded: &mut Slots) -> Result<Vec<SortKey>> {
    if sort.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut keys = Vec::new();
    let mut at = 0;
    for part in sort.split(',') {
        if keys.len() == KEY_LIMIT {
            return Err(too_many(sort, at, KEY_LIMIT));
        }
        keys.push(key(resolver, sort, at, part, guarded)?);
        at += part.len() + 1;
    }
    Ok(keys)
}

fn key(
    resolver: &mut Resolver,
    sort: &str,
    at: usize,
    part: &str,
    guarded: &mut Slots,
) -> Result<SortKey> {
    let part = part.trim();
    let (descending, name) = match part.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, part.strip_prefix('+').unwrap_or(part).trim_start()),
    };
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'@');
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(invalid(sort, at, "expected a field to sort by".to_owned()));
    }
    let value = match name {
        "@rowid" => Value::Stamp,
        "@random" => Value::Random,
        _ => path(resolver, sort, at, name, guarded)?,
    };
    Ok(SortKey { slots: value.slots(), value, descending })
}

fn path(
    resolver: &mut Resolver,
    sort: &str,
    at: usize,
    name: &str,
    guarded: &mut Slots,
) -> Result<Value> {
    let path = parser::path(at, name).map_err(|wrong| invalid(sort, wrong.at, wrong.problem))?;
    match path[0].name.as_str() {
        "@request" | "@collection" if resolver.trust == Trust::Client => {
            return Err(Error::Forbidden("@request and @collection are for superusers"));
        }
        // These are the same for every record.
        name if name.starts_with('@') => {
            return Err(invalid(sort, at, format!("{name} is nothing to sort by")));
        }
        _ => {}
    }
    let Side { value, guarded: denied, emails, .. } =
        resolver.path(at, &path).map_err(|wrong| invalid(sort, wrong.at, wrong.problem))?;
    *guarded |= denied;
    // Where an address is not shown, its place in the order would tell it.
    Ok(emails.into_iter().fold(value, |value, (slot, visibility)| {
        Value::WhenVisible(slot, visibility, Box::new(value))
    }))
}

/// A place in no order at all, the same within one query.
pub fn shuffled(record: &Record, seed: u64) -> f64 {
    let mut mixed = seed;
    for byte in record.id().bytes() {
        mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        mixed ^= mixed >> 29;
    }
    (mixed >> 11) as f64
}
