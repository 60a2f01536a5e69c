//! Queries bound once per schema: those that ask of a request only who makes it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use quick_cache::Equivalent;
use quick_cache::sync::Cache;

use crate::domain::record::Record;
use crate::domain::request::Request;
use crate::domain::schema::Collection;
use crate::query::bind::Texts;
use crate::query::tree::{Cell, Join, Tree};

/// Queries remembered of one schema: its rules, and the lists that are asked for again and again.
const QUERIES_MAX: usize = 512;
/// Longest filter and sort of one, in bytes.
const LENGTH_MAX: usize = 1024;

/// The trees of one schema's queries, made when first asked for.
#[derive(Default)]
pub struct Prepared(OnceLock<Cache<Query, Arc<Bound>>>);

/// What a tree depends on, with the schema.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Query {
    collection: u32,
    /// The collection of those who ask; `None`: whoever is no account.
    callers: Option<u32>,
    /// Whether filter and sort are held to the limits and the privacy of clients.
    client: bool,
    rule: Option<String>,
    filter: String,
    sort: String,
}

/// The same, as it is looked for. Both hash alike: their members are the same, in the same order.
#[derive(Debug, Hash)]
struct Asked<'a> {
    collection: u32,
    callers: Option<u32>,
    client: bool,
    rule: Option<&'a str>,
    filter: &'a str,
    sort: &'a str,
}

impl Equivalent<Query> for Asked<'_> {
    fn equivalent(&self, query: &Query) -> bool {
        self.collection == query.collection
            && self.callers == query.callers
            && self.client == query.client
            && self.rule == query.rule.as_deref()
            && self.filter == query.filter
            && self.sort == query.sort
    }
}

#[derive(Debug)]
struct Bound {
    callers: Option<Arc<Collection>>,
    tree: Tree,
}

impl Prepared {
    /// The tree of a query, if it is known, for this caller.
    pub(super) fn find(
        &self,
        collection: &Arc<Collection>,
        request: &Request,
        texts: &Texts,
    ) -> Option<Tree> {
        let bound = self.0.get()?.get(&asked(collection, request, texts))?;
        let caller = request.caller.account();
        // An account may have been read by another schema.
        let is_callers = match (&bound.callers, caller) {
            (None, None) => true,
            (Some(known), Some(caller)) => Arc::ptr_eq(known, caller.collection()),
            _ => false,
        };
        let is_it = is_callers && Arc::ptr_eq(&bound.tree.collection, collection);
        is_it.then(|| of_caller(&bound.tree, caller))
    }

    /// Remembers what a query was bound to that is the same for all callers of its kind.
    pub(super) fn keep(&self, request: &Request, texts: &Texts, tree: &Tree) {
        if texts.filter.len() + texts.sort.len() > LENGTH_MAX {
            return;
        }
        let Asked { collection, callers, client, rule, filter, sort } =
            asked(&tree.collection, request, texts);
        let (filter, sort) = (filter.to_owned(), sort.to_owned());
        let rule = rule.map(str::to_owned);
        let bound = Bound {
            callers: request.caller.account().map(|caller| caller.collection().clone()),
            // Nobody in particular: what is remembered keeps no account alive.
            tree: of_caller(tree, None),
        };
        let known = self.0.get_or_init(|| Cache::new(QUERIES_MAX));
        let query = Query { collection, callers, client, rule, filter, sort };
        known.insert(query, Arc::new(bound));
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({})", self.0.get().map_or(0, Cache::len))
    }
}

