//! What `~` looks for: texts between `%`, without regard to the case of ASCII letters.

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// In lower case.
    parts: Vec<Box<[u8]>>,
    /// The first part is what the text starts with.
    from_start: bool,
    /// The last part is what the text ends with.
    to_end: bool,
}

impl Pattern {
    /// `text` as it stands right of `~`: without a `%` of its own it is looked for anywhere.
    pub fn new(text: &str) -> Self {
        let mut parts = vec![Vec::new()];
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' if bytes.peek() == Some(&b'%') => {
                    bytes.next();
                    last(&mut parts).push(b'%');
                }
                b'%' => parts.push(Vec::new()),
                other => last(&mut parts).push(other.to_ascii_lowercase()),
            }
        }
        let anywhere = parts.len() == 1;
        let from_start = !anywhere && !parts[0].is_empty();
        let to_end = !anywhere && parts.last().is_some_and(|part| !part.is_empty());
        parts.retain(|part| !part.is_empty());
        Self { parts: parts.into_iter().map(Into::into).collect(), from_start, to_end }
    }

    /// What a match must start with, in lower case.
    pub fn beginning(&self) -> Option<&str> {
        let first = self.parts.first().filter(|_| self.from_start)?;
        std::str::from_utf8(first).ok()
    }

    /// What is looked for, in lower case, if that is one text which may stand anywhere.
    pub fn anywhere(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [part] if !self.from_start && !self.to_end => Some(part),
            _ => None,
        }
    }

    pub fn matches(&self, text: &str) -> bool {
        let mut text = text.as_bytes();
        let mut parts = &self.parts[..];
        if self.from_start {
            let Some((first, rest)) = parts.split_first() else { return true };
            if !text.get(..first.len()).is_some_and(|start| start.eq_ignore_ascii_case(first)) {
                return false;
            }
            text = &text[first.len()..];
            parts = rest;
        }
        if self.to_end {
            // `a%` has no last part of its own; `a%b` has.
            let Some((end, rest)) = parts.split_last() else { return true };
            let Some(at) = text.len().checked_sub(end.len()) else { return false };
            if !text[at..].eq_ignore_ascii_case(end) {
                return false;
            }
            text = &text[..at];
            parts = rest;
        }
        for part in parts {
            let Some(at) = find(text, part) else { return false };
            text = &text[at + part.len()..];
        }
        true
    }
}

fn last(parts: &mut [Vec<u8>]) -> &mut Vec<u8> {
    parts.last_mut().expect("starts with one part and only grows")
}

/// Where `part`, in lower case, first stands in `text`, in whatever case.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let (rare, rarest) = part.iter().enumerate().min_by_key(|(_, byte)| commonness(**byte))?;
    let upper = rarest.to_ascii_uppercase();
    let end = text.len().checked_sub(part.len())?;
    let mut at = 0;
    while at <= end {
        let window = &text[at + rare..=end + rare];
        let found = if upper == *rarest {
            memchr::memchr(*rarest, window)?
        } else {
            memchr::memchr2(*rarest, upper, window)?
        };
        at += found;
        if text[at..at + part.len()].eq_ignore_ascii_case(part) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// How often a byte stands in usual texts, roughly: rare ones are cheaper to look for.
pub fn commonness(byte: u8) -> u8 {
    match byte {
        b' ' => 30,
        b'e' => 26,
        b't' | b'a' | b'o' | b'i' | b'n' => 24,
        b's' | b'r' | b'h' | b'l' | b'd' | b'u' => 20,
        b'c' | b'm' | b'p' | b'f' | b'g' | b'w' | b'y' | b'b' => 15,
        b'0'..=b'9' | b'-' | b'.' | b',' => 12,
        b'v' | b'k' => 10,
        0x80.. => 9,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, text: &str, wanted: bool) {
        assert_eq!(Pattern::new(pattern).matches(text), wanted, "{text:?} ~ {pattern:?}");
    }

    #[test]
    fn without_percent_it_is_looked_for_anywhere() {
        check("pp", "Apple", true);
        check("APP", "pineapple", true);
        check("", "", true);
        check("x", "", false);
        check("_", "a", false);
    }

    #[test]
    fn percent_is_any_run() {
        check("app%", "Apple", true);
        check("app%", "pineapple", false);
        check("%e", "apple", true);
        check("%e", "apples", false);
        check("line1%line2", "line1\nline2", true);
        check("ab%b", "ab", false);
        check("a%a", "a", false);
        check("%", "", true);
        check("a%b%c", "a b b c", true);
    }

    #[test]
    fn escaped_percent_is_itself() {
        check(r"100\%", "is 100% sure", true);
        check(r"100\%", "100", false);
        check(r"a\b", r"a\b", true);
    }

    #[test]
    fn only_ascii_letters_fold() {
        check("ü", "Ü", false);
        check("ünÏ", "ünÏ", true);
    }

    /// The definition, tried at every place.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            Some((letter, rest)) => {
                text.first().is_some_and(|first| first.eq_ignore_ascii_case(letter))
                    && naive(rest, &text[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_defined(pattern in "[abAé%]{0,6}", text in "[abABé ]{0,8}") {
            let whole = if pattern.contains('%') { pattern.clone() } else { format!("%{pattern}%") };
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let wanted = naive(&letters(&whole), &letters(&text));
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), wanted);
        }
    }
}
