//! `editor`: HTML as it was sent, never sanitised.

use crate::domain::fields::EditorOptions;
use crate::domain::fields::Problem;

/// Most bytes when the field sets no limit.
const MAX_DEFAULT_BYTES: u64 = 5 << 20;

pub fn max_bytes(options: &EditorOptions) -> u64 {
    if options.max_size == 0 { MAX_DEFAULT_BYTES } else { options.max_size }
}

pub fn problem(options: &EditorOptions, text: &str) -> Option<Problem> {
    let max = max_bytes(options);
    (text.len() as u64 > max).then(|| {
        Problem::new(
            "validation_content_size_limit",
            format!("Must have no more than {max} bytes."),
        )
        .with("maxSize", max.into())
    })
}
