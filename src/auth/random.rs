//! Random text from the operating system: ids, token keys, first passwords.

use std::cell::RefCell;

/// Letters and digits that record ids are made of.
pub const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// Letters and digits of both cases.
pub const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Returns `length` characters of `alphabet` (at most 256 of them), all equally likely.
pub fn text(alphabet: &[u8], length: usize) -> String {
    let mut text = String::with_capacity(length);
    push(&mut text, alphabet, length);
    text
}

/// Appends as many.
pub fn push(text: &mut String, alphabet: &[u8], length: usize) {
    // Bytes above the last whole multiple would make the first characters likelier: drawn again.
    let limit = 256 - 256 % alphabet.len();
    let mut left = length;
    while left > 0 {
        let drawn = number().to_le_bytes().map(usize::from);
        for byte in drawn.into_iter().filter(|byte| *byte < limit).take(left) {
            text.push(char::from(alphabet[byte % alphabet.len()]));
            left -= 1;
        }
    }
}

/// What is drawn at a time where a few bytes are wanted often: a system call for each would cost
/// more than the rest of making an id.
const DRAWN: usize = 256;

/// A random number.
pub fn number() -> u64 {
    thread_local!(static DRAW: RefCell<([u8; DRAWN], usize)> = const { RefCell::new(([0; DRAWN], DRAWN)) });
    DRAW.with_borrow_mut(|(bytes, used)| {
        if *used == DRAWN {
            fill(bytes);
            *used = 0;
        }
        let (number, _) = bytes[*used..].split_first_chunk_mut::<8>().expect("8 divides DRAWN");
        *used += 8;
        // What was given away is known to somebody: it does not stay here.
        u64::from_le_bytes(std::mem::take(number))
    })
}

/// Fills `bytes` with random ones.
pub fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the kernel gives random bytes once it has booted");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_the_asked_length_from_the_alphabet_only() {
        for length in [0, 1, 15, 64, 200] {
            let text = text(LOWER, length);
            assert_eq!(text.len(), length);
            assert!(text.bytes().all(|byte| LOWER.contains(&byte)));
        }
    }

    #[test]
    fn numbers_do_not_come_again() {
        let numbers: std::collections::HashSet<u64> = (0..10 * DRAWN).map(|_| number()).collect();
        assert_eq!(numbers.len(), 10 * DRAWN);
    }

    #[test]
    fn characters_are_about_equally_likely() {
        let mut text = String::new();
        push(&mut text, LOWER, 36_000);
        assert_eq!(text.len(), 36_000);
        for letter in LOWER {
            let count = text.bytes().filter(|byte| byte == letter).count();
            assert!((800..1200).contains(&count), "{} came {count} times", char::from(*letter));
        }
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(text(MIXED, 50), text(MIXED, 50));
    }
}
