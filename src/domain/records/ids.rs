//! Ids that the server gives new records: random, but those given one after another begin alike.
//!
//! Such records, and their entries in indexes, lie side by side in the store: it writes and reads
//! them together, and whether an id is taken is seen where the last one was written.

use std::cell::RefCell;

use crate::auth::random;

/// The pattern of ids that are given this way: the one every collection starts with.
pub const PATTERN: &str = "[a-z0-9]{15}";
const LENGTH: usize = 15;
/// How much of an id its neighbours share. What is left is 57 bits: too many to try them out.
const SHARED: usize = 4;
/// Ids that share a beginning.
const RUN: usize = 1024;

#[derive(Default)]
struct Run {
    beginning: String,
    left: usize,
}

/// The next id.
pub fn next() -> String {
    thread_local!(static CURRENT: RefCell<Run> = RefCell::default());
    CURRENT.with_borrow_mut(|run| {
        if run.left == 0 {
            *run = Run { beginning: random::text(random::LOWER, SHARED), left: RUN };
        }
        run.left -= 1;
        let mut id = String::with_capacity(LENGTH);
        id.push_str(&run.beginning);
        random::push(&mut id, random::LOWER, LENGTH - SHARED);
        id
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_and_come_in_runs() {
        let ids: Vec<String> = (0..3 * RUN).map(|_| next()).collect();
        let beginnings: HashSet<&str> = ids.iter().map(|id| &id[..SHARED]).collect();

        assert!(ids.iter().all(|id| id.len() == LENGTH));
        assert!(ids.iter().all(|id| id.bytes().all(|byte| random::LOWER.contains(&byte))));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert!((3..=4).contains(&beginnings.len()), "{beginnings:?}");
    }
}
