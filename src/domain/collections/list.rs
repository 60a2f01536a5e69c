//! Lists of collections, in the filter and sort language of records.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use crate::domain::collections::guard;
use crate::domain::fields::{DateOptions, Kind, TextOptions};
use crate::domain::record::Record;
use crate::domain::records::{Listing, Paging};
use crate::domain::request::Request;
use crate::domain::schema::{Collection, CollectionKind, Field, Layout, Schema};
use crate::domain::{Error, Result};
use crate::query;
use crate::store::Read;

/// What may be filtered and sorted by.
const NAMES: [&str; 6] = ["id", "name", "type", "system", "created", "updated"];
/// Most keys of a sort.
const SORT_LIMIT: usize = 8;

/// One page of collections, and how many there are of it.
pub fn list(
    read: &dyn Read,
    request: &Request,
    listing: &Listing,
) -> Result<(Paging, Vec<Arc<Collection>>)> {
    guard(&request.caller)?;
    let schema = Schema::load(read)?;
    let keys = sort_keys(&listing.sort)?;
    let described = Arc::new(described());
    let mut rows: Vec<_> =
        schema.collections().map(|collection| (row(&described, collection), collection)).collect();
    if !listing.filter.trim().is_empty() {
        query::check_rule(&schema, &described, &listing.filter)?;
        let scope = query::Scope { read, schema: &schema, request };
        let mut kept = Vec::new();
        for (record, collection) in rows {
            if query::matches(&scope, &listing.filter, &record)? {
                kept.push((record, collection));
            }
        }
        rows = kept;
    }
    rows.sort_by(|(a, _), (b, _)| compare(&keys, a, b));
    let mut paging = Paging::of(listing);
    paging.total = (!listing.skip_total).then_some(rows.len() as u64);
    let from = (paging.page - 1).saturating_mul(paging.per_page);
    let page = rows.into_iter().skip(from as usize).take(paging.per_page as usize);
    Ok((paging, page.map(|(_, collection)| collection.clone()).collect()))
}

/// Sort keys as positions in `NAMES`, and whether they descend.
fn sort_keys(sort: &str) -> Result<Vec<(usize, bool)>> {
    if sort.trim().is_empty() {
        return Ok(Vec::new());
    }
    let key = |item: &str| {
        let item = item.trim();
        let descending = item.starts_with('-');
        let name = item.trim_start_matches(['-', '+']);
        let at = NAMES.iter().position(|known| *known == name);
        at.map(|at| (at, descending)).ok_or_else(|| Error::Bad(format!("cannot sort by {item:?}")))
    };
    let keys = sort.split(',').map(key).collect::<Result<Vec<_>>>()?;
    if keys.len() > SORT_LIMIT {
        return Err(Error::Bad(format!("more than {SORT_LIMIT} sort keys")));
    }
    Ok(keys)
}

fn compare(keys: &[(usize, bool)], a: &Record, b: &Record) -> Ordering {
    let by_key = keys.iter().map(|(at, descending)| {
        let order = a.text(*at).cmp(&b.text(*at));
        if *descending { order.reverse() } else { order }
    });
    // Without a sort: as they were made.
    by_key.fold(Ordering::Equal, Ordering::then).then(a.stamp().cmp(&b.stamp()))
}

/// A collection whose records would be collections.
fn described() -> Collection {
    let kind = |name: &str| match name {
        "system" => Kind::Bool,
        "created" | "updated" => Kind::Date(DateOptions::default()),
        _ => Kind::Text(TextOptions::default()),
    };
    let field = |(at, name): (usize, &&str)| Field {
        id: (*name).to_owned(),
        name: (*name).to_owned(),
        slot: at as u32,
        system: true,
        hidden: false,
        presentable: false,
        required: false,
        help: String::new(),
        kind: kind(name),
    };
    let fields: Vec<_> = NAMES.iter().enumerate().map(field).collect();
    Collection {
        number: u32::MAX,
        id: "_collections".to_owned(),
        name: "_collections".to_owned(),
        kind: CollectionKind::Base,
        system: true,
        rules: Default::default(),
        layouts: vec![Layout::of(CollectionKind::Base, &fields)],
        fields,
        indexes: Vec::new(),
        pending: Default::default(),
        auth: None,
        view_query: None,
        created: String::new(),
        updated: String::new(),
        shaped: Default::default(),
    }
}

fn row(described: &Arc<Collection>, collection: &Collection) -> Record {
    let texts = [collection.id.as_str(), &collection.name, collection.kind.name()];
    let mut values: Vec<_> = texts.into_iter().map(|text| Some(Value::from(text))).collect();
    values.push(Some(collection.system.into()));
    values
        .extend([&collection.created, &collection.updated].map(|date| Some(date.as_str().into())));
    Record::encode(described, u64::from(collection.number), &values)
}
