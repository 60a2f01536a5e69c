//! `autodate`: a date that the server sets when the record is created or updated.

use serde_json::Value;

use crate::domain::fields::AutodateOptions;
use crate::domain::fields::date;

/// The value after a write at `now_ms` (input never counts); `None` leaves it as it is.
pub fn value(options: &AutodateOptions, creating: bool, now_ms: i64) -> Option<Value> {
    let due = if creating { options.on_create } else { options.on_update };
    due.then(|| date::print(now_ms).into())
}
