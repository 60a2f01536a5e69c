//! Tokens: signed claims about an account, made and read; each kind by one algorithm only.
//!
//! What others may verify (`auth`) is RS256, under a key of the JWKS; what only we read back
//! (files, links in mails) is HS256 under the instance secret.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

use crate::auth::keys::SigningKey;
use crate::auth::seal;
use crate::auth::verified::Verified;
use crate::config::secret::Secret;

/// Most verified tokens remembered, about 1,500 bytes each. One not remembered costs an RSA
/// verification, some 30 µs.
const REMEMBERED_MAX: usize = 2048;
/// Longest token that is looked at. Ours have some 700 bytes, or as much more as an e-mail address.
const LENGTH_MAX: usize = 4096;
/// The `kid` of tokens that only we read.
const OWN_KEY: &str = "own";

/// What a token is good for, and for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    Auth,
    File,
    Verification,
    PasswordReset,
    EmailChange,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The account.
    pub id: String,
    pub collection_id: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Of auth tokens: whether it may be exchanged for a newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshable: Option<bool>,
    /// The address that is confirmed, or where the reset was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_email: Option<String>,
    /// Names the account's password, address and token key as they were: others mean revoked.
    pub epoch: String,
    /// Seconds since 1970.
    pub iat: i64,
    pub exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// The keys of an instance, the newest first: that one signs, all of them verify.
#[derive(Debug, Default)]
pub struct Ring(Vec<SigningKey>);

/// Makes and reads tokens.
pub struct Tokens {
    own: hmac::Key,
    /// Who signs, and for whom: set when other services verify our tokens.
    issuer: Option<String>,
    audience: Option<String>,
    remembered: Cache<Box<str>, Arc<Verified>>,
}

impl Kind {
    fn algorithm(self) -> &'static str {
        match self {
            Self::Auth => "RS256",
            Self::File | Self::Verification | Self::PasswordReset | Self::EmailChange => "HS256",
        }
    }
}

impl Ring {
    /// `keys` with the newest first.
    pub fn new(keys: Vec<SigningKey>) -> Self {
        Self(keys)
    }

    pub fn keys(&self) -> &[SigningKey] {
        &self.0
    }

    fn find(&self, name: &str) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.name() == name)
    }
}

impl Tokens {
    pub fn new(instance_secret: &Secret) -> Self {
        let own = seal::derive(instance_secret, "holdall tokens 1");
        Self {
            own: hmac::Key::new(hmac::HMAC_SHA256, &own),
            issuer: None,
            audience: None,
            remembered: Cache::new(REMEMBERED_MAX),
        }
    }

    /// Names who signs and for whom in every token, and demands it of every token.
    pub fn between(mut self, issuer: Option<String>, audience: Option<String>) -> Self {
        (self.issuer, self.audience) = (issuer, audience);
        self
    }

