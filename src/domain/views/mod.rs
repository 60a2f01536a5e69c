//! Views: read-only collections whose records come from a SELECT over others.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::domain::collections;
use crate::domain::fields::{self, Kind, NumberOptions, RelationOptions, TextOptions};
use crate::domain::record::Record;
use crate::domain::schema::{Collection, CollectionKind, Field, Schema};
use crate::domain::{Error, Result};
use crate::store::{Order, Range, Read, keys};

mod aggregates;
mod calls;
mod dates;
mod evaluate;
mod exprs;
mod functions;
mod joins;
mod members;
mod overlay;
mod parse;
mod plan;
mod renames;
mod run;
mod sets;
mod shapes;
#[cfg(test)]
mod tests;
mod value;
mod windows;

use plan::{Expr, Rows, Select, Shape, Type};

pub use overlay::Overlay;
pub use renames::renamed;

/// Deepest view over views over views.
const DEPTH_LIMIT: usize = 4;
/// Most columns of a view.
const COLUMN_LIMIT: usize = 100;

/// The fields of the view that `query` makes; or why it makes none.
pub fn fields(schema: &Schema, view: &Collection, query: &str) -> Result<Vec<Field>, String> {
    let select = parse::parse(schema, query)?;
    check_depth(schema, view, &select, DEPTH_LIMIT)?;
    if !select.columns.iter().any(|column| column.name == "id") {
        return Err("the query must have a column named id".to_owned());
    }
    if select.columns.len() > COLUMN_LIMIT {
        return Err(format!("more than {COLUMN_LIMIT} columns"));
    }
    let mut list: Vec<Field> = Vec::new();
    for (at, column) in select.columns.iter().enumerate() {
        let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if column.name.is_empty() || !column.name.chars().all(letters) {
            return Err(format!("{:?} is no name of a field", column.name));
        }
        if list.iter().any(|field| field.name.eq_ignore_ascii_case(&column.name)) {
            return Err(format!("two columns are named {:?}", column.name));
        }
        list.push(field(&select, column, at));
    }
    Ok(list)
}

fn check_depth(
    schema: &Schema,
    view: &Collection,
    select: &Select,
    depth: usize,
) -> Result<(), String> {
    let mut checked = Ok(());
    select.each_collection(&mut |collection| {
        let Some(query) = collection.view_query.as_ref().filter(|_| checked.is_ok()) else {
            return;
        };
        if depth == 0 || collection.id == view.id {
            let words = "views lie too deep over one another, or over themselves";
            checked = Err(words.to_owned());
            return;
        }
        let inner = parse::parse(schema, query);
        let inner = inner.map_err(|why| format!("the view {}: {why}", collection.name));
        checked = inner.and_then(|inner| check_depth(schema, view, &inner, depth - 1));
    });
    checked
}

fn field(select: &Select, column: &plan::Column, at: usize) -> Field {
    let name = &column.name;
    let source = match &column.expr {
        Expr::Field { up: 0, source, field } => match &select.sources[*source].rows {
            Rows::Collection(collection) => Some((collection, &collection.fields[*field])),
            Rows::Query(_) | Rows::Union(_) => None,
        },
        _ => None,
    };
    let kind = match (column.shape, source) {
        _ if name == "id" => {
            let pattern = "^[a-z0-9]+$".into();
            Kind::Text(TextOptions { primary_key: true, pattern, ..TextOptions::default() })
        }
        // The id of another record leads to it.
        (Shape::Field, Some((collection, field))) if field.name == "id" => {
            Kind::Relation(RelationOptions {
                collection_id: collection.id.clone(),
                max_select: 1,
                ..RelationOptions::default()
            })
        }
        (Shape::Field, Some((_, field))) => field.kind.clone(),
        (Shape::Count | Shape::Cast(Type::Integer), _) => Kind::Number(whole()),
        (Shape::Total | Shape::Cast(Type::Real | Type::Numeric), _) => {
            Kind::Number(Default::default())
        }
        (Shape::Cast(Type::Text), _) => Kind::Text(Default::default()),
        (Shape::Cast(Type::Bool), _) => Kind::Bool,
        (Shape::Field | Shape::Other, _) => Kind::Json(Default::default()),
    };
    let mut field = Field {
        id: String::new(),
        name: name.to_owned(),
        slot: at as u32 + 1,
        system: name == "id",
        hidden: source.is_some_and(|(_, field)| field.hidden) && name != "id",
        presentable: source.is_some_and(|(_, field)| field.presentable),
        required: name == "id",
        help: String::new(),
        kind,
    };
    field.id = collections::field_id(&field);
    field
}

