//! Passes over entries without telling them: all that is asked of each is whether it counts.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use crate::store::layers::after;
use crate::store::leaves::{Leaf, Leaves, Map, Numbers, is_index};
use crate::store::roll::Roll;
use crate::store::{Order, Passing, Range};

impl Leaves {
    /// Passes over entries of `range` as far as leaves reach.
    pub fn pass(&self, range: &mut Range, order: Order, passing: &mut Passing) {
        let mut goes_on = is_index(range);
        while goes_on && passing.left > 0 && range.from < range.until {
            // Not held for long: whoever waits to write keeps others from reading.
            goes_on = self.map.read().pass(range, order, passing);
        }
    }
}

impl Map {
    /// Passes over the first leaf of `range`, or a part of it; false if there is none.
    fn pass(&self, range: &mut Range, order: Order, passing: &mut Passing) -> bool {
        let Some((from, leaf)) = self.before(range, order) else { return false };
        let reaches = match order {
            Order::Forward => leaf.until[..] > range.from[..],
            Order::Backward => leaf.until[..] >= range.until[..],
        };
        let numbers = reaches.then(|| leaf.numbers(passing.roll)).flatten();
        let Some(numbers) = numbers else { return false };
        leaf.used.store(true, Relaxed);
        let mut inside = leaf.behind(from, &range.from)..leaf.before(&range.until);
        while passing.left > 0 {
            let next = match order {
                Order::Forward => inside.next(),
                Order::Backward => inside.next_back(),
            };
            let Some(at) = next else {
                range.leave(from, leaf, order);
                return true;
            };
            passing.passed += 1;
            passing.left -= u64::from((passing.counts)(numbers[at] as usize));
            if passing.left == 0 {
                let key = &leaf.entries[at].0;
                match order {
                    Order::Forward => range.from = after(key),
                    Order::Backward => range.until = key.to_vec(),
                }
            }
        }
        true
    }
}

impl Range {
    fn leave(&mut self, from: &Bytes, leaf: &Leaf, order: Order) {
        match order {
            Order::Forward => self.from = leaf.until.to_vec(),
            Order::Backward => self.until = from.to_vec(),
        }
    }
}

impl Leaf {
    /// The numbers of its entries, by their values; `None` if the roll does not know one of them.
    fn numbers(&self, roll: &Roll) -> Option<Arc<[u32]>> {
        let mut known = self.numbers.lock();
        if let Some(known) = known.as_ref().filter(|known| known.roll == roll.id) {
            return Some(known.of.clone());
        }
        let of: Arc<[u32]> = roll.numbers(self.entries.iter().map(|(_, name)| &name[..]))?.into();
        *known = Some(Numbers { roll: roll.id, of: of.clone() });
        Some(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::batch::Writes;
    use crate::store::keys;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type State = BTreeMap<Bytes, Bytes>;

    fn key(number: u16) -> Bytes {
        [&keys::index(1, 1)[..], &number.to_be_bytes()].concat().into()
    }

    fn entries(state: &State, range: &Range, order: Order, limit: usize) -> Vec<(Bytes, Bytes)> {
        let Some(bounds) = range.bounds() else { return Vec::new() };
        let copy = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        let found = state.range::<[u8], _>(bounds);
        match order {
            Order::Forward => found.take(limit).map(copy).collect(),
            Order::Backward => found.rev().take(limit).map(copy).collect(),
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
            let roll = Roll::default();
            roll.adopt((0..40u8).map(|byte| [byte]).collect::<Vec<_>>().iter().map(|name| &name[..]));
            let value = |byte: u8| Bytes::from(vec![byte]);
            let mut state: State = (0..500).map(|n| (key(n), value((n * 7 % 40) as u8))).collect();
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
                    let writes: Writes = changes.iter().map(|(n, byte)| (key(*n), byte.map(value))).collect();
                    leaves.begin();
                    for (key, value) in &writes {
                        match value {
                            Some(value) => drop(state.insert(key.clone(), value.clone())),
                            None => drop(state.remove(key)),
                        }
                    }
                    leaves.applied(&writes);
                }
            }
        }
    }
}
