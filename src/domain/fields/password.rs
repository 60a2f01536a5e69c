//! `password`: a text that is stored only as its hash, and never shown.

use crate::domain::fields::PasswordOptions;
use crate::domain::fields::Problem;
use crate::domain::fields::text;

/// Most bytes when the field sets no limit: what clients of other servers count on.
const MAX_DEFAULT: u64 = 71;

/// Checks the plain text, before it is hashed.
pub fn problem(options: &PasswordOptions, plain: &str) -> Option<Problem> {
    let max = if options.max == 0 { MAX_DEFAULT } else { options.max };
    text::length_problem(plain, options.min, max)
        .or_else(|| text::format_problem(&options.pattern, plain))
}
