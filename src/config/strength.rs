//! Whether a secret is worth the name.

use crate::config::secret::Secret;

/// What the secret that seals others must have: an AES-256 key's worth.
pub const INSTANCE_SECRET_MIN_BYTES: usize = 32;
/// The same that accounts must keep to.
const PASSWORD_MIN_BYTES: usize = 8;
/// A random 32 bytes in hex has sixteen; `aaaa…` and `0123…` repeated have few.
const MIN_DIFFERENT_BYTES: usize = 8;
/// A random one of 32 digits has twenty-five or more, the alphabet with numbers four.
const MIN_SURPRISES: usize = 16;
/// The same of passwords: `abcdefgh` has two, `12341234` five.
const PASSWORD_MIN_SURPRISES: usize = 6;
/// Steps in a row that are met again by no accident.
const REPETITION: usize = 3;
/// What is looked at of a secret: more would take time, and say nothing new.
const LOOKED_AT: usize = 1024;

/// Parts of the values that examples and tutorials leave behind, in lower case.
const EXAMPLES: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "change-this",
    "change_this",
    "changethis",
    "your-",
    "your_",
    "supersecret",
    "super-secret",
    "super_secret",
    "secret-",
    "secret_",
    "secretkey",
    "mysecret",
    "-secret",
    "_secret",
    "password",
    "passw0rd",
    "example",
    "insecure",
    "placeholder",
    "replace",
    "default",
    "admin",
    "letmein",
    "qwerty",
    "12345678",
];

/// Says why the secret that seals others is weak.
pub fn weakness(secret: &Secret) -> Option<&'static str> {
    if secret.len() < INSTANCE_SECRET_MIN_BYTES {
        return Some("is shorter than 32 bytes");
    }
    if few_different(secret) {
        return Some("repeats a few characters");
    }
    if surprises(secret) < MIN_SURPRISES {
        return Some("is a sequence or a repetition");
    }
    looks_copied(secret).then_some("looks like an example's value")
}

/// Says why a person's password is weak.
pub fn password_weakness(password: &Secret) -> Option<&'static str> {
    if password.len() < PASSWORD_MIN_BYTES {
        return Some("is shorter than 8 characters");
    }
    if surprises(password) < PASSWORD_MIN_SURPRISES {
        return Some("is a sequence or a repetition");
    }
    looks_copied(password).then_some("looks like an example's value")
}

fn few_different(secret: &Secret) -> bool {
    let mut seen = [false; 256];
    secret.expose().iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() < MIN_DIFFERENT_BYTES
}

/// Counts what could not be foretold: of the steps from one byte to the next, those that are not
/// some before told again. `abcdef`, `aabbcc`, `a1b2c3` and `foofoofoo` are all but foretold.
fn surprises(secret: &Secret) -> usize {
    let pairs = secret.expose().windows(2).take(LOOKED_AT);
    let steps: Vec<u8> = pairs.map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let mut surprises = 0;
    let mut at = 0;
    while at < steps.len() {
        let again = |from: usize| {
            steps[from..].iter().zip(&steps[at..]).take_while(|(before, now)| before == now).count()
        };
        let longest = (0..at).map(again).max().unwrap_or(0);
        at += if longest < REPETITION { 1 } else { longest };
        surprises += 1;
    }
    surprises
}

fn looks_copied(secret: &Secret) -> bool {
    let lower = secret.expose().to_ascii_lowercase();
    EXAMPLES
        .iter()
        .any(|example| lower.windows(example.len()).any(|part| part == example.as_bytes()))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples_sequences_and_repetitions_are_weak() {
        for weak in [
            "short",
            "your-super-secret-key-here-and-some-more-of-it",
            "secret-of-staging-that-nobody-will-ever-guess",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz123456",
            "zyxwvutsrqponmlkjihgfedcba987654321",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "0123456789abcdef0123456789abcdef",
            "aabbccddeeffgghhiijjkkllmmnnoopp",
            "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6",
            "acegikmoqsuwyACEGIKMOQSUWY13579!",
            "hunter2!hunter2!hunter2!hunter2!hunter2!",
        ] {
            assert!(weakness(&Secret::new(weak)).is_some(), "{weak}");
        }
        for weak in ["admin123", "abcdefgh", "12341234", "zzzzzzzzzz", "asasasasas"] {
            assert!(password_weakness(&Secret::new(weak)).is_some(), "{weak}");
        }
    }

    #[test]
    fn phrases_are_not() {
        let phrase = "tulip engine orbit marble forty lantern";
        assert_eq!(weakness(&Secret::new(phrase)), None);
        for password in ["hazel-otter-42", "tulip123"] {
            assert_eq!(password_weakness(&Secret::new(password)), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn random_ones_are_not(bytes in any::<[u8; 24]>()) {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            for random in [hex[..32].to_owned(), hex] {
                prop_assert_eq!(weakness(&Secret::new(random)), None);
            }
            // A word of an example is in one of a million of these.
            for random in [STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)] {
                let random = Secret::new(random);
                prop_assert!(!few_different(&random) && surprises(&random) >= MIN_SURPRISES);
            }
        }
    }
}
