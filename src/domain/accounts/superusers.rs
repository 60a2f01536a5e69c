//! Superusers: at least one always remains.

use crate::domain::Error;
use crate::domain::Result;
use crate::domain::record::Record;
use crate::domain::request::SUPERUSERS;
use crate::domain::schema::Collection;
use crate::store::{Order, Range, Read, keys};

/// Refuses to delete the last superuser. Called before any record is deleted.
pub fn may_delete(read: &dyn Read, record: &Record) -> Result<()> {
    if record.collection().name != SUPERUSERS {
        return Ok(());
    }
    // Two rows are read, not counted, so that two superusers can't delete each other.
    let range = Range::prefix(&keys::records(record.collection().number));
    match read.scan(&range, Order::Forward, 2)?.len() {
        0 | 1 => Err(Error::Bad("The last superuser cannot be deleted.".to_owned())),
        _ => Ok(()),
    }
}

/// Refuses to empty the collection of superusers.
pub fn may_truncate(collection: &Collection) -> Result<()> {
    if collection.name == SUPERUSERS {
        return Err(Error::Bad("The superusers cannot be deleted all at once.".to_owned()));
    }
    Ok(())
}
