//! Leaves say what the state says, whatever is applied meanwhile.

use super::*;
use crate::store::Passing;
use crate::store::roll::Roll;
use proptest::prelude::*;

type State = BTreeMap<Bytes, Bytes>;

fn key(number: u16) -> Bytes {
    let mut key = keys::index(1, 1);
    key.extend_from_slice(&number.to_be_bytes());
    key.into()
}

fn entries(state: &State, range: &Range, order: Order, limit: usize) -> Entries {
    let Some(bounds) = range.bounds() else { return Vec::new() };
    let copy = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
    let found = state.range::<[u8], _>(bounds);
    match order {
        Order::Forward => found.take(limit).map(copy).collect(),
        Order::Backward => found.rev().take(limit).map(copy).collect(),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Scan { from: u16, until: u16, backward: bool, limit: usize, meanwhile: Option<u16> },
    Apply(Vec<(u16, Option<u8>)>),
}

fn step() -> impl Strategy<Value = Step> {
    let scan = (0..600u16, 0..600u16, any::<bool>(), 0..150usize, prop::option::of(0..600u16));
    let writes = prop::collection::vec((0..600u16, prop::option::of(any::<u8>())), 1..40);
    prop_oneof![
        scan.prop_map(|(from, until, backward, limit, meanwhile)| Step::Scan {
            from,
            until,
            backward,
            limit,
            meanwhile
        }),
        writes.prop_map(Step::Apply),
    ]
}

fn apply(leaves: &Leaves, state: &mut State, writes: &[(u16, Option<u8>)]) {
    let value = |byte: &u8| Bytes::from(vec![*byte; 3]);
    let writes: Writes =
        writes.iter().map(|(number, byte)| (key(*number), byte.as_ref().map(value))).collect();
    leaves.begin();
    for (key, value) in &writes {
        match value {
            Some(value) => drop(state.insert(key.clone(), value.clone())),
            None => drop(state.remove(key)),
        }
    }
    leaves.applied(&writes);
}

proptest! {
    #[test]
    fn leaves_say_what_the_state_says(steps in prop::collection::vec(step(), 1..60), small: bool) {
        let leaves = Leaves::new(if small { 20_000 } else { 1 << 20 });
        let state = std::cell::RefCell::new(State::new());
        apply(&leaves, &mut state.borrow_mut(), &(0..500).map(|n| (n, Some(1))).collect::<Vec<_>>());
        for step in steps {
            match step {
                Step::Apply(writes) => apply(&leaves, &mut state.borrow_mut(), &writes),
                Step::Scan { from, until, backward, limit, meanwhile } => {
                    let order = if backward { Order::Backward } else { Order::Forward };
                    let range = Range { from: key(from).to_vec(), until: key(until).to_vec() };
                    let before = entries(&state.borrow(), &range, order, limit);
                    // What is applied between the look at the state and the filling in must not
                    // be forgotten.
                    let meanwhile = std::cell::Cell::new(meanwhile);
                    let found = leaves.scan(&range, order, limit, true, |range, limit| {
                        let found = entries(&state.borrow(), range, order, limit);
                        if let Some(number) = meanwhile.take() {
                            apply(&leaves, &mut state.borrow_mut(), &[(number, None)]);
                        }
                        Ok(found)
                    });
                    if meanwhile.take().is_some() || before == entries(&state.borrow(), &range, order, limit) {
                        prop_assert_eq!(found.unwrap(), before);
                    }
                    let again = leaves.scan(&range, order, limit, true, |range, limit| {
                        Ok(entries(&state.borrow(), range, order, limit))
                    });
                    prop_assert_eq!(again.unwrap(), entries(&state.borrow(), &range, order, limit));
                }
            }
            let map = leaves.map.read();
            let bytes: usize = map.leaves.values().map(Leaf::bytes).sum();
            prop_assert_eq!(bytes, map.bytes);
        }
    }
}

#[test]
fn second_walk_asks_the_state_nothing() {
    let leaves = Leaves::new(1 << 20);
    let mut state = State::new();
    apply(&leaves, &mut state, &(0..500).map(|n| (n, Some(1))).collect::<Vec<_>>());
    let range = Range::prefix(&keys::index(1, 1));
    for order in [Order::Backward, Order::Forward] {
        let first = leaves.scan(&range, order, 100, true, |range, limit| {
            Ok(entries(&state, range, order, limit))
        });
        let second =
            leaves.scan(&range, order, 100, true, |_, _| unreachable!("it is known by now"));
        assert_eq!(second.unwrap(), first.unwrap());
    }
}

proptest! {
    #[test]
    fn what_is_passed_is_what_lies_before(
        fills in prop::collection::vec((0..600u16, 16..200usize, any::<bool>()), 0..6),
        changes in prop::collection::vec((0..600u16, prop::option::of(0..40u8)), 0..30),
        asked in prop::collection::vec((0..600u16, 0..600u16, any::<bool>(), 0..300u64), 1..8),
        of in 1..6usize,
    ) {
        let leaves = Leaves::new(1 << 20);
        let mut state = State::new();
        apply(&leaves, &mut state, &(0..500).map(|n| (n, Some((n * 7 % 40) as u8))).collect::<Vec<_>>());
        let roll = Roll::default();
        let names: Vec<[u8; 3]> = (0..40).map(|byte| [byte; 3]).collect();
        roll.adopt(names.iter().map(|name| &name[..]));
        let orders = |backward| if backward { Order::Backward } else { Order::Forward };
        for (from, limit, backward) in fills {
            let range = Range { from: key(from).to_vec(), until: key(700).to_vec() };
            let below = |range: &Range, limit| Ok(entries(&state, range, orders(backward), limit));
            leaves.scan(&range, orders(backward), limit, true, below).unwrap();
        }
        let counts = |number: usize| number.is_multiple_of(of);
        for round in 0..2 {
            for (from, until, backward, wanted) in &asked {
                let order = orders(*backward);
                let range = Range { from: key(*from).to_vec(), until: key(*until).to_vec() };
                let mut rest = range.clone();
                let mut passing = Passing { roll: &roll, counts: &counts, left: *wanted, passed: 0 };
                leaves.pass(&mut rest, order, &mut passing);
                let all = entries(&state, &range, order, usize::MAX);
                let (before, behind) = all.split_at(passing.passed as usize);
                let hits = before.iter().filter(|(_, name)| counts(name[0] as usize)).count() as u64;
                prop_assert_eq!(hits, wanted - passing.left);
                prop_assert_eq!(behind, &entries(&state, &rest, order, usize::MAX)[..]);
            }
            if round == 0 {
                apply(&leaves, &mut state, &changes);
            }
        }
    }
}

#[test]
fn what_memory_has_is_passed() {
    let leaves = Leaves::new(1 << 20);
    let mut state = State::new();
    apply(&leaves, &mut state, &(0..500).map(|n| (n, Some(1))).collect::<Vec<_>>());
    let roll = Roll::default();
    roll.adopt([&[1; 3][..]].into_iter());
    let range = Range::prefix(&keys::index(1, 1));
    for order in [Order::Forward, Order::Backward] {
        leaves
            .scan(&range, order, 200, true, |range, limit| Ok(entries(&state, range, order, limit)))
            .unwrap();
        let mut passing = Passing { roll: &roll, counts: &|_| true, left: 150, passed: 0 };
        leaves.pass(&mut range.clone(), order, &mut passing);
        assert_eq!((passing.left, passing.passed), (0, 150));
    }
}
