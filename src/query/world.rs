//! A small world for tests: collections, their records in a store, and somebody who asks.

use std::sync::Arc;

use crate::domain::record::Record;
use crate::domain::request::{Caller, Request};
use crate::domain::schema::{Collection, Schema};
use crate::query::{self, List, Page, Scope};
use crate::store::codec::{self, Column, Datum};
use crate::store::{self, Derive, Derived, Read, Snapshot, Store, keys};

pub struct World {
    pub schema: Arc<Schema>,
    pub snapshot: Snapshot,
    pub store: Store,
}

/// Derives entries by the indexes of a schema that never changes.
struct Entries(Arc<Schema>);

impl Derive for Entries {
    fn derive(
        &self,
        read: &dyn Read,
        key: &[u8],
        value: &[u8],
        derived: &mut Derived,
    ) -> store::Result<()> {
        let Some((number, id)) = keys::as_record(key) else { return Ok(()) };
        let collection = self.0.by_number(number).unwrap();
        let record = Record::from_stored(collection.clone(), value.to_vec().into()).unwrap();
        derived.counts.push(keys::record_count(number));
        let request = Request::default();
        let scope = Scope { read, schema: &self.0, request: &request };
        for index in &collection.indexes {
            let covers = |condition: &String| query::matches(&scope, condition, &record).unwrap();
            if !index.condition.as_ref().is_none_or(covers) {
                continue;
            }
            let mut starts = vec![keys::index(number, index.number)];
            for column in &index.columns {
                let how = Column { descending: column.descending, nocase: column.nocase };
                let Some(field) = column.field else {
                    starts.iter_mut().for_each(|key| codec::put_stamp(key, record.stamp(), how));
                    continue;
                };
                let data: Vec<Datum> = if column.each {
                    query::rows::listed(&record, field)
                        .map(|text| Datum::Text(text.into()))
                        .collect()
                } else {
                    vec![query::value::of_field(&record, field)]
                };
                let longer = |start: &Vec<u8>, datum: &Datum| {
                    let mut key = start.clone();
                    codec::put(&mut key, datum, how);
                    key
                };
                starts = starts
                    .iter()
                    .flat_map(|start| data.iter().map(|datum| longer(start, datum)))
                    .collect();
            }
            for mut key in starts {
                key.extend_from_slice(id);
                derived.entries.push((key, id.to_vec()));
            }
        }
        Ok(())
    }
}

impl World {
    pub fn new(collections: Vec<Collection>, records: &[(&str, serde_json::Value)]) -> Self {
        Self::at(store::Home::Memory, collections, records)
    }

    pub fn at(
        home: store::Home,
        collections: Vec<Collection>,
        records: &[(&str, serde_json::Value)],
    ) -> Self {
        let schema = Arc::new(Schema::new(collections));
        let options = store::Options::new(home, Arc::new(Entries(schema.clone())));
        let store = Store::open(store::Options { reserve_bytes: 0, ..options }).unwrap();
        for (number, (name, values)) in records.iter().enumerate() {
            let collection = schema.find(name).unwrap();
            let record =
                crate::domain::samples::record(collection, number as u64 + 1, values.clone());
            let key = keys::record(collection.number, record.id());
            store.write(|tx| tx.put(&key, record.stored().clone())).unwrap();
        }
        Self { snapshot: store.snapshot(), schema, store }
    }

    pub fn superuser() -> Request {
        Request { caller: Caller::Operator("cli:0".into()), method: "GET".into(), ..Self::guest() }
    }

    /// 2026-11-21 12:00.
    pub fn guest() -> Request {
        Request {
            method: "GET".into(),
            context: "default",
            now_ms: 1_795_262_400_000,
            ..Request::default()
        }
    }

    pub fn record(&self, collection: &str, id: &str) -> Record {
        let collection = self.schema.find(collection).unwrap();
        let bytes = self.snapshot.get(&keys::record(collection.number, id)).unwrap().unwrap();
        Record::from_stored(collection.clone(), bytes).unwrap()
    }

    pub fn list(&self, request: &Request, collection: &str, list: &List) -> query::Result<Page> {
        let scope = Scope { read: &self.snapshot, schema: &self.schema, request };
        query::list(&scope, self.schema.find(collection).unwrap(), list)
    }

    /// The ids of a list under `rule`, in its order.
    pub fn ids(
        &self,
        request: &Request,
        collection: &str,
        rule: &str,
        filter: &str,
        sort: &str,
    ) -> query::Result<Vec<String>> {
        let list = List {
            rule: Some(rule.to_owned()),
            filter: filter.to_owned(),
            sort: sort.to_owned(),
            limit: 500,
            total: true,
            ..List::default()
        };
        let page = self.list(request, collection, &list)?;
        assert_eq!(page.total, Some(page.records.len() as u64));
        Ok(page.records.iter().map(|record| record.id().to_owned()).collect())
    }

    /// What a superuser's filter finds, by id.
    pub fn found(&self, collection: &str, filter: &str) -> Vec<String> {
        self.ids(&Self::superuser(), collection, "", filter, "id")
            .unwrap_or_else(|error| panic!("{filter}: {error}"))
    }
}
