//! Makes one tree of a rule, a filter and a sort: every joined row bound where it belongs.
//!
//! All `?` conditions on a path look at the same row, whichever text they stand in: some choice of
//! one row per path makes the whole tree true. Every plain condition is about all rows, on its own.

use std::sync::Arc;

use crate::domain::request::Request;
use crate::domain::schema::{Collection, Schema};
use crate::query::ast::{Comparison, Expr, Op, Operand, Term};
use crate::query::compare;
use crate::query::lexer;
use crate::query::parser::{self, invalid};
use crate::query::pattern::Pattern;
use crate::query::resolve::Resolver;
use crate::query::side::{Nature, Side, Trust};
use crate::query::sort;
use crate::query::tree::{Node, Slot, SlotId, Slots, Test, Tree, Value, chain};
use crate::query::{Error, Result};
use crate::store::codec::Datum;

/// Longest filter of a client, in characters. Rules may be longer.
const FILTER_LIMIT: usize = 3500;

/// A condition before its rows are bound.
enum Unbound {
    And(Vec<Unbound>),
    Or(Vec<Unbound>),
    /// What is tested, the slots it looks at, and whether one choice of rows is enough.
    Leaf {
        node: Node,
        slots: Slots,
        any: bool,
    },
}

/// The texts that make up one query.
#[derive(Debug, Default, Clone, Copy)]
pub struct Texts<'a> {
    pub rule: Option<&'a str>,
    pub filter: &'a str,
    pub sort: &'a str,
}

/// The tree of an access rule alone.
pub fn rule(
    schema: &Arc<Schema>,
    request: &Request,
    collection: &Arc<Collection>,
    rule: &str,
) -> Result<Tree> {
    let texts = Texts { rule: Some(rule), ..Texts::default() };
    query(schema, request, collection, texts)
}

/// The tree of a whole query.
pub fn query(
    schema: &Arc<Schema>,
    request: &Request,
    collection: &Arc<Collection>,
    texts: Texts,
) -> Result<Tree> {
    if let Some(tree) = schema.prepared.find(collection, request, &texts) {
        // What is remembered of one caller must be true of every other.
        #[cfg(debug_assertions)]
        {
            let (known, (new, _)) = (&tree, anew(schema, request, collection, texts)?);
            let said = |tree: &Tree| format!("{:?} {:?}", tree.node, tree.sort);
            assert_eq!(said(known), said(&new));
        }
        return Ok(tree);
    }
    let (tree, lasts) = anew(schema, request, collection, texts)?;
    if lasts && schema.by_number(collection.number).is_some_and(|own| Arc::ptr_eq(own, collection))
    {
        schema.prepared.keep(request, &texts, &tree);
    }
    Ok(tree)
}

/// Binds a query, whatever is remembered; and whether the tree is the same for all callers of a kind.
fn anew(
    schema: &Arc<Schema>,
    request: &Request,
    collection: &Arc<Collection>,
    texts: Texts,
) -> Result<(Tree, bool)> {
    let mut resolver = Resolver::new(schema, request, collection);
    let mut terms = Vec::new();
    let mut guarded = 0;
    if let Some(text) = texts.rule
        && let Some(expr) = &*collection.parsed(text, parser::parse)?
    {
        terms.push(unbound(&mut resolver, text, expr, &mut guarded)?);
    }
    let client = !request.caller.is_superuser();
    if client {
        resolver.trust = Trust::Client;
    }
    if texts.filter.chars().count() > FILTER_LIMIT {
        let problem = format!("a filter may have {FILTER_LIMIT} characters");
        return Err(Error::Invalid { at: FILTER_LIMIT, problem });
    }
    if let Some(expr) = parser::parse(texts.filter)? {
        if client && asks_beyond(&expr) {
            return Err(Error::Forbidden("@request and @collection are for superusers"));
        }
        terms.push(unbound(&mut resolver, texts.filter, &expr, &mut guarded)?);
    }
    let sort = sort::keys(&mut resolver, texts.sort, &mut guarded)?;
    for (slot, tree) in &resolver.guards {
        if guarded >> slot & 1 == 1 {
            let node = Node::Listable(*slot, tree.clone());
            terms.push(Unbound::Leaf { node, slots: 1 << slot, any: true });
        }
    }
    let node = match terms.len() {
        0 => Node::Always(true),
        _ => bind(&Unbound::And(terms), &resolver.slots, 0),
    };
    let lasts = !resolver.fleeting && resolver.guards.is_empty();
    let tree =
        Tree { collection: collection.clone(), slots: resolver.slots, node: Arc::new(node), sort };
    Ok((tree, lasts))
}

