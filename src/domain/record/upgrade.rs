//! Brings a record of an older layout up to today's: renamed, dropped, added and reshaped values.

use bytes::Bytes;
use serde_json::Value;

use crate::domain::json;
use crate::domain::record::encoding::{self, Builder};
use crate::domain::record::shape::separator;
use crate::domain::schema::Collection;

/// `bytes`, of layout number `layout`, as today's layout has them. Dropped values are gone, added
/// ones are zero; a list that became a single value keeps its last, even if it is a list again; a
/// value that became a list is its only element.
pub fn upgrade(collection: &Collection, layout: usize, bytes: &[u8]) -> Bytes {
    let old = &collection.layouts[layout].slots;
    let separators: Vec<_> = old.iter().map(|slot| separator(&slot.name)).collect();
    let mut builder = Builder::new(collection, encoding::stamp(bytes));
    builder.fill(collection, |field, out| {
        let field = &collection.fields[field];
        let Some(position) = old.iter().position(|slot| slot.slot == field.slot) else {
            return out.extend_from_slice(field.kind.zero().as_bytes());
        };
        let raw = encoding::value(bytes, &separators, position);
        let between = collection.layouts[layout..].iter().flat_map(|layout| &layout.slots);
        let was_single = between.filter(|slot| slot.slot == field.slot).any(|slot| !slot.multiple);
        match (old[position].multiple, field.kind.is_multiple()) {
            (true, false) => put_last(out, raw),
            (true, true) if was_single => {
                let mut last = Vec::new();
                put_last(&mut last, raw);
                match &last[..] {
                    b"\"\"" => out.extend_from_slice(b"[]"),
                    last => out.extend_from_slice(&[b"[", last, b"]"].concat()),
                }
            }
            (false, true) if raw == "\"\"" => out.extend_from_slice(b"[]"),
            (false, true) => out.extend_from_slice(format!("[{raw}]").as_bytes()),
            (true, true) | (false, false) => out.extend_from_slice(raw.as_bytes()),
        }
    });
    builder.finish()
}

fn put_last(out: &mut Vec<u8>, list: &str) {
    let items = serde_json::from_str::<Vec<Value>>(list).unwrap_or_default();
    match items.last() {
        Some(last) => json::put(out, last),
        None => out.extend_from_slice(b"\"\""),
    }
}
