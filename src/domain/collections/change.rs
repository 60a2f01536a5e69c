//! Changes of the schema: prepared, checked against the schema they lead to, then written.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::accounts::satellites;
use crate::domain::collections::Fields;
use crate::domain::collections::build;
use crate::domain::collections::draft::draft;
use crate::domain::collections::validate;
use crate::domain::indexes;
use crate::domain::indexes::statement;
use crate::domain::schema::{Collection, Index, Layout, Schema};
use crate::domain::views;
use crate::domain::{Error, Problems, Result};
use crate::store::{Order, Range, Read, Tx, keys};

/// Most shapes that records of one collection may have had: a record names its own in 16 bits.
const LAYOUT_LIMIT: usize = 60_000;
const VIEW_CODE: &str = "validation_invalid_view_query";
const INDEX_CODE: &str = "validation_invalid_index_expression";

pub struct Change {
    /// As it lies in the store, where indexes may be on their way.
    pub(super) stored: Option<Arc<Collection>>,
    /// As it was stated.
    pub old: Option<Arc<Collection>>,
    pub new: Arc<Collection>,
    pub problems: Problems,
    /// Entries in the store have to be made anew.
    pub(super) stale: bool,
}

impl Change {
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// What is stored, if there are indexes to make or drop, and too much to do that here.
    pub(super) fn grown(&self, read: &dyn Read) -> Result<Option<&Collection>> {
        let Some(stored) = self.stored.as_deref() else { return Ok(None) };
        let is_large = (self.stale || self.becomes_unique())
            && read.count(&keys::record_count(stored.number))? > build::AT_ONCE;
        Ok((is_large || !stored.pending.builds.is_empty()).then_some(stored))
    }

    pub(super) fn becomes_unique(&self) -> bool {
        let Some(old) = &self.old else { return false };
        let was =
            |index: &Index| old.indexes.iter().any(|old| old.number == index.number && old.unique);
        self.new.indexes.iter().any(|index| index.unique && !was(index))
    }

    /// Problems with what is in a large collection, see [`build::foresee`].
    pub fn foresee(&self, read: &dyn Read) -> Result<Problems> {
        let Some(old) = self.grown(read)? else { return Ok(Problems::new()) };
        Ok(build::foresee(read, &self.new, old)?.unwrap_or_default())
    }
}

/// Works out what `definition` makes of `old`, or of nothing.
pub fn prepare(
    tx: &mut Tx,
    schema: &Schema,
    old: Option<Arc<Collection>>,
    definition: &Map<String, Value>,
    fields: Fields,
    now_ms: i64,
) -> Result<Change> {
    let stored = old;
    let old = stored.as_ref().map(|stored| match stored.pending.builds.is_empty() {
        true => stored.clone(),
        false => Arc::new(stored.whole()),
    });
    let mut draft = draft(old.as_deref(), definition, fields, now_ms)?;
    if old.is_none() {
        draft.collection.number = next_number(tx)?;
    }
    let mut new = draft.collection;
    let listed = state_indexes(&mut new, old.as_deref(), draft.statements);
    draft.problems.nest("indexes", listed);
    if let Some(query) = new.view_query.clone() {
        if query.is_empty() {
            draft.problems.add("viewQuery", "validation_required", "Cannot be blank.");
        } else {
            match views::fields(schema, &new, &query) {
                Ok(fields) => new.fields = fields,
                Err(why) => draft.problems.add("viewQuery", VIEW_CODE, &why),
            }
        }
    }
    let stale = indexes::number(&mut new, old.as_deref());
    lay_out(tx, &mut new)?;
    Ok(Change { stored, old, new: Arc::new(new), problems: draft.problems, stale })
}

fn next_number(tx: &mut Tx) -> Result<u32> {
    let stored = tx.get(keys::NEXT_COLLECTION)?;
    let number = stored.and_then(|bytes| bytes[..].try_into().ok()).map_or(1, u32::from_be_bytes);
    tx.put(keys::NEXT_COLLECTION, (number + 1).to_be_bytes().to_vec())?;
    Ok(number)
}

