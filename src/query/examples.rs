//! Rules and filters as people write them, with what each caller gets.

use serde_json::{Value, json};

use crate::domain::fields::Kind;
use crate::domain::request::{Caller, Request};
use crate::domain::samples;
use crate::domain::schema::{Collection, CollectionKind};
use crate::query::world::World;
use crate::query::{self, Error, Scope};

fn accounts() -> Collection {
    let mut users = samples::collection(
        1,
        "users",
        &[
            ("email", Kind::Email(Default::default())),
            ("emailVisibility", Kind::Bool),
            ("role", samples::text()),
            ("secret", samples::text()),
            ("teams", samples::relation("team", 9)),
        ],
    );
    users.kind = CollectionKind::Auth;
    users.fields[4].hidden = true;
    users.rules.list = Some(String::new());
    users
}

fn world() -> World {
    let mut team = samples::collection(
        2,
        "team",
        &[
            ("name", samples::text()),
            ("n", samples::number()),
            ("members", samples::relation("users", 9)),
            ("tags", samples::select(&["a", "b"], 2)),
        ],
    );
    team.rules.list = Some("name != 'closed'".into());
    let mut note = samples::collection(
        3,
        "note",
        &[
            ("title", samples::text()),
            ("owner", samples::relation("users", 1)),
            ("team", samples::relation("team", 1)),
            ("teams", samples::relation("team", 9)),
            ("j", Kind::Json(Default::default())),
            ("tags", samples::select(&["a", "b"], 2)),
            ("labels", samples::select(&["a", "b"], 2)),
            ("label", samples::select(&["a", "b"], 1)),
        ],
    );
    note.rules.list = Some(String::new());
    let ban = samples::collection(4, "ban", &[("user", samples::relation("users", 1))]);
    let none = samples::collection(5, "none", &[("user", samples::text())]);
    let records: Vec<(&str, Value)> = vec![
        (
            "users",
            json!({"id": "ann", "email": "ann@x.com", "emailVisibility": true, "role": "editor", "secret": "s1", "teams": ["t1"]}),
        ),
        (
            "users",
            json!({"id": "bob", "email": "bob@x.com", "role": "", "secret": "s2", "teams": []}),
        ),
        (
            "team",
            json!({"id": "t1", "name": "open", "n": 1, "members": ["ann", "bob"], "tags": ["a"]}),
        ),
        (
            "team",
            json!({"id": "t2", "name": "closed", "n": 2, "members": ["bob"], "tags": ["a", "b"]}),
        ),
        ("team", json!({"id": "t3", "name": "empty", "n": 3, "members": [], "tags": []})),
        (
            "note",
            json!({"id": "n1", "title": "one", "owner": "ann", "team": "t1", "teams": ["t1"], "j": {"a": [1, {"b": "x"}]}}),
        ),
        (
            "note",
            json!({"id": "n2", "title": "two", "owner": "bob", "team": "t2", "teams": ["t1", "t2"]}),
        ),
        ("note", json!({"id": "n3", "title": "three", "owner": "", "team": "", "teams": []})),
        ("ban", json!({"id": "b1", "user": "bob"})),
    ];
    World::new(vec![accounts(), team, note, ban, none], &records)
}

fn as_account(world: &World, id: &str) -> Request {
    Request { caller: Caller::Account(world.record("users", id)), ..World::guest() }
}

/// Who sees what of `collection` under `rule`: a guest, Ann, Bob.
fn rule(collection: &str, rule: &str, wanted: [&str; 3]) {
    let world = world();
    let callers = [World::guest(), as_account(&world, "ann"), as_account(&world, "bob")];
    for (request, wanted) in callers.iter().zip(wanted) {
        let found = world
            .ids(request, collection, rule, "", "id")
            .unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert_eq!(found.join(" "), wanted, "{rule}");
        let scope = Scope { read: &world.snapshot, schema: &world.schema, request };
        for id in found {
            assert!(query::matches(&scope, rule, &world.record(collection, &id)).unwrap());
        }
    }
}

