//! The known name that a misspelt one was meant to be.

use std::cmp::Reverse;

const BETWEEN_WORDS: [char; 2] = ['.', '_'];
/// One letter in so many may be wrong: of names that differ more, one is not meant to be the other.
const LETTERS_PER_SLIP: usize = 3;
/// A beginning that is shorter says nothing.
const BEGINNING_MIN: usize = 3;

/// Returns the candidate that was meant: the one that takes the fewest edits, if those are few, else
/// one that ends in `name`, as `log.level` does in `level`, else the one that shares the longest
/// beginning, as `data` does with `data_dir`.
pub fn closest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let close = candidates.clone().into_iter().filter(|candidate| is_close(name, candidate));
    let ends = |candidate: &&str| {
        let start = candidate.len().checked_sub(name.len())?;
        let (before, end) = candidate.split_at_checked(start)?;
        (end.eq_ignore_ascii_case(name) && before.ends_with(BETWEEN_WORDS)).then_some(())
    };
    close
        .min_by_key(|candidate| edits(name, candidate))
        .or_else(|| candidates.clone().into_iter().find(|candidate| ends(candidate).is_some()))
        .or_else(|| {
            let shared = |candidate| Some((shared_beginning(name, candidate)?, candidate));
            let shared = candidates.into_iter().filter_map(shared);
            shared.min_by_key(|(length, _)| Reverse(*length)).map(|(_, candidate)| candidate)
        })
}

/// How long the shorter name is, if the longer one begins with it: with all of a word, or with more
/// than one, since what `data` and `database` share is chance.
fn shared_beginning(name: &str, candidate: &str) -> Option<usize> {
    let (short, long) = match name.len() < candidate.len() {
        true => (name, candidate),
        false => (candidate, name),
    };
    let (beginning, rest) = long.split_at_checked(short.len())?;
    let is_likely = rest.starts_with(BETWEEN_WORDS) || short.contains(BETWEEN_WORDS);
    let is_shared = short.len() >= BEGINNING_MIN && beginning.eq_ignore_ascii_case(short);
    (is_shared && is_likely).then_some(short.len())
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
    fn finds_what_begins_alike() {
        let known = [
            "data",
            "tls",
            "tls_cert",
            "admin_password",
            "admin_password_file",
            "limits.header_bytes",
            "limits.header_time",
        ];
        for (name, meant) in [
            ("DATA_DIR", "data"),
            ("ADMIN_PASS", "admin_password"),
            ("limits.header", "limits.header_bytes"),
            ("TLS_CERTIFICATE", "tls_cert"),
            ("TLS_ENABLED", "tls"),
        ] {
            assert_eq!(closest(name, known), Some(meant), "{name}");
        }
        for name in ["da", "database", "administrator", "limit", "tlsx"] {
            assert_eq!(shared_beginning(name, "data"), None);
        }
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
