//! Which index would have helped: for those whose query read too much, and for superusers who ask.

use crate::domain::schema::Collection;
use crate::query::ast::Op;
use crate::query::plan;
use crate::query::tree::{Node, SortKey, Tree, Value};

/// The index that would help with a tree, as its table and columns.
pub struct Missing<'a> {
    pub tree: &'a Tree,
    /// Which fields may be named.
    pub named: &'a dyn Fn(&str) -> bool,
    /// The order wanted, where an index could have it.
    pub sort: &'a [SortKey],
    /// The order alone is what cost: nothing is asked of the records.
    pub sorts_only: bool,
}

impl Missing<'_> {
    pub fn index(&self, conjuncts: &[&Node]) -> Option<String> {
        let collection = &self.tree.collection;
        let (mut columns, is_sorted) = self.asked(conjuncts);
        if columns.is_empty()
            && let Some(other) = conjuncts.iter().find_map(|node| self.of_a_side(node))
        {
            columns = other;
        } else if is_sorted && (self.sorts_only || !columns.is_empty()) {
            let order = self.order(&columns);
            columns.extend(order);
        }
        (!columns.is_empty()).then(|| format!("{} ({})", collection.name, columns.join(", ")))
    }

    /// What is asked of fields that an index could answer: what one is equal to, and then a range or a
    /// beginning. Whether the entries below that could be in the order wanted.
    fn asked(&self, conjuncts: &[&Node]) -> (Vec<String>, bool) {
        let equal = self.field(conjuncts, &[Op::Equal]);
        let ranges = [Op::Greater, Op::GreaterOrEqual, Op::Less, Op::LessOrEqual];
        let ranged = self.field(conjuncts, &ranges).or_else(|| self.begun(conjuncts));
        let is_sorted = ranged.is_none();
        (equal.into_iter().chain(ranged).collect(), is_sorted)
    }

    fn field(&self, conjuncts: &[&Node], wanted: &[Op]) -> Option<String> {
        conjuncts.iter().find_map(|node| {
            let Node::Test(test) = node else { return None };
            let (field, op, datum) = plan::against_constant(test, 0)?;
            let field = &self.tree.collection.fields[field];
            let helps = wanted.contains(&op) && plan::key_of(&field.kind, datum).is_some();
            (helps && (self.named)(&field.name)).then(|| field.name.clone())
        })
    }

    /// A field of which the beginning is asked.
    fn begun(&self, conjuncts: &[&Node]) -> Option<String> {
        conjuncts.iter().find_map(|node| {
            let Node::Test(test) = node else { return None };
            let (field, op, _) = plan::against_constant(test, 0)?;
            let begins = test.pattern.as_ref().and_then(|pattern| pattern.beginning()).is_some();
            let field = &self.tree.collection.fields[field];
            let helps = op == Op::Like && begins && plan::is_text(&field.kind);
            (helps && (self.named)(&field.name)).then(|| format!("{} COLLATE NOCASE", field.name))
        })
    }

    /// The first side of an alternative that no index answers: all sides need one.
    fn of_a_side(&self, node: &Node) -> Option<Vec<String>> {
        let Node::Or(sides) = node else { return None };
        let mut lacking = None;
        for side in sides {
            let conjuncts = plan::conjuncts(side);
            if self.is_answered(&self.tree.collection, &conjuncts) {
                continue;
            }
            let (columns, _) = self.asked(&conjuncts);
            if columns.is_empty() {
                return None;
            }
            lacking.get_or_insert(columns);
        }
        lacking
    }

    fn is_answered(&self, collection: &Collection, conjuncts: &[&Node]) -> bool {
        collection.indexes.iter().any(|index| {
            let walk = plan::walk(self.tree, collection, 0, conjuncts, index);
            walk.is_some_and(|walk| walk.narrow)
        })
    }

    /// The columns of the order wanted, behind those that have one value; none if no index has it.
    fn order(&self, fixed: &[String]) -> Vec<String> {
        let column = |key: &SortKey| {
            let Value::Field(0, field) = key.value else { return None };
            let name = &self.tree.collection.fields[field].name;
            // Behind every entry stands the id.
            if name == "id" {
                return None;
            }
            let direction = if key.descending { " DESC" } else { "" };
            Some((name.clone(), format!("{name}{direction}")))
        };
        let columns: Option<Vec<_>> = self.sort.iter().map(column).collect();
        let columns = columns.unwrap_or_default().into_iter();
        columns.filter(|(name, _)| !fixed.contains(name)).map(|(_, column)| column).collect()
    }
}
