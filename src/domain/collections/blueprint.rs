//! A blueprint: the whole schema as files describe it, made true in one transaction.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::collections::ahead::{self, Ahead};
use crate::domain::collections::change::{self, Change};
use crate::domain::collections::difference;
use crate::domain::collections::import;
use crate::domain::collections::{Fields, guard, names, system};
use crate::domain::indexes::statement;
use crate::domain::request::Caller;
use crate::domain::schema::{Collection, CollectionKind, Schema};
use crate::domain::{Error, Result};
use crate::store::{Read, Tx, keys};

type Definition = Map<String, Value>;

/// What has to change, so that the schema is as its blueprint says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Plan {
    /// For people, a collection after the other, details indented.
    pub lines: Vec<String>,
    /// What would be gone for good.
    pub losses: Vec<String>,
}

/// What came of a blueprint.
#[derive(Debug)]
pub enum Outcome {
    Done(Plan),
    /// It would lose data, which nobody allowed: the transaction must not be committed.
    WouldLose(Plan),
}

/// Makes the collections what `definitions` say: what they list is made or changed, what they don't
/// list goes. System collections, and the `users` of a fresh store, stay when they are not listed.
/// Nothing is written where nothing changes.
pub fn apply(
    tx: &mut Tx,
    caller: &Caller,
    definitions: &[Definition],
    may_lose: bool,
    now_ms: i64,
) -> Result<Outcome> {
    guard(caller)?;
    let schema = Schema::load(tx)?;
    let changes = changes(tx, &schema, definitions, now_ms)?;
    let listed = |collection: &Collection| {
        changes.iter().any(|change| change.new.number == collection.number)
    };
    let stays = |collection: &Collection| {
        listed(collection) || collection.system || collection.id == system::USERS_ID
    };
    let mut gone: Vec<Arc<Collection>> =
        schema.collections().filter(|collection| !stays(collection)).cloned().collect();
    gone.sort_by(|a, b| a.name.cmp(&b.name));
    let left = schema.collections().filter(|collection| stays(collection));
    let left: Vec<_> = left.filter(|collection| !listed(collection)).cloned().collect();
    let remaining = changes.iter().map(|change| &change.new).chain(&left);
    refuse_orphans(remaining, &gone)?;
    let changes: Vec<Change> = changes.into_iter().filter(differs).collect();
    let plan = plan(tx, &changes, &gone)?;
    if !plan.losses.is_empty() && !may_lose {
        return Ok(Outcome::WouldLose(plan));
    }
    if !plan.lines.is_empty() {
        let numbers: Vec<u32> = gone.iter().map(|collection| collection.number).collect();
        change::apply(tx, changes, &numbers, import::refuse)?;
        for collection in &gone {
            change::remove(tx, collection)?;
        }
    }
    Ok(Outcome::Done(plan))
}

/// Begins what has to come ahead of what `apply` does.
pub fn ahead(
    tx: &mut Tx,
    caller: &Caller,
    definitions: &[Definition],
    now_ms: i64,
) -> Result<Vec<Ahead>> {
    guard(caller)?;
    let schema = Schema::load(tx)?;
    let changes = changes(tx, &schema, definitions, now_ms)?;
    ahead::begin(tx, &changes)
}

fn changes(
    tx: &mut Tx,
    schema: &Schema,
    definitions: &[Definition],
    now_ms: i64,
) -> Result<Vec<Change>> {
    let definitions = in_order(related_by_id(schema, definitions.to_vec()));
    let changes = import::prepare(tx, schema, definitions.iter(), Fields::Replace, now_ms)?;
    let both = definitions.iter().zip(&changes);
    both.clone().try_for_each(|(definition, change)| refuse_former_names(definition, change))?;
    Ok(changes)
}

/// An index may name a field by the name it had: once. The files are to be applied again.
fn refuse_former_names(definition: &Definition, change: &Change) -> Result<()> {
    let texts = definition.get("indexes").and_then(Value::as_array).into_iter().flatten();
    let statements = texts.filter_map(|text| statement::parse(text.as_str()?).ok());
    let columns = statements.flat_map(|statement| statement.columns);
    let is_former = |name: &str| {
        let old = change.old.as_ref().and_then(|old| old.field(name));
        let now = |slot| change.new.fields.iter().find(|field| field.slot == slot);
        let renamed = old.and_then(|(_, field)| now(field.slot));
        renamed.filter(|_| change.new.field(name).is_none()).map(|field| field.name.clone())
    };
    for name in columns.map(|column| column.name) {
        if let Some(now) = is_former(&name) {
            let collection = &change.new.name;
            return Err(Error::Bad(format!(
                "an index of {collection} names the field {name}, which is called {now} now"
            )));
        }
    }
    Ok(())
}