fn whole() -> NumberOptions {
    NumberOptions { only_int: true, ..NumberOptions::default() }
}

/// The records of a view as they are now, by key.
pub fn records(
    read: &dyn Read,
    schema: &Arc<Schema>,
    view: &Arc<Collection>,
    now_ms: i64,
) -> Result<BTreeMap<Vec<u8>, Bytes>> {
    let rows = rows(read, schema, view, now_ms, DEPTH_LIMIT)?;
    let key = |record: &Record| keys::record(view.number, record.id());
    let mut records = BTreeMap::new();
    for record in rows {
        // Of rows with one id, the first is the record.
        records.entry(key(&record)).or_insert_with(|| record.stored().clone());
    }
    Ok(records)
}

fn rows(
    read: &dyn Read,
    schema: &Arc<Schema>,
    view: &Arc<Collection>,
    // What a statement calls `now`.
    now_ms: i64,
    depth: usize,
) -> Result<Vec<Record>> {
    let query = view.view_query.as_deref().unwrap_or_default();
    let select = parse::parse(schema, query)
        .map_err(|why| Error::Bad(format!("the view {} cannot be read: {why}", view.name)))?;
    let rows = run::run(&select, now_ms, &|collection| match collection.kind {
        CollectionKind::View if depth == 0 => Err(Error::Bad("views lie too deep".to_owned())),
        CollectionKind::View => rows(read, schema, collection, now_ms, depth - 1),
        CollectionKind::Base | CollectionKind::Auth => stored(read, collection),
    })?;
    let encode = |(at, row): (usize, Vec<value::Value>)| {
        let cast = |field: &Field| {
            let column = select.columns.iter().position(|column| column.name == field.name);
            let value = column.map_or(value::Value::Null, |column| row[column].clone());
            Some(fields::cast(&field.kind, &value.into_json(&field.kind)))
        };
        let values = view.fields.iter().map(cast).collect();
        Record::encode(view, at as u64 + 1, &values)
    };
    Ok(rows.into_iter().enumerate().map(encode).collect())
}

/// All records of a collection, in the order they were made.
fn stored(read: &dyn Read, collection: &Arc<Collection>) -> Result<Vec<Record>> {
    let range = Range::prefix(&keys::records(collection.number));
    let found = read.scan(&range, Order::Forward, run::VISIT_LIMIT + 1)?;
    let record = |(_, bytes)| Record::from_stored(collection.clone(), bytes);
    let mut records: Vec<_> = found.into_iter().map(record).collect::<Result<_>>()?;
    records.sort_by_key(Record::stamp);
    Ok(records)
}

/// The fields that `query` would have, and its first records: for who writes a view.
pub fn dry_run(read: &dyn Read, query: &str, now_ms: i64) -> Result<Value> {
    /// Most records to show.
    const SAMPLE: usize = 10;
    if query.trim().is_empty() {
        let blank =
            crate::domain::Problems::one("query", "validation_required", "Cannot be blank.");
        return Err(Error::Invalid { message: "There is no query.".to_owned(), problems: blank });
    }
    let schema = Schema::load(read)?;
    let mut view = Collection::clone(&collections::blank_view());
    let problem = |why: String| {
        let problems = crate::domain::Problems::one("query", "validation_invalid_view_query", &why);
        Error::Invalid { message: "The query makes no view.".to_owned(), problems }
    };
    view.fields = fields(&schema, &view, query).map_err(problem)?;
    view.view_query = Some(query.to_owned());
    view.layouts = vec![crate::domain::schema::Layout::of(view.kind, &view.fields)];
    let view = Arc::new(view);
    let rows = rows(read, &schema, &view, now_ms, DEPTH_LIMIT)?;
    let sight = crate::domain::record::Sight::SUPERUSER;
    let sample: Vec<Value> =
        rows.iter().take(SAMPLE).map(|record| record.to_value(sight)).collect();
    let fields: Vec<Value> =
        view.fields.iter().map(|field| Value::Object(fields::define::write(field))).collect();
    Ok(serde_json::json!({ "fields": fields, "sample": sample }))
}