/// Parses the statements, adds what the server keeps itself, and tells what was not understood.
fn state_indexes(new: &mut Collection, old: Option<&Collection>, texts: Vec<String>) -> Problems {
    let mut problems = Problems::new();
    let mut list: Vec<Index> = Vec::new();
    if texts.len() > indexes::COUNT_LIMIT {
        let message = "There are too many indexes.";
        problems.add(&indexes::COUNT_LIMIT.to_string(), "validation_length_too_long", message);
    }
    for (at, text) in texts.into_iter().enumerate().take(indexes::COUNT_LIMIT) {
        match stated(new, old, text) {
            Ok(index) if list.iter().any(|other| same_name(other, &index)) => {
                let message = "Another index has this name.";
                problems.add(&at.to_string(), "validation_duplicated_index_name", message);
            }
            Ok(index) => list.push(index),
            Err(why) => problems.add(&at.to_string(), INDEX_CODE, &why),
        }
    }
    if new.is_auth() {
        for (field, condition) in [("tokenKey", ""), ("email", " WHERE `email` != ''")] {
            let at = new.field(field).map(|(at, _)| at);
            let same = |index: &Index| {
                index.unique && matches!(&index.columns[..], [only] if only.field == at)
            };
            if !list.iter().any(same) {
                let (id, name) = (&new.id, &new.name);
                let text = format!(
                    "CREATE UNIQUE INDEX `idx_{field}_{id}` ON `{name}` (`{field}`){condition}"
                );
                list.extend(stated(new, old, text).ok());
            }
        }
    }
    list.extend(indexes::internal(new.kind, &new.fields));
    new.indexes = list;
    problems
}

fn same_name(one: &Index, other: &Index) -> bool {
    one.name.eq_ignore_ascii_case(&other.name)
}

/// The index of one statement; rewritten where it names another table, or a field that was renamed.
fn stated(new: &Collection, old: Option<&Collection>, text: String) -> Result<Index, String> {
    let mut parsed = statement::parse(&text)?;
    // However the table was written: after a new name, only the new one is right.
    let is_renamed = old.is_some_and(|old| old.name != new.name) && parsed.table != new.name;
    let mut rewritten = is_renamed || !parsed.table.eq_ignore_ascii_case(&new.name);
    parsed.table.clone_from(&new.name);
    for column in &mut parsed.columns {
        let known =
            |collection: &Collection| collection.field(&column.name).map(|(_, field)| field.slot);
        if known(new).is_some() {
            continue;
        }
        let slot = old.and_then(known);
        if let Some(field) = new.fields.iter().find(|field| Some(field.slot) == slot) {
            column.name.clone_from(&field.name);
            rewritten = true;
        }
    }
    let mut index = indexes::from_statement(&parsed, &new.fields)?;
    index.statement = if rewritten { parsed.print() } else { text };
    Ok(index)
}

/// Gives new records today's layout. Older ones are kept as long as there are records.
fn lay_out(read: &dyn Read, new: &mut Collection) -> Result<()> {
    let layout = Layout::of(new.kind, &new.fields);
    if new.layouts.last() == Some(&layout) {
        return Ok(());
    }
    let range = Range::prefix(&keys::records(new.number));
    if read.scan(&range, Order::Forward, 1)?.is_empty() {
        new.layouts.clear();
    }
    if new.layouts.len() >= LAYOUT_LIMIT {
        return Err(Error::Bad("this collection was changed too often: export it".to_owned()));
    }
    new.layouts.push(layout);
    Ok(())
}

/// Checks the changes against the schema they lead to, `gone` left out, and writes them.
pub fn apply(
    tx: &mut Tx,
    changes: Vec<Change>,
    gone: &[u32],
    refuse: impl Fn(&Collection, Problems) -> Result<()>,
) -> Result<Vec<Arc<Collection>>> {
    let before = Schema::load(tx)?;
    let changed: HashSet<u32> = changes.iter().map(|change| change.new.number).collect();
    let kept = before.collections();
    let kept = kept.filter(|old| !changed.contains(&old.number) && !gone.contains(&old.number));
    let new = changes.iter().map(|change| &change.new);
    let mut all: Vec<_> = kept.chain(new).cloned().collect();
    rename_in_views(&before, &mut all, &changed)?;
    let after = Arc::new(Schema::of(all.iter().cloned()));
    for change in &changes {
        let mut problems = change.problems.clone();
        problems.merge(validate::problems(&after, &all, change.old.as_deref(), &change.new));
        problems.nest("indexes", taken_names(&all, &change.new));
        refuse(&change.new, problems)?;
    }
    let followers = followers(&before, &after, &all, &changed)?;
    let mut written = Vec::new();
    for change in changes {
        if let Some(stored) = change.grown(tx)? {
            let new = build::postpone(&change.new, stored);
            write(tx, &new)?;
            build::begin(tx, &new, stored)?;
            written.push(Arc::new(new));
            continue;
        }
        write(tx, &change.new)?;
        if change.stale && change.old.is_some() {
            rederive(tx, &change.new)?;
        }
        if let Some(problems) = duplicates(tx, &change)? {
            refuse(&change.new, problems)?;
        }
        written.push(change.new);
    }
    for view in followers {
        write(tx, &view)?;
    }
    Ok(written)
}

