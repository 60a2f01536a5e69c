//! The safe: passwords, tokens, keys, secrets. It knows no store, no record and no request.

pub mod epoch;
pub mod keys;
pub mod passwords;
pub mod random;
pub mod seal;
pub mod tokens;
pub mod verified;

use std::sync::Arc;

use crate::auth::keys::Gate;
use crate::auth::passwords::Passwords;
use crate::auth::seal::Seal;
use crate::auth::tokens::Tokens;
use crate::config::secret::Secret;

/// Everything of one instance that must not get out.
pub struct Safe {
    pub passwords: Arc<Passwords>,
    pub seal: Seal,
    pub tokens: Tokens,
    /// Opens when the instance has a key to sign tokens with.
    pub signing: Gate,
}

impl Safe {
    /// `instance_secret` seals what is stored and signs what only we read: at least 32 bytes.
    pub fn new(instance_secret: &Secret) -> Self {
        Self {
            passwords: Arc::default(),
            seal: Seal::new(instance_secret),
            tokens: Tokens::new(instance_secret),
            signing: Gate::default(),
        }
    }
}
