//! Indexes of large collections are made beside traffic: slice by slice, each a commit of its own.
//!
//! From the commit that states an index on, every write keeps its own entries in it; the slices add
//! those of the records that were there. Readers see the index once it is whole. A unique one is
//! enforced as soon as it is whole, and becomes an index of the collection when a look through it,
//! on a snapshot since, finds no two records alike; else it is dropped again. Killed at any moment,
//! the next start goes on where it was.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::domain::collections::change;
use crate::domain::indexes;
use crate::domain::record::Record;
use crate::domain::schema::{Build, Collection, Index, Schema};
use crate::domain::{Problems, Result};
use crate::store::{Order, Range, Read, Tx, keys};

/// Most records for which an index is made in the transaction that states it.
pub const AT_ONCE: u64 = 2_000;
/// Records (or entries to drop) of one commit: the others wait for a few milliseconds at most.
const SLICE: usize = 500;
/// Records looked at in one go.
const PAGE: usize = 1_000;

/// What is to be done next.
#[derive(Debug, PartialEq)]
pub enum Step {
    More,
    /// Look through this index on a new snapshot, and tell [`conclude`] what was found.
    Look(Index),
    Done,
}

/// Takes what is not there yet out of the indexes of `new`, for [`step`] to make. What is on its
/// way already stays so.
pub(super) fn postpone(new: &Collection, stored: &Collection) -> Collection {
    let has = |list: &[Index], number| list.iter().any(|index| index.number == number);
    // One that becomes unique has all entries, and is looked through all the same.
    let is_there = |index: &Index| {
        let same = stored.indexes.iter().find(|old| old.number == index.number);
        same.is_some_and(|same| same.unique || !index.unique)
    };
    let mut pending = new.pending.clone();
    let fresh = new.indexes.iter().enumerate().filter(|(_, index)| !is_there(index));
    let build = |(at, index): (usize, &Index)| {
        let complete = has(&stored.indexes, index.number)
            || begun(stored, index.number).is_some_and(|build| build.complete);
        Build { index: index.clone(), at, complete }
    };
    pending.builds = fresh.map(build).collect();
    let gone = stored.kept_indexes().map(|index| index.number);
    pending.dropped.extend(gone.filter(|number| !has(&new.indexes, *number)));
    let mut postponed = Collection { pending, ..new.clone() };
    postponed.indexes.retain(is_there);
    postponed
}

fn begun(stored: &Collection, number: u32) -> Option<&Build> {
    stored.pending.builds.iter().find(|build| build.index.number == number)
}

/// Clears the ground for what `collection` is about to make, and forgets what it makes no longer.
pub(super) fn begin(tx: &mut Tx, collection: &Collection, stored: &Collection) -> Result<()> {
    for build in &collection.pending.builds {
        let number = build.index.number;
        if begun(stored, number).is_none() && !build.complete {
            let entries = keys::index(collection.number, number);
            // Replay may have left some, of a state that was ahead of what it replayed.
            tx.rederive(&[&entries], &entries)?;
        }
    }
    for build in &stored.pending.builds {
        if begun(collection, build.index.number).is_none() {
            tx.delete(&keys::build(collection.number, build.index.number))?;
        }
    }
    Ok(())
}

/// Forgets how far things were: the collection goes.
pub(super) fn abandon(tx: &mut Tx, collection: &Collection) -> Result<()> {
    for build in &collection.pending.builds {
        tx.delete(&keys::build(collection.number, build.index.number))?;
    }
    Ok(())
}

