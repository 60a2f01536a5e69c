//! Random text from the operating system: ids, token keys, first passwords.

/// Letters and digits that record ids are made of.
pub const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// Letters and digits of both cases.
pub const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Returns `length` characters of `alphabet` (at most 256 of them), all equally likely.
pub fn text(alphabet: &[u8], length: usize) -> String {
    // Bytes above the last whole multiple would make the first characters likelier: drawn again.
    let limit = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    let mut drawn = [0_u8; 64];
    while text.len() < length {
        fill(&mut drawn);
        let usable = drawn.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < limit);
        let wanted = length - text.len();
        text.extend(usable.take(wanted).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    text
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
    fn two_draws_differ() {
        assert_ne!(text(MIXED, 50), text(MIXED, 50));
    }
}