/// What a guest's filter finds among notes.
fn guest(filter: &str, wanted: &str) {
    let found = world().ids(&World::guest(), "note", "", filter, "id");
    assert_eq!(
        found.unwrap_or_else(|error| panic!("{filter}: {error}")).join(" "),
        wanted,
        "{filter}"
    );
}

#[test]
fn rules_know_who_asks() {
    rule("users", "id = @request.auth.id", ["", "ann", "bob"]);
    rule("note", "@request.auth.id != ''", ["", "n1 n2 n3", "n1 n2 n3"]);
    rule("note", "owner = @request.auth.id", ["n3", "n1", "n2"]);
    rule("team", "members.id ?= @request.auth.id", ["t3", "t1", "t1 t2"]);
    rule("team", "members:each ?= @request.auth.id", ["t3", "t1", "t1 t2"]);
    rule("note", "@request.auth.role = 'editor' && title != ''", ["", "n1 n2 n3", ""]);
    rule("note", "@request.auth.secret = 's1'", ["", "n1 n2 n3", ""]);
    rule("note", "@request.auth.zzz.yyy = ''", ["n1 n2 n3"; 3]);
    rule("note", "team = @request.auth.teams.id", ["n3", "n1", "n3"]);
    rule("note", "@request.auth.teams.name ?= 'open'", ["", "n1 n2 n3", ""]);
    rule("note", "@request.auth.collectionName = 'users'", ["", "n1 n2 n3", "n1 n2 n3"]);
    rule("users", "team_via_members.n ?> 1", ["bob"; 3]);
}

#[test]
fn rules_look_into_other_collections() {
    rule("note", "@collection.ban.user != @request.auth.id", ["n1 n2 n3", "n1 n2 n3", ""]);
    rule("note", "@collection.none.user != 'x'", ["n1 n2 n3"; 3]);
    rule("note", "@collection.none.user = ''", ["n1 n2 n3"; 3]);
    rule("note", "@collection.ban.user ?= owner", ["n2"; 3]);
    rule("note", "@collection.team.name ?= 'open' && @collection.team.n ?= 2", [""; 3]);
    rule("note", "@collection.team:a.name ?= 'open' && @collection.team:b.n ?= 2", ["n1 n2 n3"; 3]);
}

#[test]
fn rules_know_what_was_sent() {
    let world = world();
    let mut request = World::guest();
    request.method = "PATCH".into();
    request.query.insert("a".into(), "1".into());
    request.headers.state([("x_my_key".into(), "k".into())]);
    request.body = json!({"title": "new", "owner": "bob", "teams": ["t1", "t3"], "extra": null, "tags": ["a", "b"], "label": "", "j": {"a": [1, {"b": "x"}]}})
        .as_object()
        .unwrap()
        .clone();
    let scope = Scope { read: &world.snapshot, schema: &world.schema, request: &request };
    let note = world.record("note", "n1");
    for (rule, wanted) in [
        ("@request.body.title = 'new'", true),
        ("@request.body.title:isset = true && @request.body.extra:isset = true", true),
        ("@request.body.role:isset = false", true),
        ("@request.body.title:changed = true", true),
        ("@request.body.j:changed = false", true),
        ("@request.body.owner:changed = false", false),
        ("@request.body.team:changed = false", true),
        ("@request.body.owner.role = ''", true),
        ("@request.body.owner.email = 'bob@x.com'", true),
        ("@request.body.teams.name ?= 'empty' && title = 'one'", true),
        ("@request.body.teams.name = 'empty'", false),
        ("@request.body.teams:length = 2", true),
        ("@request.body.tags:each != 'c'", true),
        ("@request.body.tags:each != 'a'", false),
        ("@request.body.tags:each ?= 'a'", true),
        ("@request.body.labels:each != 'a'", true),
        ("@request.body.labels:each ?= ''", false),
        ("@request.body.labels:each = null", false),
        ("@request.body.labels:each != ''", false),
        ("@request.body.labels:each ?!= ''", true),
        ("@request.body.label:each ?= ''", true),
        ("@request.body.label:length = 1 && @request.body.labels:length = 0", true),
        ("@request.body.label:each ?= 'a'", false),
        ("@request.body.none = ''", true),
        ("@request.body.j.a.1.b = 'x'", true),
        ("@request.query.a = '1' && @request.query.b = ''", true),
        ("@request.query.a:isset = true && @request.query.b:isset = false", true),
        ("@request.headers.X_My_Key = 'k'", true),
        ("@request.method = 'PATCH' && @request.context = 'default'", true),
        ("@request.body.owner:lower = 'bob'", true),
    ] {
        assert_eq!(query::matches(&scope, rule, &note).unwrap(), wanted, "{rule}");
    }
}

