//! Indexes of a collection: those that clients state, and those that the server keeps itself.

pub mod condition;
pub mod statement;
mod unique;

use crate::domain::fields::Kind;
use crate::domain::schema::{Collection, CollectionKind, Field, Index, IndexColumn};

use statement::Statement;

pub use unique::{conflict, duplicate, keys_of as unique_keys};

/// The number of the index that orders records by creation.
pub const CREATION: u32 = 1;
/// Most indexes that clients may state for one collection.
pub const COUNT_LIMIT: usize = 64;

/// The index that `statement` states over `fields`, without a number yet.
pub fn from_statement(statement: &Statement, fields: &[Field]) -> Result<Index, String> {
    let column = |column: &statement::Column| {
        let field = fields.iter().position(|field| field.name.eq_ignore_ascii_case(&column.name));
        let field = field.ok_or(format!("there is no field {:?}", column.name))?;
        if matches!(fields[field].kind, Kind::Password(_)) {
            return Err(format!("{:?} cannot be indexed", column.name));
        }
        Ok(IndexColumn {
            field: Some(field),
            descending: column.descending == Some(true),
            nocase: column.nocase,
            each: false,
        })
    };
    Ok(Index {
        number: 0,
        name: statement.name.clone(),
        unique: statement.unique,
        columns: statement.columns.iter().map(column).collect::<Result<_, _>>()?,
        condition: statement.filter()?.map(|filter| as_fields_are_named(filter, fields)),
        statement: String::new(),
        internal: false,
    })
}

/// SQL cares for no case of names; filters do.
fn as_fields_are_named(filter: String, fields: &[Field]) -> String {
    let named = |name: &str| {
        let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        // Of a field that is not there, whoever compiles the filter tells.
        Some(field.map_or(name, |field| &field.name).to_owned())
    };
    condition::renamed(&filter, named).unwrap_or(filter)
}

/// What the server keeps of its own accord: creation order, and a look-up for each relation.
pub fn internal(kind: CollectionKind, fields: &[Field]) -> Vec<Index> {
    if kind == CollectionKind::View {
        return Vec::new();
    }
    let index = |name: String, field: Option<usize>| Index {
        number: 0,
        name,
        unique: false,
        columns: vec![IndexColumn {
            field,
            descending: false,
            nocase: false,
            each: field.is_some(),
        }],
        condition: None,
        statement: String::new(),
        internal: true,
    };
    let relations = fields.iter().enumerate();
    let relations = relations.filter(|(_, field)| matches!(field.kind, Kind::Relation(_)));
    std::iter::once(index("@rowid".to_owned(), None))
        .chain(relations.map(|(at, field)| index(format!("@{}", field.id), Some(at))))
        .collect()
}

/// Gives each index of `new` the number it had in `old`, or an unused one. Tells whether any entry
/// in the store has to be made anew.
pub fn number(new: &mut Collection, old: Option<&Collection>) -> bool {
    let old_indexes = old.map_or(&[][..], |old| &old.indexes);
    // Nor one whose entries are still being dropped.
    let dropped = old.map_or(&[][..], |old| &old.pending.dropped);
    let taken = old_indexes.iter().map(|index| index.number).chain(dropped.iter().copied());
    let mut next = taken.max().unwrap_or(0).max(CREATION) + 1;
    let mut numbers = Vec::new();
    let mut stale = false;
    for index in &new.indexes {
        let same = old.and_then(|old| {
            let mut candidates = old.indexes.iter();
            candidates.find(|candidate| same_entries(index, new, candidate, old))
        });
        numbers.push(match same {
            Some(same) if !numbers.contains(&same.number) => same.number,
            _ if index.internal && index.columns[0].field.is_none() => CREATION,
            _ => {
                stale = true;
                next += 1;
                next - 1
            }
        });
    }
    stale |= old_indexes.iter().any(|index| !numbers.contains(&index.number));
    for (index, number) in new.indexes.iter_mut().zip(numbers) {
        index.number = number;
    }
    stale
}

/// Whether two indexes have the same entries for the same records.
fn same_entries(index: &Index, new: &Collection, other: &Index, old: &Collection) -> bool {
    let columns = |index: &Index, collection: &Collection| -> Vec<_> {
        let of_field = |at: usize| shape(&collection.fields[at]);
        let of_column = |column: &IndexColumn| {
            (column.field.map(of_field), column.descending, column.nocase, column.each)
        };
        index.columns.iter().map(of_column).collect()
    };
    index.internal == other.internal
        && columns(index, new) == columns(other, old)
        && condition_in(other, old, new).is_some_and(|condition| condition == index.condition)
}

/// What makes a field the same in two states of a collection: names and positions may differ.
fn shape(field: &Field) -> (u32, &'static str, bool) {
    (field.slot, field.kind.name(), field.kind.is_multiple())
}

/// The columns of an index of `from` in another state of the collection; `None` if that lacks one.
pub fn columns_in(index: &Index, from: &Collection, to: &Collection) -> Option<Vec<IndexColumn>> {
    let there = |column: &IndexColumn| {
        let field = match column.field {
            None => None,
            Some(at) => Some(position_in(&from.fields[at], to)?),
        };
        Some(IndexColumn { field, ..column.clone() })
    };
    index.columns.iter().map(there).collect()
}

/// The condition of an index of `from` in the names of another state of the collection; `None` if
/// that lacks a field.
pub fn condition_in(index: &Index, from: &Collection, to: &Collection) -> Option<Option<String>> {
    let Some(filter) = &index.condition else { return Some(None) };
    let name = |name: &str| {
        let field = from.fields.iter().find(|field| field.name == name)?;
        Some(to.fields[position_in(field, to)?].name.clone())
    };
    condition::renamed(filter, name).map(Some)
}

fn position_in(field: &Field, to: &Collection) -> Option<usize> {
    to.fields.iter().position(|other| shape(other) == shape(field))
}
