//! Collections: what may be defined, changed and dropped.

use crate::domain::Result;
use crate::domain::schema::Collection;

impl Collection {
    /// The collection that was stored under a collection key.
    pub fn from_stored(bytes: &[u8]) -> Result<Self> {
        let _ = bytes;
        todo!()
    }
}