/// Gives other views the new names of what changed.
fn rename_in_views(
    before: &Schema,
    all: &mut [Arc<Collection>],
    changed: &HashSet<u32>,
) -> Result<()> {
    let after = Schema::of(all.iter().cloned());
    for view in all.iter_mut().filter(|view| !changed.contains(&view.number)) {
        let Some(query) = &view.view_query else { continue };
        let renamed = views::renamed(before, &after, query);
        if let Some(query) = renamed.map_err(|why| depends(view, &why))? {
            let renamed = Collection { view_query: Some(query), ..Collection::clone(view) };
            *view = Arc::new(renamed);
        }
    }
    Ok(())
}

fn depends(view: &Collection, why: &str) -> Error {
    Error::Bad(format!("the view {} depends on this: {why}", view.name))
}

/// Views over what changed, where their text or their fields change with it. One that could not be
/// read any more forbids the change.
fn followers(
    before: &Schema,
    after: &Schema,
    all: &[Arc<Collection>],
    changed: &HashSet<u32>,
) -> Result<Vec<Collection>> {
    let mut followers = Vec::new();
    for view in all.iter().filter(|view| !changed.contains(&view.number)) {
        let Some(query) = &view.view_query else { continue };
        let known = before.by_number(view.number).and_then(|known| known.view_query.as_ref());
        match views::fields(after, view, query) {
            Ok(fields) if fields != view.fields || known != Some(query) => {
                let layouts = vec![Layout::of(view.kind, &fields)];
                let shaped = Default::default();
                followers.push(Collection { fields, layouts, shaped, ..Collection::clone(view) });
            }
            Ok(_) => {}
            // It was broken already: not this change's fault.
            Err(_) if known.is_none_or(|known| views::fields(before, view, known).is_err()) => {}
            Err(why) => return Err(depends(view, &why)),
        }
    }
    Ok(followers)
}

pub(super) fn write(tx: &mut Tx, collection: &Collection) -> Result<()> {
    tx.put(&keys::collection(collection.number), collection.to_stored())?;
    stamp(tx)
}

/// Marks the schema as changed.
fn stamp(tx: &mut Tx) -> Result<()> {
    let mut stamp = [0; 16];
    getrandom::fill(&mut stamp).map_err(|error| Error::Broken(error.to_string()))?;
    Ok(tx.put(keys::SCHEMA, stamp.to_vec())?)
}

fn rederive(tx: &mut Tx, collection: &Collection) -> Result<()> {
    let number = collection.number;
    let derived = [keys::indexes(number), keys::record_count(number)];
    let derived: Vec<&[u8]> = derived.iter().map(Vec::as_slice).collect();
    Ok(tx.rederive(&derived, &keys::records(number))?)
}

/// Unique indexes that the records there are do not allow.
fn duplicates(read: &dyn Read, change: &Change) -> Result<Option<Problems>> {
    let Some(old) = change.old.as_deref().filter(|_| change.becomes_unique()) else {
        return Ok(None);
    };
    let visible = change.new.indexes.iter().filter(|index| !index.internal);
    for (at, index) in visible.enumerate().filter(|(_, index)| index.unique) {
        let checked = |before: &Index| before.number == index.number && before.unique;
        if old.indexes.iter().any(checked) {
            continue;
        }
        if let Some(id) = indexes::duplicate(read, &change.new, index)? {
            return Ok(Some(not_unique(at, &id)));
        }
    }
    Ok(None)
}

/// Index number `at` cannot be: record `id` has the values of another one.
pub(super) fn not_unique(at: usize, id: &str) -> Problems {
    let message = format!("Several records have the same values, one of them is {id}.");
    let mut problems = Problems::new();
    problems.nest("indexes", Problems::one(&at.to_string(), INDEX_CODE, &message));
    problems
}

/// Index names that another collection uses.
fn taken_names(all: &[Arc<Collection>], new: &Collection) -> Problems {
    let mut problems = Problems::new();
    for (at, index) in new.indexes.iter().filter(|index| !index.internal).enumerate() {
        let uses = |other: &&Arc<Collection>| {
            other.number != new.number
                && other.indexes.iter().any(|taken| !taken.internal && same_name(taken, index))
        };
        if let Some(other) = all.iter().find(uses) {
            let params = serde_json::json!({ "usedTableName": other.name });
            let message = format!("The collection {} has an index of this name.", other.name);
            problems.add_with(&at.to_string(), "validation_existing_index_name", &message, params);
        }
    }
    problems
}

/// Removes a collection and all that belongs to it.
pub fn remove(tx: &mut Tx, collection: &Collection) -> Result<()> {
    build::abandon(tx, collection)?;
    let schema = Schema::load(tx)?;
    satellites::clear(tx, &schema, collection)?;
    tx.clear(&keys::records(collection.number))?;
    tx.delete(&keys::collection(collection.number))?;
    stamp(tx)
}
