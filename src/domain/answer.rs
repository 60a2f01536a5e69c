//! Records as they go out: with what was asked to be expanded, and of that what was picked.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::expand::{Expand, Writer};
use crate::domain::json;
use crate::domain::pick::Pick;
use crate::domain::record::Record;
use crate::domain::records::{Paging, access};
use crate::domain::request::Request;
use crate::domain::schema::{Collection, Schema};
use crate::domain::{Error, Result};
use crate::store::Read;

/// How a client wants its records: the parameters `expand` and `fields`.
#[derive(Debug, Clone, Default)]
pub struct Look {
    pub expand: String,
    pub pick: Option<Pick>,
}

impl Look {
    pub fn parse(expand: &str, fields: &str) -> Result<Self> {
        Ok(Self { expand: expand.to_owned(), pick: Pick::parse(fields)? })
    }
}

/// One record as JSON.
pub fn record(read: &dyn Read, request: &Request, record: &Record, look: &Look) -> Result<Vec<u8>> {
    let schema = Schema::load(read)?;
    let mut out = Vec::new();
    let records = std::slice::from_ref(record);
    put_all(&mut out, read, &schema, request, records, look)?;
    Ok(out)
}

/// What somebody gets who signed in: the token, and the account as JSON.
pub fn signed_in(token: &str, account: &[u8], pick: Option<&Pick>) -> Result<Vec<u8>> {
    // Tokens have no character that JSON would escape.
    let mut out = format!(r#"{{"token":"{token}","record":"#).into_bytes();
    out.extend_from_slice(account);
    out.push(b'}');
    let Some(pick) = pick else { return Ok(out) };
    let broken = |error| Error::Broken(format!("an account is no JSON: {error}"));
    let mut value: Value = serde_json::from_slice(&out).map_err(broken)?;
    pick.apply(&mut value);
    Ok(value.to_string().into_bytes())
}

/// A page of records as JSON.
pub fn page(read: &dyn Read, request: &Request, paging: &Paging, look: &Look) -> Result<Vec<u8>> {
    let schema = Schema::load(read)?;
    let (items, pages) = paging.totals();
    let mut out = format!(
        r#"{{"page":{},"perPage":{},"totalItems":{items},"totalPages":{pages},"items":["#,
        paging.page, paging.per_page
    )
    .into_bytes();
    put_all(&mut out, read, &schema, request, &paging.records, look)?;
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// Appends records, with commas between them.
fn put_all(
    out: &mut Vec<u8>,
    read: &dyn Read,
    schema: &Arc<Schema>,
    request: &Request,
    records: &[Record],
    look: &Look,
) -> Result<()> {
    let mut writer = Writer::new(read, schema, request);
    let names = look.pick.as_ref().and_then(Pick::names);
    if look.pick.is_none() {
        out.reserve(records.iter().map(Record::length).sum::<usize>() + records.len());
    }
    let mut expand: Option<(Arc<Collection>, Expand)> = None;
    for (at, record) in records.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        // Nothing is expanded that isn't picked.
        if let Some(names) = &names {
            let sight = access::sight(read, schema, request, record)?;
            record.put_picked(out, sight, |name| names.contains(&name));
            continue;
        }
        let collection = record.collection();
        if expand.as_ref().is_none_or(|(of, _)| of.number != collection.number) {
            let parsed = Expand::parse(schema, &request.caller, collection, &look.expand);
            expand = Some((collection.clone(), parsed));
        }
        let Some((_, expand)) = &expand else { continue };
        let start = out.len();
        writer.put(out, record, expand)?;
        if let Some(pick) = &look.pick {
            let broken = |error| Error::Broken(format!("a stored record is no JSON: {error}"));
            let mut value: Value = serde_json::from_slice(&out[start..]).map_err(broken)?;
            pick.apply(&mut value);
            out.truncate(start);
            json::put(out, &value);
        }
    }
    Ok(())
}
