//! A request's path as the name of a file: decoded once, and never one that leads out of its folder.

/// Longest path that can name a file here.
const LENGTH_LIMIT: usize = 1024;

/// A path that is safe to look up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Segments joined with `/`, without a slash at either end.
    pub name: String,
    /// It ended with a slash, or was empty.
    pub is_folder: bool,
}

impl Wanted {
    /// Reads what follows the prefix's slash. Nothing comes of a path that no file may have.
    pub fn parse(path: &str) -> Option<Self> {
        if path.len() > LENGTH_LIMIT {
            return None;
        }
        let decoded = decode(path)?;
        let is_folder = decoded.is_empty() || decoded.ends_with('/');
        let name = decoded.strip_suffix('/').unwrap_or(&decoded);
        if !name.is_empty() && !name.split('/').all(is_plain) {
            return None;
        }
        Some(Self { name: name.to_owned(), is_folder })
    }

    /// A page's address, not a file's: the last segment has no extension.
    pub fn is_page(&self) -> bool {
        self.is_folder || !last_segment(&self.name).contains('.')
    }
}

/// The part of a name after its last slash.
pub(super) fn last_segment(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Whether a segment may be part of a file's name. Names that begin with a dot are `..`, or what
/// people hide (`.git`, `.env`); `.well-known` is the one that is meant for visitors.
fn is_plain(segment: &str) -> bool {
    !segment.is_empty()
        && (!segment.starts_with('.') || segment == ".well-known")
        && !segment.contains(['\\', '\0'])
}

/// Percent-decodes once. What isn't UTF-8 then is no name of ours.
fn decode(path: &str) -> Option<String> {
    if !path.contains('%') {
        return Some(path.to_owned());
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (pair, after) = after.split_at_checked(2)?;
            bytes.push(hex(pair[0])? << 4 | hex(pair[1])?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(path: &str) -> Option<String> {
        Wanted::parse(path).map(|wanted| wanted.name)
    }

    #[test]
    fn decodes_once() {
        assert_eq!(name("a%20b/c.js").as_deref(), Some("a b/c.js"));
        assert_eq!(name("100%2525.txt").as_deref(), Some("100%25.txt"));
        assert_eq!(name("%C3%A5.svg").as_deref(), Some("å.svg"));
    }

    #[test]
    fn refuses_what_leads_out() {
        for path in [
            "..",
            "../x",
            "a/../../x",
            "%2e%2e/x",
            "..%2fx",
            "a/%2E%2E/x",
            "a//b",
            "/etc/passwd",
            "%2fetc/passwd",
            "a\\..\\b",
            "a%5c..%5cb",
            "a%00.js",
            ".git/config",
            "a/.env",
            "%ff.js",
            "%zz",
            "%4",
        ] {
            assert_eq!(Wanted::parse(path), None, "{path}");
        }
    }

    #[test]
    fn tells_pages_from_files() {
        for (path, is_page) in
            [("", true), ("a", true), ("a.b/", true), ("a.b/c", true), ("a/b.js", false)]
        {
            assert_eq!(Wanted::parse(path).expect("plain").is_page(), is_page, "{path}");
        }
        assert_eq!(name(".well-known/acme").as_deref(), Some(".well-known/acme"));
    }

    proptest! {
        #[test]
        fn no_path_gets_out(path in "(\\.|/|%2e|%2f|%5c|\\\\|a|%00|%c0%af){0,12}") {
            if let Some(wanted) = Wanted::parse(&path) {
                for segment in wanted.name.split('/') {
                    prop_assert!(segment != ".." && segment != "." && !segment.contains('\\'));
                }
                prop_assert!(!wanted.name.starts_with('/'));
            }
        }
    }
}
