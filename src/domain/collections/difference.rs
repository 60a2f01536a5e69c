//! What differs between two states of a collection, in words, and what would be lost between them.

use serde_json::{Map, Value};

use crate::domain::fields::define;
use crate::domain::schema::{Collection, Field, Index};

/// Longer values are not shown: nobody reads a mail template in a plan.
const VALUE_LIMIT: usize = 120;
/// What every collection has of its own, or what is compared apart.
const APART: [&str; 6] = ["id", "fields", "indexes", "created", "updated", "system"];

/// The differences, one a line: `+` is new, `-` goes, `~` changes.
pub fn details(old: Option<&Collection>, new: &Collection) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(old) = old else {
        let own = new.fields.iter().filter(|field| !field.system);
        lines.extend(own.map(|field| format!("+ field {}", described(field))));
        lines.extend(stated(new).map(|index| format!("+ index {}", index.name)));
        return lines;
    };
    fields(old, new, &mut lines);
    indexes(old, new, &mut lines);
    let (before, after) = (old.to_json(), new.to_json());
    members("", &before, &after, &APART, &mut lines);
    if lines.is_empty() {
        lines.push("~ what is never shown".to_owned());
    }
    lines
}

/// What the records of `old` would lose by becoming those of `new`.
pub fn losses(old: &Collection, new: &Collection) -> Vec<String> {
    let loss = |before: &Field| {
        let name = format!("{}.{}", old.name, before.name);
        match new.fields.iter().find(|field| field.slot == before.slot) {
            None => Some(format!("the field {name} would go")),
            Some(after) if before.kind.is_multiple() && !after.kind.is_multiple() => {
                Some(format!("the field {name} would keep only the last of several values"))
            }
            Some(_) => None,
        }
    };
    if old.view_query.is_some() {
        return Vec::new();
    }
    old.fields.iter().filter_map(loss).collect()
}

fn fields(old: &Collection, new: &Collection, lines: &mut Vec<String>) {
    // The fields of a view have no slots of their own: they follow from its query.
    let same = |a: &Field, b: &Field| match new.view_query {
        Some(_) => a.name == b.name,
        None => a.slot == b.slot,
    };
    for field in &new.fields {
        let Some(before) = old.fields.iter().find(|before| same(before, field)) else {
            lines.push(format!("+ field {}", described(field)));
            continue;
        };
        let start = format!("field {}: ", before.name);
        let apart: &[&str] = if new.view_query.is_some() { &["id"] } else { &[] };
        members(&start, &define::write(before), &define::write(field), apart, lines);
    }
    let is_gone = |before: &&Field| !new.fields.iter().any(|field| same(before, field));
    let gone = old.fields.iter().filter(is_gone);
    lines.extend(gone.map(|field| format!("- field {}", described(field))));
    let order = |collection: &Collection, other: &Collection| -> Vec<String> {
        let kept = |field: &&Field| other.fields.iter().any(|other| same(field, other));
        collection.fields.iter().filter(kept).map(|field| field.id.clone()).collect()
    };
    if order(old, new) != order(new, old) {
        lines.push("~ the order of the fields".to_owned());
    }
}

fn indexes(old: &Collection, new: &Collection, lines: &mut Vec<String>) {
    for index in stated(new) {
        match stated(old).find(|before| before.name == index.name) {
            None => lines.push(format!("+ index {}", index.name)),
            Some(before) if before.statement != index.statement => {
                lines.push(format!("~ index {}: {}", index.name, index.statement));
            }
            Some(_) => {}
        }
    }
    let is_gone = |before: &&Index| !stated(new).any(|index| index.name == before.name);
    lines.extend(stated(old).filter(is_gone).map(|index| format!("- index {}", index.name)));
}

fn stated(collection: &Collection) -> impl Iterator<Item = &Index> {
    collection.indexes.iter().filter(|index| !index.internal)
}

fn described(field: &Field) -> String {
    format!("{} ({})", field.name, field.kind.name())
}

fn members(
    start: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    apart: &[&str],
    lines: &mut Vec<String>,
) {
    for (name, value) in after.iter().filter(|(name, _)| !apart.contains(&name.as_str())) {
        let was = before.get(name).unwrap_or(&Value::Null);
        if was == value {
            continue;
        }
        let (was, is) = (was.to_string(), value.to_string());
        lines.push(match was.len() + is.len() > VALUE_LIMIT {
            true => format!("~ {start}{name}"),
            false => format!("~ {start}{name} {was} -> {is}"),
        });
    }
}
