//! What must hold of every filter: the meaning of "any" and "all", and that plans change nothing.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::fields::Kind;
use crate::domain::samples;
use crate::domain::schema::Collection;
use crate::query::observed::indexed;
use crate::query::world::World;
use crate::query::{List, Page, Result};

mod definition;

/// Teams have members (a list), people have tags and a boss, posts point to people.
fn collections() -> Vec<Collection> {
    vec![
        samples::collection(
            1,
            "person",
            &[
                ("name", samples::text()),
                ("n", samples::number()),
                ("tags", samples::select(&["a", "b", "c"], 3)),
                ("boss", samples::relation("person", 1)),
            ],
        ),
        samples::collection(
            2,
            "team",
            &[
                ("name", samples::text()),
                ("n", samples::number()),
                ("open", Kind::Bool),
                ("members", samples::relation("person", 9)),
                ("lead", samples::relation("person", 1)),
            ],
        ),
        samples::collection(
            3,
            "post",
            &[("n", samples::number()), ("by", samples::relation("person", 1))],
        ),
    ]
}

/// Name, number, tags and boss.
type Person = (u8, u8, Vec<u8>, Option<u8>);
/// Name, number, whether it is open, members and lead.
type Team = (u8, u8, bool, Vec<u8>, Option<u8>);

#[derive(Debug, Clone)]
pub(super) struct Data {
    people: Vec<Person>,
    teams: Vec<Team>,
    posts: Vec<(u8, Option<u8>)>,
}

const PEOPLE: u8 = 4;

/// A few teams, for tests that look at plans.
pub(super) fn some_data() -> Data {
    let teams = (0..6).map(|n| (n % 3, n % 4, n % 2 == 0, vec![], Some(n % PEOPLE))).collect();
    let people = (0..PEOPLE).map(|n| (n % 3, n, vec![], None)).collect();
    Data { people, teams, posts: Vec::new() }
}

fn person(number: u8) -> String {
    format!("p{}", number % PEOPLE)
}

pub(super) fn data() -> impl Strategy<Value = Data> {
    let some = || proptest::option::of(0..PEOPLE);
    let several =
        |most: u8| proptest::sample::subsequence((0..most).collect::<Vec<_>>(), 0..=most as usize);
    let people = proptest::collection::vec((0..3u8, 0..4u8, several(3), some()), PEOPLE as usize);
    let teams =
        proptest::collection::vec((0..3u8, 0..4u8, any::<bool>(), several(PEOPLE), some()), 0..7);
    let posts = proptest::collection::vec((0..4u8, some()), 0..6);
    (people, teams, posts).prop_map(|(people, teams, posts)| Data { people, teams, posts })
}

fn world(data: &Data, with_indexes: bool) -> World {
    world_of(data, |collection| if with_indexes { indexed(collection) } else { collection })
}

/// The world with indexes of one's own.
pub(super) fn world_of(data: &Data, index: impl Fn(Collection) -> Collection) -> World {
    let link = |to: &Option<u8>| to.map(person).unwrap_or_default();
    let mut records: Vec<(&str, Value)> = Vec::new();
    for (number, (name, n, tags, boss)) in data.people.iter().enumerate() {
        let tags: Vec<_> = tags.iter().map(|tag| ["a", "b", "c"][*tag as usize]).collect();
        let name = ["x", "y", ""][*name as usize];
        let id = person(number as u8);
        records.push((
            "person",
            json!({"id": id, "name": name, "n": n, "tags": tags, "boss": link(boss)}),
        ));
    }
    for (number, (name, n, open, members, lead)) in data.teams.iter().enumerate() {
        let members: Vec<_> = members.iter().map(|member| person(*member)).collect();
        let name = ["x", "Y", ""][*name as usize];
        records.push((
            "team",
            json!({"id": format!("t{number}"), "name": name, "n": n, "open": open, "members": members, "lead": link(lead)}),
        ));
    }
    for (number, (n, by)) in data.posts.iter().enumerate() {
        records.push(("post", json!({"id": format!("o{number}"), "n": n, "by": link(by)})));
    }
    World::new(collections().into_iter().map(index).collect(), &records)
}

pub(super) fn comparison() -> impl Strategy<Value = String> {
    let paths = vec![
        "id",
        "name",
        "n",
        "open",
        "members",
        "lead",
        "lead.name",
        "lead.n",
        "lead.boss.n",
        "members.name",
        "members.n",
        "members.id",
        "members:each",
        "members:length",
        "members.tags:each",
        "members.boss.name",
        "lead.tags:each",
        "members.tags:length",
        "lead.post_via_by.n",
        "members.post_via_by.n",
        "name:lower",
        "@collection.post.n",
        "@collection.post.by",
        "@collection.post:b.by.name",
    ];
    let ops = vec![
        "=", "!=", ">", ">=", "<", "<=", "~", "!~", "?=", "?!=", "?>", "?<=", "?~", "?!~", "=",
        "?=",
    ];
    let values = vec![
        "'x'", "'y'", "''", "null", "0", "1", "2", "'a'", "'p1'", "'p2'", "true", "'x%'", "n",
        "lead", "name", "id", "'t2'",
    ];
    (
        proptest::sample::select(paths),
        proptest::sample::select(ops),
        proptest::sample::select(values),
    )
        .prop_map(|(path, op, value)| format!("{path} {op} {value}"))
}

