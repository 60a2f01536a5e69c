//! Sealing: what lies in the store but must not be read from a copy of it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::config::secret::Secret;

/// Encrypts and authenticates with a key made from the instance secret (AES-256-GCM).
pub struct Seal {
    key: RandomizedNonceKey,
    id: String,
}

impl Seal {
    pub fn new(instance_secret: &Secret) -> Self {
        let key = derive(instance_secret, "holdall seal 1");
        let id = derive(instance_secret, "holdall seal id 1");
        Self {
            key: RandomizedNonceKey::new(&AES_256_GCM, &key).expect("the key has 32 bytes"),
            id: id[..4].iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// Names the instance secret without telling anything of it: what is sealed under another
    /// name was sealed with another secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals `plain`. What it is `of` is bound to it: it opens as nothing else.
    pub fn close(&self, of: &str, plain: &[u8]) -> Vec<u8> {
        let mut body = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(of.as_bytes()), &mut body)
            .expect("sealing a short text cannot fail");
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend(body);
        sealed
    }

    /// Opens what `close` sealed; `None` if it was sealed otherwise or changed since.
    pub fn open(&self, of: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let length = self.key.open_in_place(nonce, Aad::from(of.as_bytes()), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }

    /// Sealed bytes as text, for documents.
    pub fn encode(&self, sealed: &[u8]) -> String {
        STANDARD_NO_PAD.encode(sealed)
    }

    pub fn decode(&self, text: &str) -> Option<Vec<u8>> {
        STANDARD_NO_PAD.decode(text).ok()
    }
}

/// A key of its own for each purpose, so that none can stand in for another.
pub(super) fn derive(instance_secret: &Secret, purpose: &str) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, instance_secret.expose());
    let tag = hmac::sign(&key, purpose.as_bytes());
    tag.as_ref().try_into().expect("an HMAC-SHA256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_it_closed_and_only_as_what_it_was() {
        let seal = Seal::new(&Secret::new("a secret of the instance, long"));
        let other = Seal::new(&Secret::new("another secret of an instance"));

        let sealed = seal.close("key", b"plain");
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;

        assert_eq!(seal.open("key", &sealed).as_deref(), Some(&b"plain"[..]));
        assert_eq!(seal.open("mail password", &sealed), None);
        assert_eq!(seal.open("key", &changed), None);
        assert_eq!(seal.open("key", b"short"), None);
        assert_eq!(other.open("key", &sealed), None);
        assert_ne!(seal.id(), other.id());
    }
}
