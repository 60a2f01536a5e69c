//! Whether what a query asks implies the condition of a partial index: then the index has all of it.

use std::cmp::Ordering;

use crate::domain::schema::Collection;
use crate::query::ast::{Comparison, Expr, Op, Term};
use crate::query::bind;
use crate::query::compare;
use crate::query::parser;
use crate::query::plan;
use crate::query::side::{Side, nature};
use crate::query::tree::{Node, SlotId, Test, Value};
use crate::store::codec::Datum;

/// How deep "or" is looked into: each level multiplies the work.
const DEPTH_LIMIT: usize = 2;

/// Which conjuncts the condition of the index answers wholly, if together they imply it; `None`
/// where a record may satisfy them that the index does not have.
pub fn answered(
    collection: &Collection,
    slot: SlotId,
    conjuncts: &[&Node],
    condition: &str,
) -> Option<Vec<usize>> {
    // Nothing is implied by nothing, and most queries need not parse the condition.
    if !conjuncts.iter().any(|node| matches!(node, Node::Test(_) | Node::Or(_))) {
        return None;
    }
    let condition = parser::parse(condition).ok().flatten()?;
    if !implied(collection, slot, conjuncts, &condition, 0) {
        return None;
    }
    let parts = match &condition {
        Expr::And(list) => &list[..],
        other => std::slice::from_ref(other),
    };
    let terms: Vec<Test> = parts.iter().filter_map(|part| term(collection, slot, part)).collect();
    let stated = |node: &Node| match node {
        Node::Test(test) => terms.iter().any(|term| same(test, term)),
        _ => false,
    };
    Some((0..conjuncts.len()).filter(|number| stated(conjuncts[*number])).collect())
}

/// Whether every record that satisfies the conjuncts satisfies `wanted`. What is not seen to be
/// implied is not.
fn implied(
    collection: &Collection,
    slot: SlotId,
    conjuncts: &[&Node],
    wanted: &Expr,
    depth: usize,
) -> bool {
    let direct = match wanted {
        Expr::And(list) => {
            list.iter().all(|part| implied(collection, slot, conjuncts, part, depth))
        }
        Expr::Or(list) => list.iter().any(|part| implied(collection, slot, conjuncts, part, depth)),
        Expr::Compare(_) => term(collection, slot, wanted).is_some_and(|term| {
            let test = |node: &&Node| match node {
                Node::Test(test) => implies(collection, slot, test, &term),
                _ => false,
            };
            conjuncts.iter().any(test)
        }),
    };
    // An "or" implies what each of its sides does.
    let by_sides = |node: &&Node| match node {
        Node::Or(list) => list
            .iter()
            .all(|side| implied(collection, slot, &plan::conjuncts(side), wanted, depth + 1)),
        _ => false,
    };
    direct || depth < DEPTH_LIMIT && conjuncts.iter().any(by_sides)
}

/// A comparison of the condition as the test that a filter of the same words is bound to.
fn term(collection: &Collection, slot: SlotId, expr: &Expr) -> Option<Test> {
    let Expr::Compare(Comparison { left, op, any: false, right }) = expr else { return None };
    let Term::Path(path) = &left.term else { return None };
    let [segment] = &path[..] else { return None };
    let (field, definition) = collection.field(&segment.name)?;
    let constant = match &right.term {
        Term::Text(text) => Datum::Text(text.clone().into()),
        Term::Number(number) => Datum::Number(*number),
        Term::Bool(value) => Datum::Number(f64::from(*value)),
        Term::Null => Datum::Null,
        Term::Macro(_) | Term::Call(..) | Term::Path(_) => return None,
    };
    if segment.suffix.is_some() {
        return None;
    }
    let side = Side::new(Value::Field(slot, field), nature(&definition.kind));
    Some(bind::test(side, *op, Side::constant(constant)))
}

