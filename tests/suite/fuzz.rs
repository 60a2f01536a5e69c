//! The fuzz targets for a moment, with seeds of their own each: `make soak` runs them for longer.

#[path = "../fuzz/src/lib.rs"]
mod harness;

use harness::{Dice, TARGETS};

/// Inputs for each target.
const ROUNDS: u64 = 3000;

#[test]
fn no_input_breaks_what_reads_it() {
    for (name, harness, words) in TARGETS {
        for seed in 0..ROUNDS {
            let input = Dice::new(seed).input(name, words);
            let outcome = std::panic::catch_unwind(|| harness(&input));
            assert!(outcome.is_ok(), "{name}, seed {seed}: {:?}", String::from_utf8_lossy(&input));
        }
    }
}
