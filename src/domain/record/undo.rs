//! What a change took away: bytes that make the record before of the record after.
//!
//! A version, then a JSON object: slot → value before, of each field that changed. By slot and not
//! by name, so that whoever reads it asks today's schema who may see the field; a slot that no field
//! has any more is nobody's.

use bytes::Bytes;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::domain::record::Record;
use crate::domain::{Error, Result};

const VERSION: u8 = 1;

impl Record {
    /// What leads back from `new` to this record; empty where nothing differs.
    pub fn undo(&self, new: &Self) -> Bytes {
        let mut out = Vec::new();
        for (at, field) in self.collection.fields.iter().enumerate() {
            let before = self.raw(at);
            if before == new.raw(at) {
                continue;
            }
            out.extend_from_slice(if out.is_empty() { &[VERSION, b'{'] } else { b"," });
            out.extend_from_slice(format!("\"{}\":", field.slot).as_bytes());
            out.extend_from_slice(before.as_bytes());
        }
        if !out.is_empty() {
            out.push(b'}');
        }
        out.into()
    }

    /// The record that this one was made of by the change which left `undo`.
    pub fn undone(&self, undo: &[u8]) -> Result<Self> {
        let broken = |why: String| Error::Broken(format!("what a change took away: {why}"));
        let Some((version, json)) = undo.split_first() else { return Ok(self.clone()) };
        if *version != VERSION {
            return Err(broken(format!("version {version} is not known")));
        }
        let values: BTreeMap<u32, Box<RawValue>> =
            serde_json::from_slice(json).map_err(|error| broken(error.to_string()))?;
        let fields = self.collection.fields.iter().enumerate();
        let changes = fields.filter_map(|(at, field)| {
            let value = values.get(&field.slot)?.get();
            Some((at, serde_json::from_str(value).ok()?))
        });
        Ok(self.with(&changes.collect::<Vec<_>>()))
    }
}