/// The test's field, its operator seen from there, and the constant. `None` where a value is
/// converted first: then it does not say which one the field has.
fn parts(test: &Test, slot: SlotId) -> Option<(usize, Op, &Datum<'static>)> {
    let plain = test.numeric == [false, false] && !test.lenient;
    plan::against_constant(test, slot).filter(|_| plain)
}

fn same(test: &Test, term: &Test) -> bool {
    let slot = |test: &Test| match (&test.left, &test.right) {
        (Value::Field(slot, _), _) | (_, Value::Field(slot, _)) => Some(*slot),
        _ => None,
    };
    let Some(slot) = slot(term) else { return false };
    match (parts(test, slot), parts(term, slot)) {
        (Some((field, op, datum)), Some((wanted_field, wanted_op, wanted))) => {
            let words = (field, op, test.json) == (wanted_field, wanted_op, term.json);
            words && equal(datum, wanted) && !matches!(op, Op::Like | Op::NotLike)
        }
        _ => false,
    }
}

fn implies(collection: &Collection, slot: SlotId, test: &Test, term: &Test) -> bool {
    if same(test, term) {
        return true;
    }
    let (Some((field, op, datum)), Some((wanted_field, wanted_op, wanted))) =
        (parts(test, slot), parts(term, slot))
    else {
        return false;
    };
    if field != wanted_field || test.json != term.json {
        return false;
    }
    // The field has this value and no other: blank ones are two, absent and empty.
    if op == Op::Equal
        && let Some(value) = plan::key_of(&collection.fields[field].kind, datum)
    {
        return holds(term, slot, value);
    }
    match (op, wanted_op) {
        // What the test denies, it tells apart from all that it grants.
        (_, Op::NotEqual) => {
            let blank = matches!(wanted, Datum::Null) || equal(wanted, &Datum::Text("".into()));
            let both = [Datum::Null, Datum::Text("".into())];
            let values = if blank && !term.json { &both[..] } else { std::slice::from_ref(wanted) };
            values.iter().all(|value| !holds(test, slot, value))
        }
        (Op::Greater | Op::GreaterOrEqual, Op::Greater | Op::GreaterOrEqual)
        | (Op::Less | Op::LessOrEqual, Op::Less | Op::LessOrEqual) => {
            // Where the border itself passes, so does all behind it; where it need not, beside it is
            // enough.
            let strict = matches!(op, Op::Greater | Op::Less);
            let present = !matches!(datum, Datum::Null) && !matches!(wanted, Datum::Null);
            present && (holds(term, slot, datum) || strict && equal(datum, wanted))
        }
        _ => false,
    }
}

fn equal(one: &Datum, other: &Datum) -> bool {
    one.order(other) == Ordering::Equal
}

