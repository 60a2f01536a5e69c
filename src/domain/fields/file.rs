//! `file`: names of files that belong to the record.

use serde_json::Value;

use crate::domain::fields::FileOptions;
use crate::domain::fields::Problem;

/// Most bytes of one file when the field sets no limit.
const MAX_DEFAULT_BYTES: u64 = 5 << 20;

pub fn max_bytes(options: &FileOptions) -> u64 {
    if options.max_size == 0 { MAX_DEFAULT_BYTES } else { options.max_size }
}

pub fn cast(multiple: bool, value: &Value) -> Value {
    super::cast_texts(multiple, value)
}

pub fn problem(options: &FileOptions, value: &Value) -> Option<Problem> {
    let most = options.max_select.max(1);
    (super::texts(value).len() as u64 > most).then(|| {
        Problem::new("validation_too_many_files", format!("Keep no more than {most} file(s)."))
            .with("maxSelect", most.into())
    })
}
