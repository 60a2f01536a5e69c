//! Sheets beside a plain map, through crashes that lose any of the latest writes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Bytes, Bytes>;
type Round = BTreeMap<Bytes, Option<Bytes>>;
/// What sled holds: fence → sheet.
type Content = BTreeMap<sled::IVec, sled::IVec>;

struct Bench {
    db: sled::Db,
    sheets: Sheets,
    /// What was durable at the last flush: sheets, and pieces of large ones. Those of a sheet that
    /// is back are back as well.
    durable: Mutex<(Content, Content)>,
}

impl Bench {
    fn new() -> Self {
        let db = sled::Config::new().temporary(true).open().unwrap();
        let sheets = open(&db);
        Self { db, sheets, durable: Mutex::default() }
    }

    fn apply(&self, round: &Round) {
        let flush = || {
            self.keep();
            Ok(())
        };
        self.sheets.apply(&round.iter().collect::<Vec<_>>(), flush).unwrap();
    }

    fn keep(&self) {
        let pieces = self.db.open_tree("pieces").unwrap();
        *self.durable.lock() = (content(&self.sheets.values().tree), content(&pieces));
    }

    /// Makes all durable so far; what follows (sheets that go) may be lost.
    fn flush(&self) {
        self.keep();
        self.sheets.flushed().unwrap();
    }

    /// The process ends, and of what was written since the last flush only some is there again.
    fn crash(&mut self, is_lost: impl Fn(usize) -> bool) {
        let tree = &self.sheets.values().tree;
        let now = content(tree);
        let (durable, pieces) = std::mem::take(&mut *self.durable.lock());
        let fences: BTreeSet<_> = durable.keys().chain(now.keys()).cloned().collect();
        for (_, fence) in fences.iter().enumerate().filter(|(number, _)| is_lost(*number)) {
            match durable.get(fence) {
                Some(sheet) => tree.insert(fence, sheet).unwrap(),
                None => tree.remove(fence).unwrap(),
            };
        }
        let tree = self.db.open_tree("pieces").unwrap();
        pieces.iter().for_each(|(name, piece)| drop(tree.insert(name, piece).unwrap()));
        self.keep();
        self.sheets = open(&self.db);
    }

    fn assert_like(&self, model: &Model, range: &Range) {
        let inside = model.range::<[u8], _>(range.bounds().unwrap());
        let expected: Vec<_> = inside.map(|(k, v)| (k.clone(), v.clone())).collect();
        for limit in [1, 3, 100, usize::MAX] {
            let found = self.sheets.scan(range, Order::Forward, limit).unwrap();
            assert_eq!(found, expected.iter().take(limit).cloned().collect::<Vec<_>>());
            let found = self.sheets.scan(range, Order::Backward, limit).unwrap();
            assert_eq!(found, expected.iter().rev().take(limit).cloned().collect::<Vec<_>>());
        }
    }
}

fn open(db: &sled::Db) -> Sheets {
    let open = |name| db.open_tree(name).unwrap();
    Sheets::new(Values::new(open("sheets"), open("pieces")))
}

fn content(tree: &sled::Tree) -> Content {
    tree.iter().map(Result::unwrap).collect()
}