/// Whether a change is one: the moment of it is none.
fn differs(change: &Change) -> bool {
    let Some(old) = &change.old else { return true };
    let same_moment = Collection { updated: old.updated.clone(), ..Collection::clone(&change.new) };
    same_moment.to_stored() != old.to_stored() || change.has_problems()
}

/// No relation may lead to what goes.
fn refuse_orphans<'c>(
    mut remaining: impl Iterator<Item = &'c Arc<Collection>>,
    gone: &[Arc<Collection>],
) -> Result<()> {
    let lost = |collection: &Collection| {
        let target = |id: &str| gone.iter().find(|gone| gone.id == id);
        collection.relations().find_map(|(_, relation)| target(&relation.collection_id)).cloned()
    };
    let orphan = remaining.find_map(|collection| Some((collection, lost(collection)?)));
    match orphan {
        None => Ok(()),
        Some((collection, target)) => {
            let (name, target) = (&collection.name, &target.name);
            Err(Error::Bad(format!("{name} relates to {target}, which is not listed")))
        }
    }
}

fn plan(read: &dyn Read, changes: &[Change], gone: &[Arc<Collection>]) -> Result<Plan> {
    let mut plan = Plan::default();
    for Change { old, new, .. } in changes {
        let sign = if old.is_some() { '~' } else { '+' };
        plan.lines.push(format!("{sign} collection {}", new.name));
        let details = difference::details(old.as_deref(), new);
        plan.lines.extend(details.into_iter().map(|detail| format!("    {detail}")));
        if let Some(old) = old.as_deref()
            && let records @ 1.. = read.count(&keys::record_count(old.number))?
        {
            let losses = difference::losses(old, new);
            plan.losses
                .extend(losses.into_iter().map(|loss| format!("{loss} ({records} records)")));
        }
    }
    for collection in gone {
        plan.lines.push(format!("- collection {}", collection.name));
        if let records @ 1.. = read.count(&keys::record_count(collection.number))?
            && collection.kind != CollectionKind::View
        {
            let name = &collection.name;
            plan.losses.push(format!("the collection {name} would go ({records} records)"));
        }
    }
    Ok(plan)
}

/// Relations may say the name of their collection: its id takes the place of that.
fn related_by_id(schema: &Schema, mut definitions: Vec<Definition>) -> Vec<Definition> {
    let text = |definition: &Definition, name: &str| {
        definition.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let named = definitions.iter().map(|definition| {
        let (id, name) = (text(definition, "id"), text(definition, "name"));
        let kind = CollectionKind::from_name(&text(definition, "type"));
        let known = schema.by_name(&name).map(|known| known.id.clone());
        let made = || system::collection_id(kind.unwrap_or(CollectionKind::Base), &name);
        let id = if id.is_empty() { known.unwrap_or_else(made) } else { id };
        (name.to_lowercase(), id)
    });
    let named: Vec<(String, String)> = named.collect();
    let id_of = |word: &str| {
        let known = schema.by_id(word).is_some() || named.iter().any(|(_, id)| id == word);
        let listed = || named.iter().find(|(name, _)| *name == word.to_lowercase());
        match known {
            true => None,
            false => listed()
                .map(|(_, id)| id.clone())
                .or_else(|| schema.by_name(word).map(|collection| collection.id.clone())),
        }
    };
    let fields = definitions.iter_mut().filter_map(|one| one.get_mut("fields")?.as_array_mut());
    for target in fields.flatten().filter_map(|field| field.get_mut("collectionId")) {
        if let Some(id) = target.as_str().and_then(id_of) {
            *target = id.into();
        }
    }
    definitions
}

/// Views come last, each behind those that its query names.
fn in_order(definitions: Vec<Definition>) -> Vec<Definition> {
    let is_view = |definition: &Definition| definition.contains_key("viewQuery");
    let (mut views, mut ordered): (Vec<_>, Vec<_>) = definitions.into_iter().partition(is_view);
    while !views.is_empty() {
        let text = |view: &Definition, name: &str| {
            view.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let waits = |at: usize| {
            let query = text(&views[at], "viewQuery");
            let others = views.iter().enumerate().filter(|(other, _)| *other != at);
            others.map(|(_, other)| text(other, "name")).any(|name| names(&query, &name))
        };
        // Views that name each other cannot be: whichever comes first is refused.
        let next = (0..views.len()).find(|at| !waits(*at)).unwrap_or(0);
        ordered.push(views.remove(next));
    }
    ordered
}
