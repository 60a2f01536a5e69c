//! Signing keys: RSA pairs, their names, and what others need to verify with them.

use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};

/// Characters of a key's name. It only tells a handful of keys of one instance apart.
const NAME_LENGTH: usize = 16;

/// A key to sign tokens with, and to verify them.
pub struct SigningKey {
    name: String,
    pair: RsaKeyPair,
    modulus: String,
    exponent: String,
}

/// What is wrong with bytes that should be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RSA key that tokens can be signed with")]
pub struct BadKey;

/// A public key as RFC 7517 writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    pub kty: String,
    #[serde(rename = "use")]
    pub purpose: String,
    pub alg: String,
    pub kid: String,
    pub n: String,
    pub e: String,
}

impl SigningKey {
    /// Makes a new key of 2,048 bits: a third of a second of one core, give or take luck.
    pub fn generate() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("the kernel gives random bytes");
        Self::named(pair).expect("a fresh key has a modulus and an exponent")
    }

    /// Reads what `to_pkcs8` wrote.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, BadKey> {
        Self::named(RsaKeyPair::from_pkcs8(bytes).map_err(|_| BadKey)?)
    }

    /// The private key, for storing it sealed.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        let der: Pkcs8V1Der = self.pair.as_der().expect("a complete key can be written");
        der.as_ref().to_vec()
    }

    /// The `kid` of tokens: the start of the key's RFC 7638 thumbprint.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn public(&self) -> PublicKey {
        PublicKey {
            kty: "RSA".to_owned(),
            purpose: "sig".to_owned(),
            alg: "RS256".to_owned(),
            kid: self.name.clone(),
            n: self.modulus.clone(),
            e: self.exponent.clone(),
        }
    }

    /// Signs with RSASSA-PKCS1-v1_5 and SHA-256 (`RS256`).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("signing with a checked key cannot fail");
        signature
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key())
            .verify(message, signature)
            .is_ok()
    }

    fn named(pair: RsaKeyPair) -> Result<Self, BadKey> {
        let (modulus, exponent) = integers(pair.public_key().as_ref()).ok_or(BadKey)?;
        let (modulus, exponent) =
            (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
        let members = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
        let thumbprint = digest::digest(&digest::SHA256, members.as_bytes());
        let mut name = URL_SAFE_NO_PAD.encode(thumbprint);
        name.truncate(NAME_LENGTH);
        Ok(Self { name, pair, modulus, exponent })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SigningKey({})", self.name)
    }
}

/// Modulus and exponent of a DER `RSAPublicKey ::= SEQUENCE { INTEGER, INTEGER }`.
fn integers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    let (sequence, _) = element(der, SEQUENCE)?;
    let (modulus, rest) = element(sequence, INTEGER)?;
    let (exponent, _) = element(rest, INTEGER)?;
    Some((unsigned(modulus), unsigned(exponent)))
}

/// DER puts a zero before an integer whose first bit is set; a JWK doesn't.
fn unsigned(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(&[0]).unwrap_or(bytes)
}

/// Splits one DER element of kind `tag` off `der`: its content, and what follows.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    if *length < 0x80 {
        return rest.split_at_checked(usize::from(*length));
    }
    let (bytes, rest) = rest.split_at_checked(usize::from(*length & 0x7f))?;
    if bytes.len() > 4 {
        return None;
    }
    let length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

/// Shut until somebody opens it, then open for good: "there is a key to sign with".
#[derive(Debug, Default)]
pub struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }

    pub fn is_open(&self) -> bool {
        *self.open.lock()
    }

    /// Blocks until the gate is open, at most `limit`; whether it is.
    pub fn wait(&self, limit: Duration) -> bool {
        let mut open = self.open.lock();
        self.opened.wait_while_for(&mut open, |open| !*open, limit);
        *open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_is_the_same_key() {
        let made = SigningKey::generate();

        let read = SigningKey::from_pkcs8(&made.to_pkcs8()).unwrap();

        assert_eq!(read.name(), made.name());
        assert_eq!(read.public(), made.public());
        assert!(read.verifies(b"message", &made.sign(b"message")));
        assert!(!read.verifies(b"massage", &made.sign(b"message")));
        assert!(!format!("{made:?}").contains(&made.public().n));
    }

    #[test]
    fn the_public_key_is_what_the_standards_say() {
        let public = SigningKey::generate().public();

        assert_eq!(public.e, "AQAB");
        assert_eq!(URL_SAFE_NO_PAD.decode(&public.n).unwrap().len(), 256);
        assert_eq!(public.kid.len(), NAME_LENGTH);
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        assert_eq!(SigningKey::from_pkcs8(b"no key").err(), Some(BadKey));
        for der in
            [&b""[..], b"\x30", b"\x30\x05\x02", b"\x30\x84\xff\xff\xff\xff", b"\x02\x01\x01"]
        {
            assert_eq!(integers(der), None);
        }
    }

    #[test]
    fn a_gate_lets_pass_whoever_waits_once_it_is_open() {
        let gate = Gate::default();

        let early = gate.wait(Duration::ZERO);
        let late = std::thread::scope(|threads| {
            let waits = threads.spawn(|| gate.wait(Duration::from_secs(10)));
            gate.open();
            waits.join().unwrap()
        });

        assert_eq!((early, late, gate.is_open()), (false, true, true));
    }
}