#[test]
fn rule_and_filter_look_at_one_row() {
    let world = world();
    let mut open = world.schema.find("team").unwrap().as_ref().clone();
    open.rules.list = Some(String::new());
    let ann = as_account(&world, "ann");
    let found = |filter: &str| {
        world.ids(&ann, "team", "members.id ?= @request.auth.id", filter, "id").unwrap()
    };

    assert_eq!(found("members.role ?= 'editor'"), ["t1"]);
    assert!(found("members:each ?= 'bob'").is_empty(), "the member is Ann in both");
    assert_eq!(found("members ~ 'bob'"), ["t1"]);
    assert_eq!(found("members.role = '' || n = 1"), ["t1"]);
}

#[test]
fn what_the_list_rule_denies_stays_hidden() {
    guest("team.n > 0", "n1");
    guest("team.n = 2", "");
    guest("team.name = ''", "n3");
    guest("title = 'two' || team.n = 1", "n1");
    guest("team = 't2'", "n2");
    guest("team.id = 't2'", "n2");
    guest("teams:each ?= 't2'", "n2");
    guest("teams.id ?= 't2'", "n2");
    guest("teams.id != 't9'", "n1 n2 n3");
    guest("teams.n ?= 2", "");
    guest("teams.n ?= 1", "n1 n2");
    guest("teams.n < 9", "n1");
    guest("teams.n != 5", "n1 n3");
}

#[test]
fn sorting_by_what_is_denied_drops_the_rows() {
    let found = |sort: &str| world().ids(&World::guest(), "note", "", "", sort).unwrap();

    assert_eq!(found("-team.n"), ["n1", "n3"]);
    assert_eq!(found("-team"), ["n2", "n1", "n3"]);
}

#[test]
fn hidden_addresses_match_nothing() {
    guest("owner.email != 'z'", "n1");
    guest("owner.email ~ 'x.com'", "n1");
    guest("owner.email = ''", "");
    guest("title = 'two' || owner.email ~ '@'", "n1 n2");
    let world = world();
    let found = |request: &Request, sort: &str| {
        world.ids(request, "users", "", "email != ''", sort).unwrap()
    };
    assert_eq!(found(&World::guest(), "id"), ["ann"]);
    assert_eq!(found(&World::superuser(), "-email"), ["bob", "ann"]);
    let by_address = world.ids(&World::guest(), "users", "", "", "-email,id").unwrap();
    assert_eq!(
        by_address,
        ["ann", "bob"],
        "an address that is not shown has no place in the order"
    );
}

fn refused(request: &Request, collection: &str, filter: &str, sort: &str) -> Error {
    match world().ids(request, collection, "", filter, sort) {
        Err(error) => error,
        Ok(found) => panic!("{filter} {sort}: {found:?}"),
    }
}

