//! Which index would have helped: for those whose query read too much, and for superusers who ask.

use crate::domain::schema::{Collection, IndexColumn};
use crate::query::ast::Op;
use crate::query::plan;
use crate::query::tree::{Join, Node, SlotId, SortKey, Tree, Value};

/// Most columns with one value that are worth an index of all of them.
const COLUMNS: usize = 3;

/// The rows of a slot, which are of one collection.
#[derive(Clone, Copy)]
struct Rows<'a> {
    slot: SlotId,
    collection: &'a Collection,
}

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
        let root = Rows { slot: 0, collection: &self.tree.collection };
        let (mut columns, is_sorted) = self.asked(root, conjuncts);
        if is_sorted && (self.sorts_only || !columns.is_empty()) {
            let order = self.order(&columns);
            columns.extend(order);
        }
        if !columns.is_empty() && !has(root.collection, &columns) {
            return Some(named(root.collection, &columns));
        }
        conjuncts.iter().find_map(|node| match node {
            Node::Or(sides) => self.of_sides(root, sides),
            Node::Any(slot, inner) => self.of_joined(*slot, inner),
            _ => None,
        })
    }

    /// What is asked of fields that an index could answer: what they are equal to, and then a range or
    /// a beginning. Whether the entries below that could be in the order wanted.
    fn asked(&self, rows: Rows, conjuncts: &[&Node]) -> (Vec<String>, bool) {
        let mut columns: Vec<String> = Vec::new();
        for field in self.fields(rows, conjuncts, &[Op::Equal]) {
            if columns.len() < COLUMNS && !columns.contains(&field) {
                columns.push(field);
            }
        }
        let ranges = [Op::Greater, Op::GreaterOrEqual, Op::Less, Op::LessOrEqual];
        let ranged = self.fields(rows, conjuncts, &ranges).next();
        let ranged = ranged.or_else(|| self.begun(rows, conjuncts));
        let is_sorted = ranged.is_none();
        columns.extend(ranged.filter(|field| !columns.contains(field)));
        (columns, is_sorted)
    }

    fn fields<'c>(
        &'c self,
        rows: Rows<'c>,
        conjuncts: &'c [&Node],
        wanted: &'c [Op],
    ) -> impl Iterator<Item = String> + 'c {
        conjuncts.iter().filter_map(move |node| {
            let Node::Test(test) = node else { return None };
            let (field, op, datum) = plan::against_constant(test, rows.slot)?;
            let field = rows.collection.fields.get(field)?;
            let helps = wanted.contains(&op) && plan::key_of(&field.kind, datum).is_some();
            (helps && self.may_name(rows, &field.name)).then(|| field.name.clone())
        })
    }

    /// A field of which the beginning is asked.
    fn begun(&self, rows: Rows, conjuncts: &[&Node]) -> Option<String> {
        conjuncts.iter().find_map(|node| {
            let Node::Test(test) = node else { return None };
            let (field, op, _) = plan::against_constant(test, rows.slot)?;
            let begins = test.pattern.as_ref().and_then(|pattern| pattern.beginning()).is_some();
            let field = rows.collection.fields.get(field)?;
            let helps = op == Op::Like && begins && plan::is_text(&field.kind);
            (helps && self.may_name(rows, &field.name))
                .then(|| format!("{} COLLATE NOCASE", field.name))
        })
    }

    /// Fields of other collections are told to superusers alone.
    fn may_name(&self, rows: Rows, field: &str) -> bool {
        (self.named)(if rows.slot == 0 { field } else { "" })
    }

    /// Those that the sides of an alternative lack: all of them need one.
    fn of_sides(&self, rows: Rows, sides: &[Node]) -> Option<String> {
        let mut lacking = Vec::new();
        for side in sides {
            let conjuncts = plan::conjuncts(side);
            if self.is_answered(rows.collection, &conjuncts) {
                continue;
            }
            let (columns, _) = self.asked(rows, &conjuncts);
            if columns.is_empty() {
                return None;
            }
            let index = named(rows.collection, &columns);
            if !lacking.contains(&index) {
                lacking.push(index);
            }
        }
        (!lacking.is_empty()).then(|| lacking.join(" and one on "))
    }

    /// That of the collection that a relation leads to: from its few rows, those before are found.
    fn of_joined(&self, slot: SlotId, inner: &Node) -> Option<String> {
        let joined = &self.tree.slots[slot];
        let Join::Relation { target, .. } = &joined.join else { return None };
        let rows = Rows { slot, collection: target };
        let (columns, _) = self.asked(rows, &plan::conjuncts(inner));
        let helps = joined.from == 0 && !columns.is_empty() && !has(target, &columns);
        helps.then(|| named(target, &columns))
    }

    fn is_answered(&self, collection: &Collection, conjuncts: &[&Node]) -> bool {
        collection.indexes.iter().any(|index| {
            let walk = plan::walk(self.tree, collection, 0, conjuncts, index);
            walk.is_some_and(|walk| walk.narrow)
        })
    }

    /// The columns of the order wanted, behind those that have one value; none if no index has it.
    fn order(&self, fixed: &[String]) -> Vec<String> {
        let mut columns = Vec::new();
        for key in self.sort {
            let Value::Field(0, field) = key.value else { return Vec::new() };
            let name = &self.tree.collection.fields[field].name;
            let direction = if key.descending { " DESC" } else { "" };
            if !fixed.contains(name) {
                columns.push(format!("{name}{direction}"));
            }
        }
        columns
    }
}

/// Whether there is an index that begins with these columns.
fn has(collection: &Collection, columns: &[String]) -> bool {
    let name = |column: &IndexColumn| {
        let name = &collection.fields[column.field?].name;
        Some(if column.nocase { format!("{name} COLLATE NOCASE") } else { name.clone() })
    };
    let plain = |column: &String| column.trim_end_matches(" DESC").to_owned();
    collection.indexes.iter().any(|index| {
        let begins = index.columns.iter().map(name).take(columns.len());
        index.condition.is_none() && begins.eq(columns.iter().map(|column| Some(plain(column))))
    })
}

fn named(collection: &Collection, columns: &[String]) -> String {
    format!("{} ({})", collection.name, columns.join(", "))
}