fn asked<'a>(collection: &Collection, request: &Request, texts: &Texts<'a>) -> Asked<'a> {
    Asked {
        collection: collection.number,
        callers: request.caller.account().map(|caller| caller.collection().number),
        client: !request.caller.is_superuser(),
        rule: texts.rule,
        filter: texts.filter,
        sort: texts.sort,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use crate::domain::fields::Kind;
    use crate::domain::record::Record;
    use crate::domain::request::{Caller, Request};
    use crate::domain::samples;
    use crate::domain::schema::Schema;
    use crate::query::world::World;
    use crate::query::{self, List, Scope};

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

    /// Nobody, and accounts of two collections.
    fn callers(world: &World) -> [Caller; 4] {
        let account = |collection, id| Caller::Account(world.record(collection, id));
        [Caller::Guest, account("user", "ann"), account("user", "bob"), account("staff", "sue")]
    }

    /// What each caller may see, asked often enough for everything to be remembered.
    fn seen(rule: &str) -> Vec<Vec<bool>> {
        let world = world();
        let callers = callers(&world);
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
        // Once for each kind of caller.
        assert_eq!(format!("{:?}", world.schema.prepared), "Prepared(3)", "{rule}");
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
        assert_eq!(format!("{:?}", world.schema.prepared), "Prepared(0)");
    }

    #[test]
    fn lists_are_the_callers_own() {
        let mut world = world();
        let mut user = world.schema.find("user").unwrap().as_ref().clone();
        user.rules.list = Some("id = @request.auth.id".to_owned());
        let others = ["note", "staff"].map(|name| world.schema.find(name).unwrap().clone());
        world.schema = Arc::new(Schema::of(others.into_iter().chain([Arc::new(user)])));
        let rule = "n = 1 || owner = @request.auth.id";
        for (rule, filter, sort, wanted) in [
            (rule, "n > 0", "-n", ["n1", "n1", "n2 n1", "n1"]),
            (rule, "n > 1", "", ["", "", "n2", ""]),
            // Through a relation whose target's list rule asks who calls.
            ("", "owner.level > 0", "n", ["", "n1", "n2", ""]),
        ] {
            for _ in 0..2 {
                let lists = callers(&world).map(|caller| {
                    let request = Request { caller, ..World::guest() };
                    let list = List {
                        rule: Some(rule.to_owned()),
                        filter: filter.to_owned(),
                        sort: sort.to_owned(),
                        limit: 9,
                        ..List::default()
                    };
                    let page = world.list(&request, "note", &list).unwrap();
                    page.records.iter().map(Record::id).collect::<Vec<_>>().join(" ")
                });
                assert_eq!(lists, wanted, "{filter}");
            }
        }
    }

    /// What is blank of one caller is not of another, and among several rows that makes a difference.
    #[test]
    fn whoever_asks_first_asks_for_nobody_else() {
        let world = || {
            let blank = Kind::Json(Default::default());
            let doc = samples::collection(1, "doc", &[("viewers", samples::relation("user", 9))]);
            let user = [
                ("dept", samples::text()),
                ("scope", blank),
                ("level", samples::number()),
                ("team", samples::relation("team", 1)),
            ];
            let user = samples::collection(2, "user", &user);
            let team = samples::collection(
                3,
                "team",
                &[
                    ("name", samples::text()),
                    ("n", samples::number()),
                    ("about", Kind::Json(Default::default())),
                ],
            );
            let records = [
                ("team", json!({"id": "red", "name": "red", "n": 1, "about": "red"})),
                (
                    "user",
                    json!({"id": "ann", "dept": "red", "scope": "red", "level": 1, "team": "red"}),
                ),
                ("user", json!({"id": "bob", "dept": "", "scope": null, "level": 0, "team": ""})),
                ("doc", json!({"id": "d1", "viewers": ["ann", "bob"]})),
                ("doc", json!({"id": "d2", "viewers": ["ann"]})),
                ("doc", json!({"id": "d3", "viewers": []})),
            ];
            World::new(vec![doc, user, team], &records)
        };
        let ask = |world: &World, rule: &str, caller: &str| {
            let caller = Caller::Account(world.record("user", caller));
            let request = Request { caller, ..World::guest() };
            let scope = Scope { read: &world.snapshot, schema: &world.schema, request: &request };
            ["d1", "d2", "d3"]
                .map(|id| query::matches(&scope, rule, &world.record("doc", id)).unwrap())
        };
        // Rows that are absent are passed over beside a literal alone: a field may be blank.
        for (rule, wanted) in [
            ("viewers.team.name = 'red'", true),
            ("viewers.team.name = @request.auth.dept", false),
            ("@request.auth.scope = viewers.team.name", false),
            ("viewers.team.about = 'red'", false),
        ] {
            assert_eq!(ask(&world(), rule, "ann")[0], wanted, "{rule}");
        }
        let fields = ["dept", "scope", "level", "team", "team.name", "team.n"];
        for (op, field) in ["=", "!=", "?=", ">", "<=", "~"]
            .iter()
            .flat_map(|op| fields.iter().map(move |field| (op, field)))
        {
            for theirs in ["viewers.team.name", "viewers.team.n", "viewers.scope", "viewers.dept"] {
                let rules = [
                    format!("{theirs} {op} @request.auth.{field}"),
                    format!("@request.auth.{field} {op} {theirs}"),
                ];
                for rule in rules {
                    let alone = ["ann", "bob"].map(|caller| ask(&world(), &rule, caller));
                    let together = world();
                    for (at, caller) in [(0, "ann"), (1, "bob"), (0, "ann")] {
                        assert_eq!(ask(&together, &rule, caller), alone[at], "{rule} for {caller}");
                    }
                    let together = world();
                    for (at, caller) in [(1, "bob"), (0, "ann"), (1, "bob")] {
                        assert_eq!(ask(&together, &rule, caller), alone[at], "{rule} for {caller}");
                    }
                }
            }
        }
    }
}
