//! Answers once what does not depend on the record: who asks, what was sent, other collections.

use std::sync::Arc;

use crate::query::Result;
use crate::query::ast::Op;
use crate::query::compare;
use crate::query::evaluate::Evaluator;
use crate::query::pattern::Pattern;
use crate::query::tree::{Node, Slots, Test, Tree, Value, chain, depends_on_record};

/// The tree with everything answered that no record can change.
pub fn folded(at: &mut Evaluator, tree: &Tree) -> Result<Tree> {
    let node = node(at, tree, &tree.node)?;
    Ok(Tree {
        collection: tree.collection.clone(),
        slots: tree.slots.clone(),
        node: Arc::new(node),
        sort: tree.sort.clone(),
    })
}

fn node(at: &mut Evaluator, tree: &Tree, old: &Node) -> Result<Node> {
    let new = match old {
        Node::Always(_) | Node::Listable(..) => old.clone(),
        Node::And(list) => return joined(at, tree, list, false),
        Node::Or(list) => return joined(at, tree, list, true),
        Node::Any(slot, inner) | Node::All(slot, inner) => {
            let (used, bound) = used(inner);
            let outside = chain(&tree.slots, used | 1 << slot) & !(bound | 1 << slot);
            if outside == 0 && !depends_on_record(&tree.slots, used | 1 << slot) {
                return Ok(Node::Always(at.holds(old)?));
            }
            let inner = node(at, tree, inner)?;
            if self::used(&inner).0 >> slot & 1 == 0 && !hangs_inside(tree, &inner, *slot) {
                // There is always a row, if only the absent one.
                return Ok(inner);
            }
            let inner = Box::new(inner);
            if matches!(old, Node::Any(..)) {
                Node::Any(*slot, inner)
            } else {
                Node::All(*slot, inner)
            }
        }
        Node::Test(old) => {
            let mut test = old.clone();
            test.left = value(at, tree, &old.left)?;
            test.right = value(at, tree, &old.right)?;
            ready(&mut test);
            let constant = |value: &Value| matches!(value, Value::Constant(_));
            if constant(&test.left) && constant(&test.right) {
                return Ok(Node::Always(at.holds(&Node::Test(test))?));
            }
            Node::Test(test)
        }
    };
    Ok(new)
}

/// The list of an "and", or of an "or" when `answer` is what decides it.
fn joined(at: &mut Evaluator, tree: &Tree, list: &[Node], answer: bool) -> Result<Node> {
    let mut kept = Vec::with_capacity(list.len());
    for old in list {
        match node(at, tree, old)? {
            Node::Always(found) if found == answer => return Ok(Node::Always(answer)),
            Node::Always(_) => {}
            other => kept.push(other),
        }
    }
    Ok(match kept.len() {
        0 => Node::Always(!answer),
        1 => kept.remove(0),
        _ if answer => Node::Or(kept),
        _ => Node::And(kept),
    })
}

fn value(at: &mut Evaluator, tree: &Tree, old: &Value) -> Result<Value> {
    let slots = old.slots();
    let all = chain(&tree.slots, slots);
    let single = (1..tree.slots.len()).all(|slot| all >> slot & 1 == 0 || !tree.slots[slot].many);
    let constant = matches!(old, Value::Constant(_));
    if constant || !single || depends_on_record(&tree.slots, slots) || matches!(old, Value::Random)
    {
        return Ok(old.clone());
    }
    Ok(Value::Constant(at.first(slots, old)?))
}

/// Makes constants ready that were not known before.
fn ready(test: &mut Test) {
    let like = matches!(test.op, Op::Like | Op::NotLike);
    for (value, numeric) in [&mut test.left, &mut test.right].into_iter().zip(&mut test.numeric) {
        if let (Value::Constant(datum), true, false) = (value, *numeric, like) {
            *datum = compare::as_number(datum.clone());
            *numeric = false;
        }
    }
    if let (Value::Constant(datum), true, None) = (&test.right, like, &test.pattern) {
        test.pattern = compare::text(datum).map(|text| Pattern::new(&text));
    }
}

/// The slots that a condition looks at, and those that it binds itself.
pub fn used(node: &Node) -> (Slots, Slots) {
    match node {
        Node::Always(_) => (0, 0),
        Node::And(list) | Node::Or(list) => list.iter().fold((0, 0), |(used, bound), node| {
            let (more_used, more_bound) = self::used(node);
            (used | more_used, bound | more_bound)
        }),
        Node::Any(slot, inner) | Node::All(slot, inner) => {
            let (used, bound) = self::used(inner);
            (used, bound | 1 << slot)
        }
        Node::Test(test) => (test.left.slots() | test.right.slots(), 0),
        Node::Listable(slot, _) => (1 << slot, 0),
    }
}

/// Whether a row that the condition looks at hangs on `slot`.
fn hangs_inside(tree: &Tree, node: &Node, slot: usize) -> bool {
    chain(&tree.slots, used(node).0) >> slot & 1 == 1
}
