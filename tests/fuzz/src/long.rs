//! Throws random inputs at every target until the time is up. Usage: long [SECONDS] [SEED]

use std::time::{Duration, Instant};

use harness::{Dice, TARGETS};

fn main() {
    let number = |at: usize| std::env::args().nth(at).and_then(|word| word.parse::<u64>().ok());
    let (seconds, seed) = (number(1).unwrap_or(60), number(2).unwrap_or(1));
    for (name, harness, words) in TARGETS {
        let begun = Instant::now();
        let mut round = 0;
        while begun.elapsed() < Duration::from_secs(seconds) / TARGETS.len() as u32 {
            let mut dice = Dice::new(seed.wrapping_add(round));
            let input = dice.input(name, words);
            let outcome = std::panic::catch_unwind(|| harness(&input));
            if outcome.is_err() {
                eprintln!("{name}, seed {}: {:?}", seed + round, String::from_utf8_lossy(&input));
                std::process::exit(1);
            }
            round += 1;
        }
        println!("{name}: {round} inputs");
    }
}
