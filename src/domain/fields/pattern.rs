//! Patterns of text: RE2-style expressions, compiled once, and text made from a small subset.

use std::ops::Deref;
use std::sync::OnceLock;

use regex::Regex;
use regex::RegexBuilder;
use serde::{Deserialize, Serialize};

use crate::auth::random;

/// Largest compiled expression: a schema must not be able to take the memory of the server.
const COMPILED_LIMIT_BYTES: usize = 1 << 20;
/// Longest text that may be generated, and most repetitions a generating pattern may ask for.
const GENERATED_LIMIT: usize = 5000;

/// A regular expression as it was given; compiled on first use. `""` matches everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub fn matches(&self, text: &str) -> bool {
        self.text.is_empty() || self.compiled().is_some_and(|regex| regex.is_match(text))
    }

    pub fn is_valid(&self) -> bool {
        self.text.is_empty() || self.compiled().is_some()
    }

    fn compiled(&self) -> Option<&Regex> {
        let compile = || {
            RegexBuilder::new(&ascii_classes(&self.text))
                .size_limit(COMPILED_LIMIT_BYTES)
                .build()
                .ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self { text, compiled: OnceLock::new() }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

impl Deref for Pattern {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// `\d`, `\w` and `\s` know only ASCII in RE2.
fn ascii_classes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('s') => out.push_str("[\\t\\n\\f\\r ]"),
            Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
            Some('b') => out.push_str("(?-u:\\b)"),
            other => {
                out.push('\\');
                out.extend(other);
            }
        }
    }
    out
}

/// Makes a random text that `pattern` (literals, classes, counted repetition) describes; `None`
/// if the pattern is not of that subset.
pub fn generate(pattern: &str) -> Option<String> {
    let mut out = String::new();
    for (choices, least, most) in parse(pattern)? {
        let times = least + below(most - least + 1);
        if out.len() + times > GENERATED_LIMIT {
            return None;
        }
        out.extend((0..times).map(|_| choices[below(choices.len())]));
    }
    Some(out)
}

/// A list of: the characters to choose from, least and most repetitions.
type Parts = Vec<(Vec<char>, usize, usize)>;

fn parse(pattern: &str) -> Option<Parts> {
    let letters: Vec<char> = pattern.chars().collect();
    let mut parts = Parts::new();
    let mut at = 0;
    while at < letters.len() {
        let choices = match letters[at] {
            '[' => {
                let end = at + letters[at..].iter().position(|letter| *letter == ']')?;
                let choices = class(&letters[at + 1..end])?;
                at = end;
                choices
            }
            '\\' => {
                at += 1;
                escape(*letters.get(at)?)?
            }
            '.' => (' '..='~').collect(),
            '^' if at == 0 => {
                at += 1;
                continue;
            }
            '$' if at + 1 == letters.len() => break,
            '(' | ')' | '|' | '*' | '+' | '?' | '{' | '}' | '^' | '$' | ']' => return None,
            letter => vec![letter],
        };
        at += 1;
        let (mut least, mut most) = (1, 1);
        if letters.get(at) == Some(&'{') {
            let end = at + letters[at..].iter().position(|letter| *letter == '}')?;
            let counts: String = letters[at + 1..end].iter().collect();
            let (low, high) = counts.split_once(',').unwrap_or((&counts, &counts));
            (least, most) = (low.parse().ok()?, high.parse().ok()?);
            at = end + 1;
        }
        if least > most || most > GENERATED_LIMIT {
            return None;
        }
        parts.push((choices, least, most));
    }
    Some(parts)
}

fn class(letters: &[char]) -> Option<Vec<char>> {
    let mut choices = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        match letters[at..] {
            ['^', ..] if at == 0 => return None,
            ['\\', escaped, ..] => {
                choices.extend(escape(escaped)?);
                at += 2;
            }
            [from, '-', to, ..] if to != '\\' => {
                if from > to || (from..=to).count() > 0x500 {
                    return None;
                }
                choices.extend(from..=to);
                at += 3;
            }
            _ => {
                choices.push(letters[at]);
                at += 1;
            }
        }
    }
    (!choices.is_empty()).then_some(choices)
}

fn escape(letter: char) -> Option<Vec<char>> {
    match letter {
        'd' => Some(('0'..='9').collect()),
        'w' => Some(('a'..='z').chain('A'..='Z').chain('0'..='9').chain(['_']).collect()),
        letter if letter.is_ascii_alphanumeric() => None,
        letter => Some(vec![letter]),
    }
}

/// An unbiased random number below `bound`.
fn below(bound: usize) -> usize {
    let bound = bound.max(1) as u64;
    let rest = u64::MAX - u64::MAX % bound;
    loop {
        let drawn = random::number();
        if drawn < rest {
            return (drawn % bound) as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_text_matches_its_pattern() {
        for text in ["[a-z0-9]{15}", "[A-Z]{5}-[0-9]{3}", "^a\\.b[x_]{1,3}$", "\\d{4}\\w"] {
            let made = generate(text).unwrap();
            assert!(Pattern::from(format!("^(?:{text})$")).matches(&made), "{text} made {made}");
        }
    }

    #[test]
    fn what_cannot_be_generated_is_refused() {
        for text in ["a+", "(a|b)", "[^a]", "[a", "a{3", "a{3,1}", "a{99999}", "[z-a]", "\\p"] {
            assert_eq!(generate(text), None, "{text}");
        }
    }

    #[test]
    fn patterns_without_anchors_search_and_bad_ones_match_nothing() {
        assert!(Pattern::from("b").matches("abc"));
        assert!(!Pattern::from("^\\d+$").matches("٣"));
        assert!(!Pattern::from("(?=a)").is_valid());
        assert!(!Pattern::from("(").matches("("));
        assert!(Pattern::from("").matches("anything"));
    }
}
