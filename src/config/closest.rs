//! The known name that a misspelt one was meant to be.

/// One letter in so many may be wrong: of names that differ more, one is not meant to be the other.
const LETTERS_PER_SLIP: usize = 3;

/// Returns the candidate that was meant: the one that takes the fewest edits, if those are few, else
/// one that ends in `name`, as `log.level` does in `level`.
pub fn closest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let close = candidates.clone().into_iter().filter(|candidate| is_close(name, candidate));
    let ends = |candidate: &&str| {
        let start = candidate.len().checked_sub(name.len())?;
        let (before, end) = candidate.split_at_checked(start)?;
        (end.eq_ignore_ascii_case(name) && before.ends_with(['.', '_'])).then_some(())
    };
    close
        .min_by_key(|candidate| edits(name, candidate))
        .or_else(|| candidates.into_iter().find(|candidate| ends(candidate).is_some()))
}

/// Whether whoever wrote `name` may have meant `candidate`.
pub fn is_close(name: &str, candidate: &str) -> bool {
    edits(name, candidate) * LETTERS_PER_SLIP <= name.chars().count()
}

/// Insertions, deletions, replacements and swaps of neighbours that make `from` into `to`.
fn edits(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.to_lowercase().chars().collect();
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    rows[0] = (0..=to.len()).collect();
    for i in 1..=from.len() {
        rows[i][0] = i;
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["listen", "log.level", "limits.body_bytes", "data"];

        assert_eq!(closest("lisetn", known), Some("listen"));
        assert_eq!(closest("log_level", known), Some("log.level"));
        assert_eq!(closest("DATA", known), Some("data"));
        assert_eq!(closest("level", known), Some("log.level"));
        assert_eq!(closest("BODY_BYTES", known), Some("limits.body_bytes"));
    }

    #[test]
    fn finds_nothing_far_fetched() {
        let known = ["listen", "log.level", "limits.body_bytes", "data", "url", "tls"];

        for name in ["port", "host", "dsn", "date_format", "vel", "", "ü", "database", "lx"] {
            assert_eq!(closest(name, known), None, "{name}");
        }
    }

    #[test]
    fn swapping_neighbours_is_one_edit() {
        assert_eq!(edits("ab", "ba"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
