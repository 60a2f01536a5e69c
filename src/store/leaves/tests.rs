//! Leaves say what the state says, whatever is applied meanwhile.

use super::*;
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
