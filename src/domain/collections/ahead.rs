//! What of a change may fail late comes ahead of it: the unique indexes of large collections.
//!
//! They are made beside traffic, and others may write two records that are alike meanwhile. So they
//! are made over the collection as it was: once they are whole, no write breaks them, and the change
//! that states them finds them there. If one cannot be, nothing else of the change has happened.

use std::sync::Arc;

use serde_json::Map;

use crate::domain::collections::change::{self, Change};
use crate::domain::collections::{Fields, NOT_CHANGED};
use crate::domain::schema::{Collection, Index, Schema};
use crate::domain::{Problems, Result, indexes};
use crate::store::{Read, Tx};

/// A collection with indexes on their way that a change will state, and as it was without them.
pub struct Ahead {
    pub before: Arc<Collection>,
    pub now: Arc<Collection>,
}

/// Begins what has to come ahead of `changes`.
pub(super) fn begin(tx: &mut Tx, changes: &[Change]) -> Result<Vec<Ahead>> {
    let mut begun = Vec::new();
    for change in changes {
        let Some((before, early)) = early(change, tx)? else { continue };
        let made = change::apply(tx, vec![early], &[], |_, problems| problems.check(NOT_CHANGED))?;
        begun.extend(made.into_iter().map(|now| Ahead { before: before.clone(), now }));
    }
    Ok(begun)
}

/// Drops what was made ahead of a change that is not to be.
pub fn take_back(tx: &mut Tx, before: &Collection, now_ms: i64) -> Result<()> {
    let schema = Schema::load(tx)?;
    let Some(now) = schema.by_number(before.number).cloned() else { return Ok(()) };
    let indexes = before.to_json().remove("indexes").unwrap_or_default();
    let definition = Map::from_iter([("indexes".to_owned(), indexes)]);
    let change = change::prepare(tx, &schema, Some(now), &definition, Fields::Add, now_ms)?;
    change::apply(tx, vec![change], &[], |_, problems| problems.check(NOT_CHANGED)).map(drop)
}

/// The old collection with the new unique indexes, where these are over fields that it has.
fn early(change: &Change, read: &dyn Read) -> Result<Option<(Arc<Collection>, Change)>> {
    let Some(old) = change.old.as_ref().filter(|_| change.becomes_unique()) else {
        return Ok(None);
    };
    if change.grown(read)?.is_none() {
        return Ok(None);
    }
    let mut early = Collection::clone(old);
    let is_there =
        |index: &Index| old.indexes.iter().any(|old| old.unique && old.number == index.number);
    let mut is_any = false;
    for (at, index) in change.new.indexes.iter().enumerate() {
        if !index.unique || is_there(index) {
            continue;
        }
        let columns = indexes::columns_in(index, &change.new, old);
        let condition = indexes::condition_in(index, &change.new, old);
        let (Some(columns), Some(condition)) = (columns, condition) else { continue };
        let same_name = |other: &Index| {
            other.number != index.number && other.name.eq_ignore_ascii_case(&index.name)
        };
        if early.indexes.iter().any(same_name) {
            continue;
        }
        early.indexes.retain(|other| other.number != index.number);
        let at = at.min(early.indexes.len());
        early.indexes.insert(at, Index { columns, condition, ..index.clone() });
        is_any = true;
    }
    let early = Change {
        stored: change.stored.clone(),
        old: change.old.clone(),
        new: Arc::new(early),
        problems: Problems::new(),
        stale: true,
    };
    Ok(is_any.then(|| (old.clone(), early)))
}
