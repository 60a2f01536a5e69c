//! The store with the records of views in it, made when somebody looks there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::Result;
use crate::domain::schema::{Collection, CollectionKind, Schema};
use crate::domain::views;
use crate::store::{self, Held, Memos, Order, Passing, Range, Read, Rolled, keys};

type Rows = Arc<BTreeMap<Vec<u8>, Bytes>>;

pub struct Overlay<'a> {
    read: &'a dyn Read,
    schema: Arc<Schema>,
    now_ms: i64,
    made: RefCell<HashMap<u32, Rows>>,
}

impl<'a> Overlay<'a> {
    /// `None` where there are no views: the store itself will do.
    pub fn over(read: &'a dyn Read, schema: &Arc<Schema>, now_ms: i64) -> Option<Self> {
        let view = |collection: &Arc<Collection>| collection.kind == CollectionKind::View;
        let needed = schema.collections().any(view);
        needed.then(|| Self { read, schema: schema.clone(), now_ms, made: RefCell::default() })
    }

    /// Makes the records of `view` now: who asks for them is told why there are none.
    pub fn prepare(&self, view: &Arc<Collection>) -> Result<()> {
        if view.kind == CollectionKind::View {
            self.make(view)?;
        }
        Ok(())
    }

    fn make(&self, view: &Arc<Collection>) -> Result<Rows> {
        if let Some(rows) = self.made.borrow().get(&view.number) {
            return Ok(rows.clone());
        }
        let rows = Arc::new(views::records(self.read, &self.schema, view, self.now_ms)?);
        self.made.borrow_mut().insert(view.number, rows.clone());
        Ok(rows)
    }

    /// Whether the keys under `prefix` are records of a view: no key of the store.
    fn is_view(&self, prefix: &[u8]) -> bool {
        let view = keys::as_record(prefix).and_then(|(number, _)| self.schema.by_number(number));
        view.is_some_and(|view| view.kind == CollectionKind::View)
    }

    /// The records of the view that `key` would lie in.
    fn rows(&self, key: &[u8]) -> store::Result<Option<Rows>> {
        let Some((number, _)) = keys::as_record(key) else { return Ok(None) };
        let view = self.schema.by_number(number);
        match view.filter(|view| view.kind == CollectionKind::View) {
            None => Ok(None),
            Some(view) => self.make(view).map(Some).map_err(|error| match error {
                crate::domain::Error::Store(error) => error,
                other => store::Error::Broken(other.to_string()),
            }),
        }
    }
}

impl Read for Overlay<'_> {
    fn get(&self, key: &[u8]) -> store::Result<Option<Bytes>> {
        match self.rows(key)? {
            Some(rows) => Ok(rows.get(key).cloned()),
            None => self.read.get(key),
        }
    }

    fn scan(
        &self,
        range: &Range,
        order: Order,
        limit: usize,
    ) -> store::Result<Vec<(Bytes, Bytes)>> {
        let Some(rows) = self.rows(&range.from)? else {
            return self.read.scan(range, order, limit);
        };
        if range.from >= range.until {
            return Ok(Vec::new());
        }
        let found = rows.range(range.from.clone()..range.until.clone());
        let copy = |(key, value): (&Vec<u8>, &Bytes)| (Bytes::copy_from_slice(key), value.clone());
        Ok(match order {
            Order::Forward => found.take(limit).map(copy).collect(),
            Order::Backward => found.rev().take(limit).map(copy).collect(),
        })
    }

    fn count(&self, counter: &[u8]) -> store::Result<u64> {
        let counts = |view: &&Arc<Collection>| keys::record_count(view.number) == counter;
        let mut views = self.schema.collections().filter(|c| c.kind == CollectionKind::View);
        match views.find(|view| counts(view)) {
            None => self.read.count(counter),
            Some(view) => {
                let rows = self.rows(&keys::records(view.number))?;
                Ok(rows.map_or(0, |rows| rows.len() as u64))
            }
        }
    }

    fn memos(&self) -> &Memos {
        self.read.memos()
    }

    fn roll(&self, prefix: &[u8], count: Option<u64>) -> store::Result<Option<Rolled>> {
        if self.is_view(prefix) { Ok(None) } else { self.read.roll(prefix, count) }
    }

    fn held(&self, prefix: &[u8], names: &[&[u8]]) -> Held {
        if self.is_view(prefix) {
            Held::from_elem(None, names.len())
        } else {
            self.read.held(prefix, names)
        }
    }

    fn pass(&self, range: &mut Range, order: Order, passing: &mut Passing) {
        self.read.pass(range, order, passing);
    }

    fn owe(&self, prefix: &[u8], cost: u64, limit: u64) -> bool {
        !self.is_view(prefix) && self.read.owe(prefix, cost, limit)
    }

    fn affords(&self, entries: usize) -> bool {
        self.read.affords(entries)
    }
}