#[test]
fn strangers_may_not_ask_for_everything() {
    for filter in ["secret = 's1'", "secret:lower = 's1'"] {
        assert!(matches!(refused(&World::guest(), "users", filter, ""), Error::Invalid { .. }));
    }
    for filter in [
        "owner.secret = 's1'",
        "ban_via_user.id = 'x'",
        "zz = 1",
        "title.x = 1",
        "team.zz = 1",
        "zz_via_yy.id = 1",
        "owner.ban_via_user.id ?= 'b1'",
    ] {
        assert!(
            matches!(refused(&World::guest(), "note", filter, ""), Error::Invalid { .. }),
            "{filter}"
        );
    }
    for filter in [
        "@request.auth.id = ''",
        "@collection.ban.id != ''",
        "strftime('%Y', @request.query.a) = ''",
    ] {
        assert!(
            matches!(refused(&World::guest(), "note", filter, ""), Error::Forbidden(_)),
            "{filter}"
        );
    }
    assert!(matches!(
        refused(&World::guest(), "note", "", "@request.auth.id"),
        Error::Forbidden(_)
    ));
    assert!(matches!(refused(&World::guest(), "note", "", "owner.secret"), Error::Invalid { .. }));
    assert_eq!(world().found("note", "owner.secret = 's1'"), ["n1"]);
}

#[test]
fn errors_say_where() {
    match refused(&World::guest(), "note", "title = 'é' && zz = 1", "") {
        Error::Invalid { at, problem } => {
            assert_eq!(at, 15);
            assert!(problem.contains("zz"), "{problem}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn sorts_are_checked() {
    for sort in
        ["title,,id", ",", "-", "zz", "title desc", "t'", "1,2,3,4,5,6,7,8,9", "team", "@zz"]
            .iter()
            .filter(|sort| **sort != "team")
    {
        assert!(
            matches!(
                refused(&World::guest(), "note", "", sort),
                Error::Invalid { .. } | Error::Forbidden(_)
            ),
            "{sort}"
        );
    }
    let nine = ["id"; 9].join(",");
    refused(&World::guest(), "note", "", &nine);
    let found = |sort: &str| world().ids(&World::guest(), "note", "", "", sort).unwrap();
    assert_eq!(found(" + title , -id "), ["n1", "n3", "n2"]);
    assert_eq!(found("-@rowid"), ["n3", "n2", "n1"]);
    assert_eq!(found("@random").len(), 3);
    assert_eq!(found("teams:length,-title"), ["n3", "n1", "n2"]);
    assert_eq!(found("-j.a.0,id"), ["n1", "n2", "n3"]);
}

#[test]
fn paths_have_an_end() {
    let deep = |levels: usize| format!("{}title = 'x'", "owner.note_via_owner.".repeat(levels / 2));
    let world = world();
    let request = World::superuser();
    assert!(world.ids(&request, "note", "", &deep(6), "").is_ok());
    assert!(world.ids(&request, "note", "", &deep(8), "").is_err());
    let long = format!("title = '{}'", "x".repeat(3500));
    assert!(world.ids(&request, "note", "", &long, "").is_err());
    assert!(world.ids(&request, "note", &long, "", "").is_ok());
}

#[test]
fn rules_are_checked_before_they_are_kept() {
    let world = world();
    let check =
        |rule: &str| query::check_rule(&world.schema, world.schema.find("note").unwrap(), rule);
    for rule in [
        "",
        "owner = @request.auth.id",
        "@request.auth.any.thing = 1",
        "@request.body.title:isset = true",
        "@request.body.owner.role = 'x'",
        "@collection.ban.user = ''",
    ] {
        assert!(check(rule).is_ok(), "{rule}: {:?}", check(rule));
    }
    for rule in [
        "zz = 1",
        "owner =",
        "@collection.zz.a = 1",
        "@request.zz = 1",
        "owner.zz = 1",
        "title:zz = 1",
        "title:isset = 1",
        "@request.auth.id:zz = 1",
        "@request = 1",
        "title:each = 'x'",
        "@request.body.title:each = 'x'",
        "@request.body.title:length = 1",
        "@request.body.j:length = 1",
        "@request.body.zz:length = 1",
        "@request.body.teams.name:length = 1",
    ] {
        assert!(check(rule).is_err(), "{rule}");
    }
}
