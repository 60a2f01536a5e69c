//! `:excerpt(max,withEllipsis)`: the beginning of a text, without its markup.

use serde_json::Value;

use crate::domain::pick::entities;
use crate::domain::{Error, Result};

/// Tags that don't part words.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdo", "big", "cite", "code", "dfn", "em", "i", "kbd", "q",
    "samp", "small", "span", "strong", "strike", "sub", "sup", "time", "u", "s", "mark", "del",
    "ins",
];
/// Tags whose content is nothing to read.
const SILENT: &[&str] = &["style", "script", "iframe", "embed", "svg", "head", "noscript"];
/// Longest name of an entity that is looked for.
const ENTITY_MAX: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excerpt {
    /// Characters.
    max: usize,
    ellipsis: bool,
}

impl Excerpt {
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = || Error::Bad(format!("`{text}` is no modifier: use excerpt(max, ellipsis)."));
        let inner = text.strip_prefix("excerpt(").and_then(|rest| rest.strip_suffix(')'));
        let mut arguments = inner.ok_or_else(refuse)?.split(',').map(str::trim);
        let max = arguments.next().and_then(|max| max.parse().ok()).filter(|max| *max > 0);
        let max = max.ok_or_else(refuse)?;
        let ellipsis = match arguments.next() {
            None | Some("" | "false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => return Err(refuse()),
        };
        match arguments.next() {
            None => Ok(Self { max, ellipsis }),
            Some(_) => Err(refuse()),
        }
    }

    pub fn apply(self, value: &mut Value) {
        if let Value::String(html) = value {
            *html = self.of(html);
        }
    }

    fn of(self, html: &str) -> String {
        let plain = plain(html);
        match plain.char_indices().nth(self.max) {
            None => plain,
            Some((end, _)) => {
                let dots = if self.ellipsis { "..." } else { "" };
                format!("{}{dots}", plain[..end].trim_end())
            }
        }
    }
}

/// The words of `html`, with one blank between them.
fn plain(html: &str) -> String {
    let mut words = String::with_capacity(html.len());
    let mut rest = html;
    let mut silenced_by: Option<String> = None;
    while let Some(letter) = rest.chars().next() {
        if letter == '<'
            && let Some((name, closing, after)) = tag(rest)
        {
            match &silenced_by {
                Some(by) if closing && *by == name => silenced_by = None,
                Some(_) => {}
                None if !closing && SILENT.contains(&name.as_str()) => {
                    words.push(' ');
                    silenced_by = Some(name);
                }
                None if INLINE.contains(&name.as_str()) => {}
                None => words.push(' '),
            }
            rest = after;
            continue;
        }
        let (letter, after) = match letter {
            '&' => entity(rest).unwrap_or(('&', &rest[1..])),
            _ => (letter, &rest[letter.len_utf8()..]),
        };
        if silenced_by.is_none() {
            words.push(letter);
        }
        rest = after;
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Name of the tag (or comment) that `text` starts with, whether it closes, and what follows.
fn tag(text: &str) -> Option<(String, bool, &str)> {
    if let Some(comment) = text.strip_prefix("<!--") {
        let after = comment.find("-->").map_or("", |end| &comment[end + 3..]);
        return Some(("span".to_owned(), false, after));
    }
    let inner = &text[1..];
    let (inner, closing) = inner.strip_prefix('/').map_or((inner, false), |rest| (rest, true));
    if !inner.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '!') {
        return None;
    }
    let end = inner.find('>')?;
    let name = inner[..end].split(|letter: char| !letter.is_ascii_alphanumeric()).next()?;
    Some((name.to_ascii_lowercase(), closing, &inner[end + 1..]))
}

/// The character that the entity at the beginning of `text` stands for, and what follows.
fn entity(text: &str) -> Option<(char, &str)> {
    let end = text.bytes().take(ENTITY_MAX + 2).position(|byte| byte == b';')?;
    let name = &text[1..end];
    let letter = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
        None => entities::named(name)?,
    };
    Some((letter, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(html: &str, max: usize, ellipsis: bool, expected: &str) {
        assert_eq!(Excerpt { max, ellipsis }.of(html), expected, "{html}");
    }

    #[test]
    fn markup_is_left_out() {
        check("<p>Lorem <b>ips</b>um</p><p>dolor</p>", 99, true, "Lorem ipsum dolor");
        check("a<br/>b<script>if (a < b) x()</script>c", 99, false, "a b c");
        check("<!-- no -->a &amp; b&#33; &bogus; 1 < 2", 99, false, "a & b! &bogus; 1 < 2");
    }

    #[test]
    fn long_texts_are_cut_by_characters() {
        check("åäö åäö", 4, true, "åäö...");
        check("åäö åäö", 7, true, "åäö åäö");
        check("hello", 2, false, "he");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(html in "[<>/&;#a-z!é -]{0,60}", max in 1_usize..20) {
            let cut = Excerpt { max, ellipsis: false }.of(&html);
            prop_assert!(cut.chars().count() <= max);
        }
    }
}