fn redo(model: &mut Model, round: &Round) {
    for (key, value) in round {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn everything() -> Range {
    Range { from: keys::FIRST_INDEX.to_vec(), until: keys::BEHIND_INDEXES.to_vec() }
}

/// Few keys, so that much is hit again; some long enough for a sheet of their own, or several.
fn key() -> impl Strategy<Value = Bytes> {
    let short = (0u16..600).prop_map(|n| format!("{n:05}/of a record").into_bytes());
    let long = (0u8..3, 1usize..9_000).prop_map(|(n, length)| vec![b'0' + n; length]);
    let alike = (0u8..2, 0u16..400).prop_map(|(n, number)| beginning(n, number));
    prop_oneof![60 => short, 1 => long, 20 => alike]
        .prop_map(|end| Bytes::from([keys::FIRST_INDEX, &end[..]].concat()))
}

fn round() -> impl Strategy<Value = Round> {
    let value = prop_oneof![
        3 => Just(Some(Bytes::from_static(b"of a record"))),
        1 => Just(Some(Bytes::new())),
        2 => Just(None),
    ];
    prop::collection::btree_map(key(), value, 0..300)
}

/// One of many that differ far behind where a fence is cut.
fn beginning(n: u8, number: u16) -> Vec<u8> {
    let mut key = vec![b'0' + n; 700];
    key.extend_from_slice(format!("{number:05}/of a record").as_bytes());
    key
}

/// A run of neighbours that come or go together.
fn stretch() -> impl Strategy<Value = Round> {
    (0u16..600, 0u16..300, any::<bool>(), 0u8..3).prop_map(|(from, count, comes, kind)| {
        let key = |n: u16| {
            let short = || format!("{n:05}/of a record").into_bytes();
            let name = if kind == 2 { short() } else { beginning(kind, n) };
            Bytes::from([keys::FIRST_INDEX, &name[..]].concat())
        };
        let value = comes.then(|| Bytes::from_static(b"of a record"));
        (from..from + count).map(|n| (key(n), value.clone())).collect()
    })
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Round),
    Flush,
    Crash(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => round().prop_map(Step::Apply),
        3 => stretch().prop_map(Step::Apply),
        2 => Just(Step::Flush),
        1 => any::<u64>().prop_map(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn is_a_map_through_crashes(steps in prop::collection::vec(step(), 1..24), from in key(), until in key()) {
        let mut bench = Bench::new();
        let (mut model, mut durable) = (Model::new(), Model::new());
        let mut since: Vec<Round> = Vec::new();
        let part = Range { from: from.clone().min(until.clone()).to_vec(), until: from.max(until).to_vec() };
        for step in steps {
            match step {
                Step::Apply(round) => {
                    bench.apply(&round);
                    redo(&mut model, &round);
                    since.push(round);
                }
                Step::Flush => {
                    bench.flush();
                    durable.clone_from(&model);
                    since.clear();
                }
                Step::Crash(dice) => {
                    bench.crash(|number| dice.rotate_right(number as u32) & 1 == 1);
                    for (key, value) in &durable {
                        let touched = since.iter().any(|round| round.contains_key(key));
                        let found = bench.sheets.get(key).unwrap();
                        prop_assert!(touched || found.as_ref() == Some(value), "{key:?}");
                    }
                    since.iter().for_each(|round| bench.apply(round));
                }
            }
            if part.bounds().is_some() {
                bench.assert_like(&model, &part);
            }
            bench.assert_like(&model, &everything());
        }
    }
}

#[test]
fn what_is_emptied_goes() {
    let bench = Bench::new();
    let key = |n: u32| Bytes::from([keys::FIRST_INDEX, &n.to_be_bytes()].concat());
    let all: Round = (0..5_000).map(|n| (key(n), Some(Bytes::new()))).collect();
    bench.apply(&all);
    let many = content(&bench.sheets.values().tree).len();
    assert!((5_000 / ENTRIES..2 * 5_000 / ENTRIES).contains(&many), "{many}");
    bench.sheets.flushed().unwrap();
    let gone: Round = (0..4_990).map(|n| (key(n), None)).collect();
    bench.apply(&gone);
    (0..3).for_each(|_| bench.sheets.flushed().unwrap());
    let left = content(&bench.sheets.values().tree);
    assert!(left.len() <= 3, "{left:?}");
    assert_eq!(bench.sheets.scan(&everything(), Order::Forward, 100).unwrap().len(), 10);
}

/// Texts that begin alike are in sheets of the same size as others, wherever they come in between,
/// and nothing in sled becomes as long as they are.
#[test]
fn long_keys_that_begin_alike_are_cut_apart() {
    let key = |n: u16| Bytes::from([keys::FIRST_INDEX, &beginning(7, n)[..]].concat());
    let scattered = (0..4_000u16).map(|n| n.wrapping_mul(40_503) % 8_000);
    let orders: [Vec<u16>; 3] = [
        (0..4_000).collect(),
        (0..4_000).rev().collect(),
        // Between two that are there already.
        [0, 9_999].into_iter().chain((1..2_000).rev()).chain(scattered).collect(),
    ];
    for order in orders {
        let bench = Bench::new();
        for n in &order {
            bench.apply(&Round::from([(key(*n), Some(Bytes::new()))]));
        }
        let all: BTreeSet<u16> = order.into_iter().collect();
        let sheets = content(&bench.sheets.values().tree);
        assert!(sheets.len() < all.len() / 12, "{} sheets of {}", sheets.len(), all.len());
        assert!(sheets.iter().all(|(name, value)| name.len() + value.len() < PIECE));
        let model = all.into_iter().map(|n| (key(n), Bytes::new())).collect();
        bench.assert_like(&model, &everything());
    }
}

#[test]
fn reader_beside_the_applier_misses_nothing_that_stays() {
    reads_beside(b"");
}

#[test]
fn reader_of_long_keys_beside_the_applier_misses_nothing_that_stays() {
    reads_beside(&[7; 600]);
}

fn reads_beside(beginning: &[u8]) {
    let bench = Bench::new();
    let key = |n: u32| Bytes::from([keys::FIRST_INDEX, beginning, &n.to_be_bytes()].concat());
    let put = |n: u32| (key(n), Some(Bytes::new()));
    bench.apply(&(0..4_000).step_by(10).map(put).collect());
    std::thread::scope(|scope| {
        let applier = scope.spawn(|| {
            for step in (1..10).chain(1..10) {
                bench.apply(&(0..4_000).skip(step).step_by(10).map(put).collect());
                bench.sheets.flushed().unwrap();
                let gone = (0..4_000).filter(|n| n % 10 != 0).map(|n| (key(n), None));
                if step % 3 == 0 {
                    bench.apply(&gone.collect());
                    bench.sheets.flushed().unwrap();
                }
            }
        });
        while !applier.is_finished() {
            for order in [Order::Forward, Order::Backward] {
                let found = bench.sheets.scan(&everything(), order, usize::MAX).unwrap();
                let mut found: Vec<Bytes> = found.into_iter().map(|(key, _)| key).collect();
                if order == Order::Backward {
                    found.reverse();
                }
                assert!(found.is_sorted_by(|a, b| a < b));
                let number = |key: &Bytes| u32::from_be_bytes(*key.last_chunk().unwrap());
                assert_eq!(found.iter().filter(|key| number(key) % 10 == 0).count(), 400);
            }
        }
    });
}
