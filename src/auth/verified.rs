//! Tokens that were verified, and for which state of their account they were found not revoked.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::auth::tokens::Claims;

/// A token whose signature was found good.
pub struct Verified {
    pub claims: Claims,
    good_for: Mutex<Option<Standing>>,
}

/// What an account's epoch is made of: its record, and its collection.
type Standing = (Bytes, Arc<dyn Any + Send + Sync>);

impl Verified {
    pub fn new(claims: Claims) -> Self {
        Self { claims, good_for: Mutex::default() }
    }

    /// Whether it was found not to be revoked for exactly this record and collection.
    pub fn is_good_for(&self, record: &Bytes, collection: &Arc<impl Any + Send + Sync>) -> bool {
        self.good_for.lock().as_ref().is_some_and(|(known, of)| {
            known.as_ptr() == record.as_ptr()
                && known.len() == record.len()
                && Arc::as_ptr(of).cast::<()>() == Arc::as_ptr(collection).cast::<()>()
        })
    }

    /// Remembers that it is not revoked for them. Both are held, so that nothing else takes their
    /// place in memory.
    pub fn found_good_for(&self, record: &Bytes, collection: &Arc<impl Any + Send + Sync>) {
        *self.good_for.lock() = Some((record.clone(), collection.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tokens::Kind;

    #[test]
    fn a_token_is_good_for_what_it_was_found_good_for_and_nothing_else() {
        let claims = Claims {
            id: "one".into(),
            collection_id: "users".into(),
            kind: Kind::Auth,
            refreshable: None,
            email: None,
            new_email: None,
            epoch: "epoch".into(),
            iat: 0,
            exp: 1,
            iss: None,
            aud: None,
        };
        let verified = Verified::new(claims);
        let (record, collection) = (Bytes::from(vec![1, 2]), Arc::new(1));
        assert!(!verified.is_good_for(&record, &collection));

        verified.found_good_for(&record, &collection);

        assert!(verified.is_good_for(&record, &collection));
        assert!(!verified.is_good_for(&Bytes::from(vec![1, 2]), &collection));
        assert!(!verified.is_good_for(&record, &Arc::new(1)));
    }
}