/// Whether a filter speaks of the request or of other collections.
fn asks_beyond(expr: &Expr) -> bool {
    fn operand_asks(operand: &Operand) -> bool {
        match &operand.term {
            Term::Path(path) => path[0].name.starts_with('@'),
            Term::Call(_, operands) => operands.iter().any(operand_asks),
            Term::Text(_) | Term::Number(_) | Term::Bool(_) | Term::Null | Term::Macro(_) => false,
        }
    }
    match expr {
        Expr::And(list) | Expr::Or(list) => list.iter().any(asks_beyond),
        Expr::Compare(comparison) => {
            operand_asks(&comparison.left) || operand_asks(&comparison.right)
        }
    }
}

fn unbound(
    resolver: &mut Resolver,
    text: &str,
    expr: &Expr,
    guarded: &mut Slots,
) -> Result<Unbound> {
    let mut each = |list: &[Expr]| {
        list.iter().map(|expr| unbound(resolver, text, expr, guarded)).collect::<Result<Vec<_>>>()
    };
    match expr {
        Expr::And(list) => Ok(Unbound::And(each(list)?)),
        Expr::Or(list) => Ok(Unbound::Or(each(list)?)),
        Expr::Compare(comparison) => leaf(resolver, comparison, guarded)
            .map_err(|wrong| invalid(text, wrong.at, wrong.problem)),
    }
}

fn leaf(
    resolver: &mut Resolver,
    comparison: &Comparison,
    guarded: &mut Slots,
) -> lexer::Result<Unbound> {
    let left = resolver.operand(&comparison.left)?;
    let right = resolver.operand(&comparison.right)?;
    let denied = left.guarded | right.guarded;
    *guarded |= denied;
    let emails: Vec<_> = left.emails.iter().chain(&right.emails).copied().collect();
    let is_sent = left.nature == Nature::Sent || right.nature == Nature::Sent;
    let mut test = test(left, comparison.op, right);
    let slots = test.left.slots() | test.right.slots();
    let many = chain(&resolver.slots, slots);
    // Of one row at most, "all" and "some" say the same: then terms may share the row.
    let many =
        (1..resolver.slots.len()).any(|slot| many >> slot & 1 == 1 && resolver.slots[slot].many);
    // Of distances, any near enough will do, as in the original.
    let is_distance = |value: &Value| matches!(value, Value::Distance(_));
    let any = comparison.any || !many || [&test.left, &test.right].into_iter().any(is_distance);
    if is_sent && !any && comparison.op == Op::NotEqual {
        // Nothing sent is not blank, but not all that was sent is something either.
        test.json = false;
    }
    let mut terms = Vec::new();
    if !any && !compares_absent(&test, is_sent) {
        // Absent values can't be compared: some row must satisfy it, and no other deny it.
        let node = shown(Node::Test(Box::new(test.clone())), &emails);
        terms.push(Unbound::Leaf { node, slots: slots | denied, any: true });
        test.lenient = true;
    }
    let mut node = shown(Node::Test(Box::new(test)), &emails);
    if !any {
        // A stranger learns nothing of rows that the list rule denies, not even among others.
        for (slot, tree) in &resolver.guards {
            if denied >> slot & 1 == 1 {
                node = Node::Listable(*slot, tree.clone()).and(node);
            }
        }
    }
    terms.push(Unbound::Leaf { node, slots: slots | denied, any });
    Ok(if terms.len() == 1 { terms.remove(0) } else { Unbound::And(terms) })
}

/// Whether absent values are equal or different, too: to each other, to what is blank, and to JSON.
/// What is no literal may be blank, whatever it is at the moment.
fn compares_absent(test: &Test, is_sent: bool) -> bool {
    let is_something =
        |value: &Value| matches!(value, Value::Constant(datum) if !compare::is_blank(datum));
    match test.op {
        Op::Equal => {
            test.json && !is_sent || ![&test.left, &test.right].into_iter().any(is_something)
        }
        op => op == Op::NotEqual,
    }
}

/// The condition, where every address that it looks at is shown to everybody.
fn shown(node: Node, emails: &[(SlotId, usize)]) -> Node {
    emails.iter().fold(node, |node, (slot, visibility)| {
        let visibility = Side::new(Value::Field(*slot, *visibility), Nature::Number);
        let yes = Side::constant(Datum::Number(1.0));
        Node::Test(Box::new(test(visibility, Op::Equal, yes))).and(node)
    })
}

