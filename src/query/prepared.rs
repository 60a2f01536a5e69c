//! Access rules bound once per schema: those that ask of a request only who makes it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::record::Record;
use crate::domain::schema::Collection;
use crate::query::ast::{Expr, Operand, Term};
use crate::query::tree::{Cell, Join, Tree};

/// Rules remembered of one collection: seven, for callers of a few kinds.
const RULES_MAX: usize = 32;

/// The trees of one schema's rules, by the number of the collection.
#[derive(Debug, Default)]
pub struct Prepared(RwLock<HashMap<u32, Vec<Bound>>>);

#[derive(Debug)]
struct Bound {
    rule: String,
    /// The collection of those who ask; `None`: whoever is no account.
    callers: Option<Arc<Collection>>,
    tree: Tree,
}

impl Bound {
    fn is_for(&self, collection: &Arc<Collection>, rule: &str, caller: Option<&Record>) -> bool {
        let callers = match (&self.callers, caller) {
            (None, None) => true,
            (Some(known), Some(caller)) => Arc::ptr_eq(known, caller.collection()),
            _ => false,
        };
        callers && Arc::ptr_eq(&self.tree.collection, collection) && self.rule == rule
    }
}

impl Prepared {
    /// The tree of `rule`, if it is known, for this caller.
    pub(super) fn find(
        &self,
        collection: &Arc<Collection>,
        rule: &str,
        caller: Option<&Record>,
    ) -> Option<Tree> {
        let known = self.0.read();
        let mut found = known.get(&collection.number)?.iter();
        let bound = found.find(|bound| bound.is_for(collection, rule, caller))?;
        Some(of_caller(&bound.tree, caller))
    }

    /// Remembers what `rule` was bound to, if it is the same for every caller of this kind.
    pub(super) fn keep(&self, rule: &str, expr: &Expr, caller: Option<&Record>, tree: &Tree) {
        if !asks_for_the_caller_alone(expr) {
            return;
        }
        let mut known = self.0.write();
        let rules = known.entry(tree.collection.number).or_default();
        if rules.len() < RULES_MAX
            && !rules.iter().any(|bound| bound.is_for(&tree.collection, rule, caller))
        {
            rules.push(Bound {
                rule: rule.to_owned(),
                callers: caller.map(|caller| caller.collection().clone()),
                // Nobody in particular: what is remembered keeps no account alive.
                tree: of_caller(tree, None),
            });
        }
    }
}

/// The tree, asked by this caller. The only rows that came with the request are its account.
fn of_caller(tree: &Tree, caller: Option<&Record>) -> Tree {
    let mut tree = tree.clone();
    for slot in &mut tree.slots {
        if let Join::Given(cells) = &mut slot.join {
            let caller = caller.map_or(Cell::Absent, |caller| Cell::Record(caller.clone()));
            *cells = Arc::new(vec![caller]);
        }
    }
    tree
}

/// Whether a rule means the same at any moment, however it is asked and with whatever body.
fn asks_for_the_caller_alone(expr: &Expr) -> bool {
    let operand = |operand: &Operand| match &operand.term {
        Term::Path(path) => {
            path[0].name != "@request" || path.get(1).is_some_and(|of| of.name == "auth")
        }
        Term::Text(_) | Term::Number(_) | Term::Bool(_) | Term::Null => true,
        // Moments, and what may hold one.
        Term::Macro(_) | Term::Call(..) => false,
    };
    match expr {
        Expr::And(list) | Expr::Or(list) => list.iter().all(asks_for_the_caller_alone),
        Expr::Compare(comparison) => operand(&comparison.left) && operand(&comparison.right),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::request::{Caller, Request};
    use crate::domain::samples;
    use crate::query::world::World;
    use crate::query::{self, Scope};

    fn world() -> World {
        let note = samples::collection(
            1,
            "note",
            &[("owner", samples::relation("user", 1)), ("n", samples::number())],
        );
        let user = samples::collection(2, "user", &[("level", samples::number())]);
        // The same name means another field there.
        let staff = samples::collection(
            3,
            "staff",
            &[("x", samples::text()), ("level", samples::number())],
        );
        let records = [
            ("user", json!({"id": "ann", "level": 1})),
            ("user", json!({"id": "bob", "level": 2})),
            ("staff", json!({"id": "sue", "x": "", "level": 3})),
            ("note", json!({"id": "n1", "owner": "ann", "n": 1})),
            ("note", json!({"id": "n2", "owner": "bob", "n": 3})),
        ];
        World::new(vec![note, user, staff], &records)
    }

    /// What each caller may see, asked often enough for everything to be remembered.
    fn seen(rule: &str) -> Vec<Vec<bool>> {
        let world = world();
        let account = |collection, id| Caller::Account(world.record(collection, id));
        let callers = [
            Caller::Guest,
            account("user", "ann"),
            account("user", "bob"),
            account("staff", "sue"),
        ];
        let ask = |world: &World| {
            let answers = |caller: &Caller| {
                let request = Request { caller: caller.clone(), ..World::guest() };
                let scope =
                    Scope { read: &world.snapshot, schema: &world.schema, request: &request };
                let passes = |id| query::matches(&scope, rule, &world.record("note", id)).unwrap();
                vec![passes("n1"), passes("n2")]
            };
            callers.iter().map(answers).collect::<Vec<_>>()
        };
        let first = ask(&world);
        assert_eq!(ask(&world), first, "{rule}");
        first
    }

    #[test]
    fn every_caller_is_itself() {
        let (yes, no) = (true, false);
        for (rule, wanted) in [
            ("owner = @request.auth.id", [[no, no], [yes, no], [no, yes], [no, no]]),
            ("@request.auth.id = ''", [[yes, yes], [no, no], [no, no], [no, no]]),
            ("n = @request.auth.level", [[no, no], [yes, no], [no, no], [no, yes]]),
            ("owner.level >= @request.auth.level", [[no, no], [yes, yes], [no, yes], [no, no]]),
            ("@request.auth.collectionName = 'staff'", [[no, no], [no, no], [no, no], [yes, yes]]),
            (
                "@collection.note.owner ?= @request.auth.id && n = 1",
                [[no, no], [yes, no], [yes, no], [no, no]],
            ),
        ] {
            assert_eq!(seen(rule), wanted, "{rule}");
        }
    }

    #[test]
    fn what_else_is_asked_of_a_request_is_looked_at_each_time() {
        let world = world();
        let note = world.record("note", "n1");
        let mut request = World::guest();
        let rules = [
            "@request.method = 'GET' && n = 1",
            "@request.query.a = '' && n = 1",
            "@request.headers.a = '' && n = 1",
            "@request.body.n:isset = false && n = 1",
            "@request.context = 'default' && n = 1",
            "@now > '1980-01-01 00:00:00.000Z' && n = 1",
            "strftime('%Y', 'now') > '1980' && n = 1",
        ];
        let passes = |request: &Request, rule| {
            let scope = Scope { read: &world.snapshot, schema: &world.schema, request };
            query::matches(&scope, rule, &note).unwrap()
        };
        request.method = "GET".into();
        request.context = "default";
        request.now_ms = 2_000_000_000_000;
        for rule in rules {
            assert!(passes(&request, rule), "{rule}");
        }
        request.method = "PATCH".into();
        request.context = "realtime";
        request.query.insert("a".into(), "1".into());
        request.headers.state([("a".into(), "1".into())]);
        request.body.insert("n".into(), json!(1));
        request.now_ms = 0;
        for rule in rules {
            assert!(!passes(&request, rule), "{rule}");
        }
    }
}