    /// Returns a token that says `claims`; `None` when there is no key to sign it with yet.
    pub fn issue(&self, ring: &Ring, mut claims: Claims) -> Option<String> {
        (claims.iss, claims.aud) = (self.issuer.clone(), self.audience.clone());
        let algorithm = claims.kind.algorithm();
        let key = match claims.kind {
            Kind::Auth => Some(ring.0.first()?),
            _ => None,
        };
        let header = Header {
            alg: algorithm.to_owned(),
            typ: "JWT".to_owned(),
            kid: key.map_or(OWN_KEY, SigningKey::name).to_owned(),
        };
        let mut token = format!("{}.{}", encode(&header), encode(&claims));
        let signature = match key {
            Some(key) => key.sign(token.as_bytes()),
            None => hmac::sign(&self.own, token.as_bytes()).as_ref().to_vec(),
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// Returns what `token` says if it is one of ours, of that kind, and not expired. Whether it was
    /// revoked is for whoever knows the account: see `Claims::epoch`.
    pub fn read(&self, ring: &Ring, token: &str, kind: Kind, now_ms: i64) -> Option<Arc<Verified>> {
        if token.len() > LENGTH_MAX {
            return None;
        }
        let verified = match self.remembered.get(token) {
            Some(verified) => verified,
            None => {
                let claims = self.verify(ring, token)?;
                let verified = Arc::new(Verified::new(claims));
                self.remembered.insert(token.into(), verified.clone());
                verified
            }
        };
        let claims = &verified.claims;
        (claims.kind == kind && claims.exp > now_ms.div_euclid(1000)).then_some(verified)
    }

    /// Whether `token` calls itself one of an account of `collection` (its id). It may lie: good for
    /// passing over whoever does not even say so.
    pub fn claims_to_be_of(token: &str, collection: &str) -> bool {
        let payload = token.split('.').nth(1).unwrap_or_default();
        match URL_SAFE_NO_PAD.decode(payload) {
            Ok(claims) => memchr::memmem::find(&claims, collection.as_bytes()).is_some(),
            Err(_) => false,
        }
    }

    /// Forgets what was verified: a key was taken out of the ring.
    pub fn forget(&self) {
        self.remembered.clear();
    }

    fn verify(&self, ring: &Ring, token: &str) -> Option<Claims> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Header = decode(header)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // The key decides the algorithm; the header only has to agree.
        let (algorithm, genuine) = match header.kid.as_str() {
            OWN_KEY => ("HS256", hmac::verify(&self.own, message.as_bytes(), &signature).is_ok()),
            name => ("RS256", ring.find(name)?.verifies(message.as_bytes(), &signature)),
        };
        if !genuine || header.alg != algorithm {
            return None;
        }
        let claims: Claims = decode(claims)?;
        let for_us = claims.iss == self.issuer && claims.aud == self.audience;
        (for_us && claims.kind.algorithm() == algorithm).then_some(claims)
    }
}

fn encode(part: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).expect("claims are plain text and numbers"))
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    static RING: LazyLock<Ring> = LazyLock::new(|| Ring::new(vec![SigningKey::generate()]));
    const NOW_MS: i64 = 1_795_000_000_000;

    fn tokens() -> Tokens {
        Tokens::new(&Secret::new("the secret of an instance, 32 bytes"))
    }

    fn claims(kind: Kind) -> Claims {
        Claims {
            id: "ddgx14etloxmnpr".into(),
            collection_id: "pbc_3175637221".into(),
            kind,
            refreshable: (kind == Kind::Auth).then_some(true),
            email: None,
            new_email: None,
            epoch: "epoch".into(),
            iat: NOW_MS / 1000,
            exp: NOW_MS / 1000 + 60,
            iss: None,
            aud: None,
        }
    }

    #[test]
    fn a_token_is_read_until_it_expires_and_for_its_kind_only() {
        let tokens = tokens();
        for kind in [Kind::Auth, Kind::File, Kind::Verification] {
            let token = tokens.issue(&RING, claims(kind)).unwrap();
            for _ in ["verified", "remembered"] {
                let read = |kind, now_ms| tokens.read(&RING, &token, kind, now_ms);
                assert_eq!(read(kind, NOW_MS).unwrap().claims, claims(kind));
                assert_eq!(read(kind, NOW_MS + 59_999).unwrap().claims, claims(kind));
                assert!(read(kind, NOW_MS + 60_000).is_none());
                assert!(read(Kind::PasswordReset, NOW_MS).is_none());
            }
        }
    }

    #[test]
    fn clients_find_in_it_what_they_look_for() {
        let token = tokens().issue(&RING, claims(Kind::Auth)).unwrap();
        let payload: Value = decode(token.split('.').nth(1).unwrap()).unwrap();

        assert_eq!(payload["id"], "ddgx14etloxmnpr");
        assert_eq!(payload["collectionId"], "pbc_3175637221");
        assert_eq!(payload["type"], "auth");
        assert_eq!(payload["refreshable"], true);
        assert_eq!(payload["exp"], 1_795_000_060);
    }

    #[test]
    fn others_verify_it_by_the_published_key() {
        let token = tokens().issue(&RING, claims(Kind::Auth)).unwrap();
        let public = RING.keys()[0].public();
        let key = jsonwebtoken::DecodingKey::from_rsa_components(&public.n, &public.e).unwrap();
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        rules.validate_exp = false;

        let read = jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap();

        assert_eq!(read.header.kid, Some(public.kid));
        assert_eq!(read.claims["type"], "auth");
    }

    #[test]
    fn a_token_of_another_algorithm_or_key_is_refused() {
        let tokens = tokens();
        let genuine = tokens.issue(&RING, claims(Kind::Auth)).unwrap();
        let payload = genuine.split('.').nth(1).unwrap();
        let signed = |header: Value, key: &[u8]| {
            let message = format!("{}.{payload}", encode(&header));
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            let tag = hmac::sign(&key, message.as_bytes());
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
        };
        let public = RING.keys()[0].public();
        let own =
            seal::derive(&Secret::new("the secret of an instance, 32 bytes"), "holdall tokens 1");
        let none = format!("{}.{payload}.", encode(&json!({"alg":"none","typ":"JWT","kid":"own"})));
        let cases = [
            none,
            signed(json!({"alg":"HS256","typ":"JWT","kid":public.kid}), public.n.as_bytes()),
            signed(json!({"alg":"HS256","typ":"JWT"}), b""),
            // Even the right secret: an auth token is RS256 or nothing.
            signed(json!({"alg":"HS256","typ":"JWT","kid":"own"}), &own),
            Tokens::new(&Secret::new("another"))
                .issue(&Ring::new(vec![SigningKey::generate()]), claims(Kind::Auth))
                .unwrap(),
        ];
        for token in cases {
            assert!(tokens.read(&RING, &token, Kind::Auth, NOW_MS).is_none(), "{token}");
        }
    }

    #[test]
    fn issuer_and_audience_are_demanded_when_they_are_set() {
        let ours = || tokens().between(Some("backend".into()), Some("frontend".into()));
        let token = ours().issue(&RING, claims(Kind::Auth)).unwrap();
        let plain = tokens().issue(&RING, claims(Kind::Auth)).unwrap();

        assert!(ours().read(&RING, &token, Kind::Auth, NOW_MS).is_some());
        assert!(tokens().read(&RING, &token, Kind::Auth, NOW_MS).is_none());
        assert!(ours().read(&RING, &plain, Kind::Auth, NOW_MS).is_none());
    }

    #[test]
    fn a_token_says_whose_it_claims_to_be() {
        let token = tokens().issue(&RING, claims(Kind::Auth)).unwrap();
        assert!(Tokens::claims_to_be_of(&token, "pbc_3175637221"));
        assert!(!Tokens::claims_to_be_of(&token, "pbc_3142635823"));
        assert!(!Tokens::claims_to_be_of("pbc_3175637221", "pbc_3175637221"));
    }

    #[test]
    fn a_key_that_left_the_ring_verifies_nothing_once_forgotten() {
        let tokens = tokens();
        let token = tokens.issue(&RING, claims(Kind::Auth)).unwrap();
        assert!(tokens.read(&RING, &token, Kind::Auth, NOW_MS).is_some());

        tokens.forget();

        assert!(tokens.read(&Ring::default(), &token, Kind::Auth, NOW_MS).is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in ".{0,200}", dots in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}") {
            let tokens = tokens();
            prop_assert!(tokens.read(&RING, &text, Kind::Auth, NOW_MS).is_none());
            prop_assert!(tokens.read(&RING, &dots, Kind::Auth, NOW_MS).is_none());
        }

        #[test]
        fn a_changed_token_is_no_token(at in 0_usize..600, to in prop::char::range('A', 'Z')) {
            let tokens = tokens();
            let token = tokens.issue(&RING, claims(Kind::Auth)).unwrap();
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to.to_string());
            // The last character of a signature carries bits that decode to nothing.
            prop_assume!(changed != token && at + 1 < token.len());
            prop_assert!(tokens.read(&RING, &changed, Kind::Auth, NOW_MS).is_none());
        }
    }
}