/// Does the next slice of what collection `number` has pending.
pub fn step(tx: &mut Tx, number: u32) -> Result<Step> {
    let schema = Schema::load(tx)?;
    let Some(collection) = schema.by_number(number) else { return Ok(Step::Done) };
    if let Some(build) = collection.pending.builds.first() {
        match build.complete {
            true if build.index.unique => return Ok(Step::Look(build.index.clone())),
            true => change::write(tx, &settled(collection))?,
            false => fill(tx, collection, build)?,
        }
        return Ok(Step::More);
    }
    let Some(dropped) = collection.pending.dropped.first() else { return Ok(Step::Done) };
    let entries = Range::prefix(&keys::index(number, *dropped));
    if tx.drop_derived(entries, SLICE)?.is_none() {
        let mut collection = Collection::clone(collection);
        collection.pending.dropped.remove(0);
        change::write(tx, &collection)?;
    }
    Ok(Step::More)
}

fn fill(tx: &mut Tx, collection: &Collection, build: &Build) -> Result<()> {
    let key = keys::build(collection.number, build.index.number);
    let mut rest = Range::prefix(&keys::records(collection.number));
    if let Some(done) = tx.get(&key)? {
        rest.from = [&done[..], b"\0"].concat();
    }
    let entries = keys::index(collection.number, build.index.number);
    if let Some(done) = tx.derive(&entries, rest, SLICE)? {
        return Ok(tx.put(&key, done)?);
    }
    tx.delete(&key)?;
    let mut collection = Collection::clone(collection);
    collection.pending.builds[0].complete = true;
    if !build.index.unique {
        collection = settled(&collection);
    }
    change::write(tx, &collection)
}

/// The first index on its way has arrived.
fn settled(collection: &Collection) -> Collection {
    let mut settled = collection.clone();
    let build = settled.pending.builds.remove(0);
    let at = build.at.min(settled.indexes.len());
    settled.indexes.insert(at, build.index);
    settled
}

/// Tells what a look through `index` found: `duplicate` is the id of a record that has the values
/// of another one. Returns the problem that this is, if it is one still.
pub fn conclude(
    tx: &mut Tx,
    number: u32,
    index: &Index,
    duplicate: Option<&str>,
) -> Result<Option<Problems>> {
    let schema = Schema::load(tx)?;
    let Some(collection) = schema.by_number(number) else { return Ok(None) };
    let first = collection.pending.builds.first();
    let Some(build) = first.filter(|build| build.complete && build.index.number == index.number)
    else {
        return Ok(None);
    };
    let mut changed = Collection::clone(collection);
    let problems = duplicate.map(|id| change::not_unique(build.at, id));
    if problems.is_some() {
        changed.pending.builds.remove(0);
        changed.pending.dropped.push(index.number);
    } else {
        changed = settled(&changed);
    }
    change::write(tx, &changed)?;
    Ok(problems)
}

/// Unique indexes of `new` that the records there are do not allow, found without any index: so
/// that a change which must fail need not be begun. What others write meanwhile is not seen.
pub(super) fn foresee(
    read: &dyn Read,
    new: &Collection,
    old: &Collection,
) -> Result<Option<Problems>> {
    let is_old =
        |index: &Index| old.indexes.iter().any(|old| old.number == index.number && old.unique);
    let visible = new.indexes.iter().filter(|index| !index.internal).enumerate();
    let mut looked: Vec<_> = visible
        .filter(|(_, index)| index.unique && !is_old(index))
        .map(|(at, index)| (at, index, HashSet::new()))
        .collect();
    if looked.is_empty() {
        return Ok(None);
    }
    // By hashes of 128 bits: a million keys would be large.
    let hashers = (RandomState::new(), RandomState::new());
    let new = std::sync::Arc::new(Collection { pending: Default::default(), ..new.clone() });
    let mut rest = Range::prefix(&keys::records(new.number));
    loop {
        let page = read.scan(&rest, Order::Forward, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        rest.from = [&last[..], b"\0"].concat();
        for (_, bytes) in page {
            let record = Record::from_stored(new.clone(), bytes)?;
            for (at, index, seen) in &mut looked {
                for key in indexes::unique_keys(read, index, &record)? {
                    if !seen.insert((hashers.0.hash_one(&key), hashers.1.hash_one(&key))) {
                        return Ok(Some(change::not_unique(*at, record.id())));
                    }
                }
            }
        }
    }
}