/// Whether the test holds of a value of its field.
fn holds(test: &Test, slot: SlotId, value: &Datum<'static>) -> bool {
    match (&test.left, &test.right) {
        (Value::Field(at, _), Value::Constant(other)) if *at == slot => {
            compare::holds(test, value.clone(), other.clone())
        }
        (Value::Constant(other), Value::Field(at, _)) if *at == slot => {
            compare::holds(test, other.clone(), value.clone())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::schema::{Index, IndexColumn};
    use crate::query::laws::{comparison, data, ids, page, world_of};

    const CONDITIONS: [&str; 10] = [
        "name != ''",
        "n > 1",
        "n >= 1",
        "n < 2 && name = 'x'",
        "open = true",
        "name = 'x' || name = 'Y'",
        "n != 0",
        "name != null && n <= 2",
        "lead != ''",
        "name >= 'Y'",
    ];

    fn partly_indexed(condition: &str, first: &str) -> impl Fn(Collection) -> Collection {
        move |mut collection| {
            if collection.name == "team" {
                let column = |name: &str| IndexColumn {
                    field: collection.field(name).map(|(at, _)| at),
                    descending: false,
                    nocase: false,
                    each: false,
                };
                collection.indexes = vec![Index {
                    number: 1,
                    name: "partial".to_owned(),
                    unique: false,
                    columns: vec![column(first), column("id")],
                    condition: Some(condition.to_owned()),
                    statement: String::new(),
                    internal: false,
                }];
            }
            collection
        }
    }

    /// Filters that often imply a condition: its own words, or narrower ones, beside others.
    fn filter() -> impl Strategy<Value = String> {
        let near = vec![
            "n > 1",
            "n = 2",
            "n >= 2",
            "n > 0",
            "name = 'x'",
            "name ~ 'x'",
            "name > 'a'",
            "open = true",
            "open != false",
            "(name = 'x' || name = 'Y')",
            "(n = 2 || n = 3)",
            "(n = 2 || name = '')",
            "lead = 'p1'",
            "2 <= n",
            "n < 1",
            "name != ''",
            "name != null",
            "n = '2'",
            "lead.name = 'x'",
            "n <= 1",
            "name >= 'Y'",
            "name > 'X'",
        ];
        let near = proptest::sample::select(near).prop_map(str::to_owned);
        let any = prop_oneof![4 => near, 1 => comparison()];
        proptest::collection::vec(any, 1..4).prop_map(|list| list.join(" && "))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

        #[test]
        fn partial_indexes_change_nothing_of_what_is_found(
            data in data(),
            filter in filter(),
            condition in proptest::sample::select(CONDITIONS.to_vec()),
            first in proptest::sample::select(vec!["n", "name", "open", "lead"]),
            sort in proptest::sample::select(vec!["id", "n,id", "-name,-id", ""]),
            total in any::<bool>(),
        ) {
            let plain = world_of(&data, |collection| collection);
            let planned = world_of(&data, partly_indexed(condition, first));
            let wanted = page(&plain, &filter, sort, 0, 3, total).unwrap();
            let found = page(&planned, &filter, sort, 0, 3, total).unwrap();
            prop_assert_eq!(ids(&found), ids(&wanted), "{} by {:?} where {}", filter, sort, condition);
            prop_assert_eq!(found.total, wanted.total);
        }
    }

    /// The index that answers a filter over teams, where those of `condition` are indexed by `n`.
    fn used(condition: &str, filter: &str) -> bool {
        let data = super::super::laws::some_data();
        let world = world_of(&data, partly_indexed(condition, "n"));
        page(&world, filter, "n,id", 0, 9, false).unwrap().plan.index.is_some()
    }

    #[test]
    fn an_index_is_used_where_the_filter_implies_its_condition() {
        for (condition, filter) in [
            ("open = true", "open = true"),
            ("open = true", "name ~ 'x' && open = true"),
            ("n > 1", "n = 2"),
            ("n > 1", "n > 1"),
            ("n > 1", "n >= 2"),
            ("n > 1", "3 < n"),
            ("n >= 1", "n > 1"),
            ("n != 0", "n > 0"),
            ("name != ''", "name = 'x'"),
            ("name != ''", "name ~ 'x'"),
            ("name != ''", "name > 'a'"),
            ("name != null", "name != ''"),
            ("name = 'x' || name = 'Y'", "name = 'Y'"),
            ("name = 'x' || name = 'Y'", "(name = 'x' || name = 'Y') && n = 1"),
            ("n < 2 && name = 'x'", "n < 1 && name = 'x'"),
            ("n > 1", "n = 2 || n = 3"),
        ] {
            assert!(used(condition, filter), "{filter} of {condition}");
        }
    }

    #[test]
    fn an_index_is_left_alone_where_it_may_lack_a_record() {
        for (condition, filter) in [
            ("open = true", "open != true"),
            ("open = true", "n = 1"),
            ("n > 1", "n >= 1"),
            ("n > 1", "n > 0"),
            ("n > 1", "n = 2 || n = 1"),
            ("n > 1", "n < 1"),
            ("name != ''", "name ~ ''"),
            ("name != ''", "name != 'x'"),
            ("name != ''", "name >= ''"),
            ("name != ''", "lead.name = 'x'"),
            ("n < 2 && name = 'x'", "name = 'x'"),
        ] {
            assert!(!used(condition, filter), "{filter} of {condition}");
        }
    }
}
