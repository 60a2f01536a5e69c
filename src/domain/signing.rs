//! The keys that sign tokens: kept sealed in the store, made when there is none.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::auth::Safe;
use crate::auth::keys::{PublicKey, SigningKey};
use crate::auth::tokens::Ring;
use crate::domain::{Error, Result};
use crate::store::{self, Read, Tx, keys};

/// Name of the document that holds the keys.
const DOCUMENT: &str = "signing-key";
/// Most keys kept: the one that signs, and those whose last tokens may still be about.
const KEPT_MAX: usize = 4;

/// The newest first.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    public: PublicKey,
    made_ms: i64,
    /// Under which instance secret it is sealed.
    seal: String,
    /// PKCS#8, sealed, base64.
    sealed: String,
}

/// The keys of this instance, opened once per version of the document. Keys that were sealed with
/// another instance secret don't count: their tokens are void, and a new key takes their place.
pub fn ring(read: &dyn Read, safe: &Safe) -> Result<Arc<Ring>> {
    store::memo(read, &keys::document(DOCUMENT), |read| {
        // What was verified under a key that is gone must not be remembered.
        safe.tokens.forget();
        let opened = |key: &StoredKey| {
            let sealed = safe.seal.decode(&key.sealed)?;
            SigningKey::from_pkcs8(&safe.seal.open(&key.public.kid, &sealed)?).ok()
        };
        Ok::<_, Error>(Ring::new(stored(read)?.keys.iter().filter_map(opened).collect()))
    })
}

/// The keys as they are stored, for whoever takes the store back to an earlier moment.
pub fn kept(read: &dyn Read) -> Result<Option<Bytes>> {
    Ok(read.get(&keys::document(DOCUMENT))?)
}

/// Puts what was kept back, if there is no key.
pub fn keep_again(tx: &mut Tx, kept: &Bytes) -> Result<()> {
    let key = keys::document(DOCUMENT);
    if tx.get(&key)?.is_none() {
        tx.put(&key, kept.clone())?;
    }
    Ok(())
}

/// Whether there is a key to sign with.
pub fn has_key(read: &dyn Read, safe: &Safe) -> Result<bool> {
    Ok(!ring(read, safe)?.keys().is_empty())
}

/// Puts `key` first: it signs from now on, the older ones only verify.
pub fn add(tx: &mut Tx, safe: &Safe, key: &SigningKey, now_ms: i64) -> Result<()> {
    let mut stored = stored(tx)?;
    let sealed = safe.seal.close(key.name(), &key.to_pkcs8());
    let key = StoredKey {
        public: key.public(),
        made_ms: now_ms,
        seal: safe.seal.id().to_owned(),
        sealed: safe.seal.encode(&sealed),
    };
    stored.keys.insert(0, key);
    stored.keys.truncate(KEPT_MAX);
    let bytes = serde_json::to_vec(&stored).map_err(|error| Error::Broken(error.to_string()))?;
    tx.put(&keys::document(DOCUMENT), bytes)?;
    Ok(())
}

/// As `add`, unless there is a key already: two replicas may both have made their first.
pub fn add_first(tx: &mut Tx, safe: &Safe, key: &SigningKey, now_ms: i64) -> Result<()> {
    if has_key(tx, safe)? { Ok(()) } else { add(tx, safe, key, now_ms) }
}

/// What others verify our tokens with: the JWKS.
pub fn public_keys(read: &dyn Read, safe: &Safe) -> Result<Vec<PublicKey>> {
    Ok(ring(read, safe)?.keys().iter().map(SigningKey::public).collect())
}

fn stored(read: &dyn Read) -> Result<Stored> {
    match read.get(&keys::document(DOCUMENT))? {
        None => Ok(Stored::default()),
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| Error::Broken(format!("the signing keys are damaged: {error}"))),
    }
}