fn filter() -> impl Strategy<Value = String> {
    comparison().prop_recursive(3, 8, 3, |inner| {
        let list = proptest::collection::vec(inner, 2..4);
        (list, any::<bool>())
            .prop_map(|(list, and)| format!("({})", list.join(if and { " && " } else { " || " })))
    })
}

pub(super) fn page(
    world: &World,
    filter: &str,
    sort: &str,
    offset: u64,
    limit: u64,
    total: bool,
) -> Result<Page> {
    let list = List {
        filter: filter.to_owned(),
        sort: sort.to_owned(),
        offset,
        limit,
        total,
        ..List::default()
    };
    world.list(&World::superuser(), "team", &list)
}

pub(super) fn ids(page: &Page) -> Vec<String> {
    page.records.iter().map(|record| record.id().to_owned()).collect()
}

#[test]
fn what_does_not_match_comes_before_or_after_all_that_does() {
    let teams = vec![(0, 1, false, vec![], None), (0, 2, false, vec![], None)];
    let data = Data { people: vec![(0, 0, vec![], None); 4], teams, posts: vec![] };
    let world = world(&data, true);
    for (sort, wanted) in
        [("-n,id", vec!["t0"]), ("n,id", vec![]), ("id", vec![]), ("-id", vec!["t0"])]
    {
        let list = List {
            filter: "n = 1".to_owned(),
            sort: sort.to_owned(),
            limit: 9,
            after: Some("t1".to_owned()),
            ..List::default()
        };
        let found = ids(&world.list(&World::superuser(), "team", &list).unwrap());
        assert_eq!(found, wanted, "{sort}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn plans_find_what_reading_everything_finds(
        data in data(),
        filter in filter(),
        sort in proptest::sample::select(vec!["id", "-n,id", "name,-n,-id", "open,lead.name,id", "@rowid", "-@rowid", "n,name,id", ""]),
        offset in 0..3u64,
        limit in 1..5u64,
        total in any::<bool>(),
    ) {
        let (plain, planned) = (world(&data, false), world(&data, true));
        let wanted = page(&plain, &filter, sort, offset, limit, total).unwrap();
        let found = page(&planned, &filter, sort, offset, limit, total).unwrap();
        prop_assert_eq!(ids(&found), ids(&wanted), "{} by {:?} with {:?}", filter, sort, found.plan);
        prop_assert_eq!(found.total, wanted.total);
    }

    /// So does paging by the last record of the page before.
    #[test]
    fn pages_after_records_join_to_the_whole(
        data in data(),
        filter in filter(),
        sort in proptest::sample::select(vec!["id", "-n,id", "name,-n,-id", "-open,id", "@rowid", "-@rowid", "lead.name,id", ""]),
        limit in 1..3u64,
    ) {
        let world = world(&data, true);
        let whole = ids(&page(&world, &filter, sort, 0, 500, false).unwrap());
        let mut joined: Vec<String> = Vec::new();
        loop {
            let after = joined.last().cloned();
            let list = List { filter: filter.clone(), sort: sort.to_owned(), limit, after, ..List::default() };
            let part = world.list(&World::superuser(), "team", &list).unwrap();
            if part.records.is_empty() {
                break;
            }
            joined.extend(ids(&part));
        }
        prop_assert_eq!(joined, whole);
    }

    /// What a page comes after need not match the filter.
    #[test]
    fn what_comes_after_any_record_is_the_rest(
        data in data(),
        filter in filter(),
        sort in proptest::sample::select(vec!["id", "-n,id", "name,-n,-id", "-open,id", "@rowid", "-@rowid", "lead.name,id"]),
    ) {
        let world = world(&data, true);
        let matching = ids(&page(&world, &filter, sort, 0, 500, false).unwrap());
        let all = ids(&page(&world, "", sort, 0, 500, false).unwrap());
        for (at, id) in all.iter().enumerate() {
            let after = Some(id.clone());
            let list = List { filter: filter.clone(), sort: sort.to_owned(), limit: 500, after, ..List::default() };
            let found = ids(&world.list(&World::superuser(), "team", &list).unwrap());
            let wanted: Vec<_> = all[at..].iter().skip(1).filter(|id| matching.contains(id)).cloned().collect();
            prop_assert_eq!(found, wanted, "{} by {:?} after {}", filter, sort, id);
        }
    }

    /// Paging by any size gives each record once.
    #[test]
    fn pages_join_to_the_whole(data in data(), filter in filter(), limit in 1..3u64) {
        let world = world(&data, true);
        let whole = ids(&page(&world, &filter, "n,id", 0, 500, false).unwrap());
        let mut joined = Vec::new();
        for offset in 0.. {
            let part = page(&world, &filter, "n,id", offset * limit, limit, offset % 2 == 0).unwrap();
            if part.records.is_empty() {
                break;
            }
            joined.extend(ids(&part));
        }
        prop_assert_eq!(joined, whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_and_all_mean_what_they_are_defined_to(data in data(), tree in definition::tree()) {
        let filter = definition::text(&tree);
        let found = ids(&page(&world(&data, false), &filter, "id", 0, 500, true).unwrap());
        let wanted: Vec<String> = data
            .teams
            .iter()
            .enumerate()
            .filter(|(_, (_, _, _, members, lead))| {
                let posts = data.posts.iter().filter(|(_, by)| lead.is_some() && by == lead);
                let row = definition::Row { data: &data, members, posts: posts.map(|(n, _)| *n).collect() };
                row.satisfies(&tree)
            })
            .map(|(number, _)| format!("t{number}"))
            .collect();
        prop_assert_eq!(found, wanted, "{}", filter);
    }
}