/// The comparison of two sides, its constants made ready.
pub fn test(left: Side, op: Op, right: Side) -> Test {
    let numeric =
        |side: &Side, other: &Side| other.nature == Nature::Number && side.nature != Nature::Number;
    let mut numeric = [numeric(&left, &right), numeric(&right, &left)];
    let natures = [left.nature, right.nature];
    let json = natures.contains(&Nature::Json) || natures.contains(&Nature::Sent);
    let mut values = [left.value, right.value];
    for (value, numeric) in values.iter_mut().zip(&mut numeric) {
        if let Value::Constant(datum) = value {
            if *numeric && !matches!(op, Op::Like | Op::NotLike) {
                *datum = compare::as_number(std::mem::replace(datum, Datum::Null));
            }
            *numeric = false;
        }
    }
    let [mut left, mut right] = values;
    if !matches!(op, Op::Like | Op::NotLike) {
        let [a, b] = natures;
        for (value, own, other) in [(&mut left, a, b), (&mut right, b, a)] {
            match (value, other) {
                (Value::Constant(datum), Nature::Text) if own == Nature::Whole => {
                    *datum = compare::text(datum)
                        .map_or(Datum::Null, |text| Datum::Text(text.into_owned().into()));
                }
                (Value::Constant(datum), Nature::Text) => {
                    *datum = compare::as_text(std::mem::replace(datum, Datum::Null));
                }
                (Value::Constant(datum @ Datum::Null), Nature::Sent)
                    if matches!(op, Op::Equal | Op::NotEqual) =>
                {
                    *datum = Datum::Text("".into());
                }
                _ => {}
            }
        }
    }
    let pattern = match (&right, op) {
        (Value::Constant(datum), Op::Like | Op::NotLike) => {
            compare::text(datum).map(|text| Pattern::new(&text))
        }
        _ => None,
    };
    Test { left, op, right, json, numeric, lenient: false, pattern }
}

/// The slots whose chosen row some condition in here looks at, with all they hang on.
fn free(unbound: &Unbound, slots: &[Slot]) -> Slots {
    match unbound {
        Unbound::And(list) | Unbound::Or(list) => {
            list.iter().fold(0, |set, one| set | free(one, slots))
        }
        Unbound::Leaf { slots: set, any: true, .. } => chain(slots, *set),
        Unbound::Leaf { any: false, .. } => 0,
    }
}

/// Binds every joined row as far inside as it goes. `bound` are those chosen further out.
fn bind(unbound: &Unbound, slots: &[Slot], bound: Slots) -> Node {
    match unbound {
        // There is no "not": a choice of rows satisfies one side or the other, so each side of
        // an "or" may choose for itself.
        Unbound::Or(list) => Node::Or(list.iter().map(|one| bind(one, slots, bound)).collect()),
        Unbound::And(list) => {
            let mut terms = Vec::new();
            flatten(list, &mut terms);
            group(terms, slots, bound)
        }
        Unbound::Leaf { node, slots: set, any } => {
            let all = chain(slots, *set);
            let mut node = node.clone();
            for slot in (1..slots.len()).rev().filter(|slot| all >> slot & 1 == 1) {
                if *any && bound >> slot & 1 == 1 {
                    continue;
                }
                let inner = Box::new(node);
                node = if *any { Node::Any(slot, inner) } else { Node::All(slot, inner) };
            }
            node
        }
    }
}

fn flatten<'a>(list: &'a [Unbound], terms: &mut Vec<&'a Unbound>) {
    for one in list {
        match one {
            Unbound::And(inner) => flatten(inner, terms),
            Unbound::Or(_) | Unbound::Leaf { .. } => terms.push(one),
        }
    }
}

/// Terms that share a row not chosen yet belong together: the outermost row that they share is
/// bound around them.
fn group(terms: Vec<&Unbound>, slots: &[Slot], bound: Slots) -> Node {
    let mut waiting = terms;
    let mut done: Vec<Node> = Vec::new();
    while !waiting.is_empty() {
        let first = waiting.remove(0);
        let mut set = free(first, slots) & !bound;
        let mut members = vec![first];
        loop {
            let shares = |term: &&Unbound| free(term, slots) & !bound & set != 0;
            let (near, far): (Vec<_>, Vec<_>) = waiting.into_iter().partition(shares);
            waiting = far;
            if near.is_empty() {
                break;
            }
            for term in near {
                set |= free(term, slots) & !bound;
                members.push(term);
            }
        }
        if let [only] = members[..] {
            done.push(bind(only, slots, bound));
            continue;
        }
        let uses =
            |slot: SlotId| members.iter().filter(|term| free(term, slots) >> slot & 1 == 1).count();
        let hangs_on_bound = |slot: &SlotId| {
            let from = slots[*slot].from;
            set >> slot & 1 == 1 && (from == 0 || bound >> from & 1 == 1)
        };
        let outermost = (1..slots.len()).filter(hangs_on_bound).max_by_key(|slot| uses(*slot));
        let slot = outermost.expect("a group shares a slot, and every chain of slots has a root");
        done.push(Node::Any(slot, Box::new(group(members, slots, bound | 1 << slot))));
    }
    // What needs no other row comes first.
    done.sort_by_key(weight);
    if done.len() == 1 { done.remove(0) } else { Node::And(done) }
}

/// How much work a condition is, roughly.
fn weight(node: &Node) -> usize {
    match node {
        Node::Always(_) => 0,
        Node::Test(test) if matches!(test.op, Op::Like | Op::NotLike) => 2,
        Node::Test(_) => 1,
        Node::And(list) | Node::Or(list) => list.iter().map(weight).sum(),
        Node::Any(_, inner) | Node::All(_, inner) => 50 + weight(inner),
        Node::Listable(..) => 20,
    }
}
