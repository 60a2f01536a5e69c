//! Finds the few ids that a condition leaves, by indexes: unions, and joins from the other end.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::schema::Collection;
use crate::query::ast::Op;
use crate::query::budget::Spent;
use crate::query::compare;
use crate::query::plan::{self, Walk};
use crate::query::rows;
use crate::query::tree::{Join, Node, SlotId, Tree, Value};
use crate::query::{Result, Scope};
use crate::store::Order;
use crate::store::codec::{self, Column, Datum};
use crate::store::{Range, keys};

/// Most ids that are collected before the records are looked at. More are better found otherwise.
const ID_LIMIT: usize = 4096;

/// Ids, and the index that gave them.
#[derive(Debug, Default)]
pub struct Few {
    pub ids: BTreeSet<String>,
    pub index: Option<String>,
}

/// Looks for ids of one slot's rows.
pub struct Candidates<'a> {
    pub scope: &'a Scope<'a>,
    pub tree: &'a Tree,
    pub spent: &'a Spent,
}

impl Candidates<'_> {
    /// All ids of `collection` that can satisfy `conjuncts` over `slot`, and maybe some that don't;
    /// `None` when no index says or there are more than `limit`.
    pub fn of(
        &self,
        collection: &Arc<Collection>,
        slot: SlotId,
        conjuncts: &[&Node],
        limit: usize,
    ) -> Result<Option<Few>> {
        let limit = limit.min(ID_LIMIT);
        let id = collection.field("id").map(|(position, _)| position);
        for node in conjuncts {
            if let Some(text) = id.and_then(|id| self.exact_id(node, slot, id)) {
                let index = Some("id".to_owned());
                return Ok(Some(Few { ids: BTreeSet::from([text]), index }));
            }
        }
        let mut best: Option<Few> = None;
        let mut take = |found: Option<Few>| {
            let smaller =
                |few: &Few| best.as_ref().is_none_or(|best| few.ids.len() < best.ids.len());
            if let Some(found) = found.filter(smaller) {
                best = Some(found);
            }
        };
        for index in &collection.indexes {
            let walk = plan::walk(self.tree, collection, slot, conjuncts, index);
            if let Some(walk) = walk.filter(|walk| walk.narrow) {
                take(self.walked(&walk, limit)?);
            }
        }
        for node in conjuncts {
            match node {
                Node::Or(list) => take(self.union(collection, slot, list, limit)?),
                Node::Any(child, inner) => {
                    take(self.joined(collection, slot, *child, inner, limit)?)
                }
                Node::Always(_)
                | Node::And(_)
                | Node::All(..)
                | Node::Test(_)
                | Node::Listable(..) => {}
            }
        }
        Ok(best)
    }

    fn exact_id(&self, node: &Node, slot: SlotId, id: usize) -> Option<String> {
        let Node::Test(test) = node else { return None };
        match (&test.left, test.op, &test.right) {
            (Value::Field(at, field), Op::Equal, Value::Constant(Datum::Text(text)))
            | (Value::Constant(Datum::Text(text)), Op::Equal, Value::Field(at, field))
                if *at == slot && *field == id && !text.is_empty() =>
            {
                Some(text.to_string())
            }
            _ => None,
        }
    }

    /// The ids of a walk, if they are few.
    pub fn walked(&self, walk: &Walk, limit: usize) -> Result<Option<Few>> {
        let mut ids = BTreeSet::new();
        let range = walk.range.clone();
        let more =
            rows::entries(self.scope, self.spent, None, range, Order::Forward, &mut |entry| {
                ids.insert(entry.id.to_owned());
                Ok(ids.len() > limit)
            })?;
        Ok((!more).then(|| Few { ids, index: Some(walk.index.name.clone()) }))
    }

    fn union(
        &self,
        collection: &Arc<Collection>,
        slot: SlotId,
        list: &[Node],
        limit: usize,
    ) -> Result<Option<Few>> {
        let mut all = Few::default();
        for side in list {
            let Some(few) = self.of(collection, slot, &plan::conjuncts(side), limit)? else {
                return Ok(None);
            };
            all.ids.extend(few.ids);
            all.index = match (all.index, few.index) {
                (Some(known), Some(more)) if known != more => Some(format!("{known}, {more}")),
                (known, more) => known.or(more),
            };
            if all.ids.len() > limit {
                return Ok(None);
            }
        }
        Ok(Some(all))
    }

    /// Finds rows of a joined slot first, and from them the rows they are joined to.
    fn joined(
        &self,
        collection: &Arc<Collection>,
        slot: SlotId,
        child: SlotId,
        inner: &Node,
        limit: usize,
    ) -> Result<Option<Few>> {
        let joined = &self.tree.slots[child];
        if joined.from != slot {
            return Ok(None);
        }
        let parts = plan::conjuncts(inner);
        match &joined.join {
            Join::Relation { field, target } => {
                // A condition that an absent row satisfies is true of rows that are joined to none.
                if !parts.iter().any(|part| refuses_absent(self.tree, part, child)) {
                    return Ok(None);
                }
                let Some(index) = rows::relation_index(collection, *field) else { return Ok(None) };
                let Some(few) = self.of(target, child, &parts, limit.min(256))? else {
                    return Ok(None);
                };
                let mut ids = BTreeSet::new();
                for id in &few.ids {
                    let mut key = keys::index(collection.number, index.number);
                    codec::put(&mut key, &Datum::Text(id.as_str().into()), Column::default());
                    let range = Range::prefix(&key);
                    let more = rows::entries(
                        self.scope,
                        self.spent,
                        None,
                        range,
                        Order::Forward,
                        &mut |entry| {
                            ids.insert(entry.id.to_owned());
                            Ok(ids.len() > limit)
                        },
                    )?;
                    if more {
                        return Ok(None);
                    }
                }
                Ok(Some(Few { ids, index: few.index }))
            }
            Join::Back { source, field } => {
                if !parts.iter().any(|part| refuses_absent(self.tree, part, child)) {
                    return Ok(None);
                }
                let Some(few) = self.of(source, child, &parts, limit)? else { return Ok(None) };
                let mut ids = BTreeSet::new();
                for id in &few.ids {
                    let found = rows::find(self.scope, source, id, self.spent)?;
                    ids.extend(found.iter().flat_map(|record| rows::listed(record, *field)));
                }
                Ok(Some(Few { ids, index: few.index }))
            }
            _ => Ok(None),
        }
    }
}

/// Whether the condition is an equality that no absent row satisfies.
fn refuses_absent(tree: &Tree, node: &Node, slot: SlotId) -> bool {
    match node {
        Node::Test(test) if test.op == Op::Equal => match (&test.left, &test.right) {
            (Value::Field(at, _) | Value::Element(at), Value::Constant(datum))
            | (Value::Constant(datum), Value::Field(at, _) | Value::Element(at)) => {
                *at == slot && !compare::is_blank(datum)
            }
            _ => false,
        },
        Node::Or(list) => list
            .iter()
            .all(|node| plan::conjuncts(node).iter().any(|part| refuses_absent(tree, part, slot))),
        // A row of the child refuses for its parent: an absent parent has an absent child.
        Node::Any(child, inner) => {
            let parts = plan::conjuncts(inner);
            tree.slots[*child].from == slot
                && parts.iter().any(|part| refuses_absent(tree, part, *child))
        }
        Node::Always(_) | Node::And(_) | Node::All(..) | Node::Test(_) | Node::Listable(..) => {
            false
        }
    }
}
