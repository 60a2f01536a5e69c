//! Passes over entries without telling them: all that is asked of each is whether it counts.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

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
                match order {
                    Order::Forward => range.from = leaf.until.to_vec(),
                    Order::Backward => range.until = from.to_vec(),
                }
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
