//! Whether a secret is worth the name.

use crate::config::secret::Secret;

/// What the secret that seals others must have: an AES-256 key's worth.
pub const INSTANCE_SECRET_MIN_BYTES: usize = 32;
/// The same that accounts must keep to.
const PASSWORD_MIN_BYTES: usize = 8;
/// A random 32 bytes in hex has sixteen; `aaaa…` and `0123…` repeated have few.
const MIN_DIFFERENT_BYTES: usize = 8;

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
    "secret-key",
    "secret_key",
    "secretkey",
    "mysecret",
    "my-secret",
    "my_secret",
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
    looks_copied(secret).then_some("looks like an example's value")
}

/// Says why a person's password is weak.
pub fn password_weakness(password: &Secret) -> Option<&'static str> {
    if password.len() < PASSWORD_MIN_BYTES {
        return Some("is shorter than 8 characters");
    }
    looks_copied(password).then_some("looks like an example's value")
}

fn few_different(secret: &Secret) -> bool {
    let mut seen = [false; 256];
    secret.expose().iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() < MIN_DIFFERENT_BYTES
}

fn looks_copied(secret: &Secret) -> bool {
    let lower = secret.expose().to_ascii_lowercase();
    EXAMPLES
        .iter()
        .any(|example| lower.windows(example.len()).any(|part| part == example.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_and_repetitions_are_weak() {
        for weak in [
            "short",
            "your-super-secret-key-here-and-some-more-of-it",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(weakness(&Secret::new(weak)).is_some(), "{weak}");
        }
        assert!(password_weakness(&Secret::new("admin123")).is_some());
    }

    #[test]
    fn random_ones_are_not() {
        let random = "9f2c4b7ad01e56883f1b2a97c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7";

        assert_eq!(weakness(&Secret::new(random)), None);
        assert_eq!(password_weakness(&Secret::new("hazel-otter-42")), None);
    }
}
