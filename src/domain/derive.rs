//! Which derived entries a record has: index entries and what it counts for.

use bytes::Bytes;

use crate::domain::Result;
use crate::domain::fields::Kind;
use crate::domain::record::Record;
use crate::domain::request::Request;
use crate::domain::schema::{Collection, Index, IndexColumn, Schema};
use crate::query;
use crate::store::codec::{self, Datum};
use crate::store::{self, Derived, Read, keys};

/// The one `Derive` of the house.
#[derive(Debug, Default, Clone, Copy)]
pub struct Derive;

impl store::Derive for Derive {
    fn derive(
        &self,
        read: &dyn Read,
        key: &[u8],
        value: &[u8],
        derived: &mut Derived,
    ) -> store::Result<()> {
        let Some((number, _)) = keys::as_record(key) else { return Ok(()) };
        derive_record(read, number, value, derived).map_err(as_store_error)
    }

    fn unsettled(&self, read: &dyn Read) -> store::Result<Vec<Vec<u8>>> {
        let schema = Schema::load(read).map_err(as_store_error)?;
        let mut prefixes = Vec::new();
        for collection in schema.collections() {
            let builds = collection.pending.builds.iter().map(|build| build.index.number);
            let numbers = builds.chain(collection.pending.dropped.iter().copied());
            prefixes.extend(numbers.map(|index| keys::index(collection.number, index)));
        }
        Ok(prefixes)
    }
}

fn as_store_error(error: crate::domain::Error) -> store::Error {
    match error {
        crate::domain::Error::Store(error) => error,
        other => store::Error::Broken(other.to_string()),
    }
}

fn derive_record(read: &dyn Read, number: u32, value: &[u8], derived: &mut Derived) -> Result<()> {
    let schema = Schema::load(read)?;
    let Some(collection) = schema.by_number(number) else { return Ok(()) };
    let record = Record::from_stored(collection.clone(), Bytes::copy_from_slice(value))?;
    record.check()?;
    derived.counts.push(keys::record_count(number));
    for index in collection.kept_indexes() {
        if !covers(read, index, &record)? {
            continue;
        }
        for mut key in entry_keys(collection, index, &record) {
            key.extend_from_slice(record.id().as_bytes());
            derived.entries.push((key, record.id().as_bytes().to_vec()));
        }
    }
    Ok(())
}

/// Whether `index` has entries for `record`: a partial index only where its condition holds.
pub fn covers(read: &dyn Read, index: &Index, record: &Record) -> Result<bool> {
    let Some(condition) = &index.condition else { return Ok(true) };
    let schema = Schema::load(read)?;
    let request = Request::default();
    let scope = query::Scope { read, schema: &schema, request: &request };
    Ok(query::matches(&scope, condition, record)?)
}

/// The keys of the entries of `record`, up to where the record's id follows. One, or for an index
/// over the single values of a field, one per value: none where there is no value.
pub fn entry_keys(collection: &Collection, index: &Index, record: &Record) -> Vec<Vec<u8>> {
    let mut keys = vec![keys::index(collection.number, index.number)];
    for column in &index.columns {
        let how = how(column);
        match column.field {
            None => keys.iter_mut().for_each(|key| codec::put_stamp(key, record.stamp(), how)),
            Some(field) if column.each => {
                let texts = record.texts(field);
                let with = |key: &Vec<u8>, text: &String| {
                    let mut key = key.clone();
                    codec::put(&mut key, &Datum::Text(text.as_str().into()), how);
                    key
                };
                keys = keys
                    .iter()
                    .flat_map(|key| texts.iter().map(move |text| with(key, text)))
                    .collect();
            }
            Some(field) => {
                let datum = datum(record, field);
                keys.iter_mut().for_each(|key| codec::put(key, &datum, how));
            }
        }
    }
    keys
}

pub fn how(column: &IndexColumn) -> codec::Column {
    codec::Column { descending: column.descending, nocase: column.nocase }
}

/// The value of a field as keys and comparisons know it; lists and objects as their JSON text.
pub fn datum(record: &Record, field: usize) -> Datum<'_> {
    let raw = record.raw(field);
    match record.collection().fields[field].kind {
        Kind::Number(_) => Datum::Number(raw.parse().unwrap_or(0.0)),
        Kind::Bool => Datum::Number(f64::from(u8::from(raw == "true"))),
        Kind::Json(_) => match raw.as_bytes().first() {
            None | Some(b'n') => Datum::Null,
            Some(b't') => Datum::Number(1.0),
            Some(b'f') => Datum::Number(0.0),
            Some(b'-' | b'0'..=b'9') => raw.parse().map_or(Datum::Null, Datum::Number),
            Some(_) => Datum::Text(record.text(field)),
        },
        _ => Datum::Text(record.text(field)),
    }
}
