//! Key epochs: a short name for the state of an account that its tokens depend on.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bytes of an epoch. It stands inside a signed token, so nobody can search for a second one that
/// is the same; it only must not be so by chance.
const LENGTH_BYTES: usize = 12;

/// Returns the epoch of `parts`: another one if any of them is. Tells nothing about them, as long
/// as one is as random as a token key.
pub fn of(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..LENGTH_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differs_as_soon_as_a_part_does_wherever_parts_are_cut() {
        let epochs = [of(&["ab", "c"]), of(&["a", "bc"]), of(&["abc"]), of(&["ab", "c", ""])];
        for (at, epoch) in epochs.iter().enumerate() {
            assert_eq!(epoch.len(), 16);
            assert!(!epochs[at + 1..].contains(epoch));
        }
        assert_eq!(of(&["ab", "c"]), epochs[0]);
    }
}
