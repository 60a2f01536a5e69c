//! `fields`: picks members of an answer, and shortens texts.

use serde_json::Value;

use crate::domain::{Error, Result};

mod entities;
mod excerpt;

use excerpt::Excerpt;

/// Most selectors in one request.
const SELECTORS_MAX: usize = 500;
/// Most levels that a selector may reach down: deeper JSON is picked whole.
const DEPTH_MAX: usize = 64;

/// What to keep of one level.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pick {
    members: Vec<(String, Kept)>,
    /// `*`: what to keep of the members without a selector of their own.
    rest: Option<Box<Kept>>,
}

/// What to keep of one member.
#[derive(Debug, Clone, PartialEq)]
enum Kept {
    Whole(Option<Excerpt>),
    Part(Pick),
}

impl Pick {
    /// Reads `id,title,expand.author.name,body:excerpt(200,true)`; `None`: keep everything.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let mut pick = Self::default();
        for (count, selector) in split(text).into_iter().enumerate() {
            if count >= SELECTORS_MAX {
                return Err(Error::Bad(format!("Pick no more than {SELECTORS_MAX} fields.")));
            }
            let (path, modifier) = match selector.split_once(':') {
                Some((path, modifier)) => (path.trim(), Some(Excerpt::parse(modifier.trim())?)),
                None => (selector, None),
            };
            if path.split('.').count() > DEPTH_MAX {
                return Err(Error::Bad(format!("Reach down no more than {DEPTH_MAX} levels.")));
            }
            pick.add(path, modifier);
        }
        Ok(if pick == Self::default() { None } else { Some(pick) })
    }

    /// The names to keep, when these are all there is to it.
    pub fn names(&self) -> Option<Vec<&str>> {
        let whole =
            |(name, kept): &'_ (String, Kept)| *kept == Kept::Whole(None) && name != "expand";
        let plain = self.rest.is_none() && self.members.iter().all(whole);
        plain.then(|| self.members.iter().map(|(name, _)| name.as_str()).collect())
    }

    fn add(&mut self, path: &str, modifier: Option<Excerpt>) {
        let (name, rest) = match path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        let inner = rest.map(|rest| {
            let mut inner = Self::default();
            inner.add(rest, modifier);
            inner
        });
        let known = match name {
            "*" => self.rest.as_deref_mut(),
            _ => self.members.iter_mut().find(|(known, _)| known == name).map(|(_, kept)| kept),
        };
        match (known, inner) {
            (None, inner) => {
                let kept = inner.map_or(Kept::Whole(modifier), Kept::Part);
                match name {
                    "*" => self.rest = Some(Box::new(kept)),
                    _ => self.members.push((name.to_owned(), kept)),
                }
            }
            (Some(kept), None) => *kept = Kept::Whole(modifier),
            // Who asked for all of it gets all of it.
            (Some(Kept::Whole(_)), Some(_)) => {}
            (Some(Kept::Part(part)), Some(_)) => part.add(rest.unwrap_or_default(), modifier),
        }
    }

    /// Keeps of `value` what was picked; of a list, of each of its elements.
    pub fn apply(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Object(members) => members.retain(|name, member| {
                let own = self.members.iter().find(|(known, _)| known == name);
                let Some(kept) = own.map(|(_, kept)| kept).or(self.rest.as_deref()) else {
                    return false;
                };
                match kept {
                    Kept::Whole(None) => {}
                    Kept::Whole(Some(excerpt)) => excerpt.apply(member),
                    Kept::Part(part) => part.apply(member),
                }
                true
            }),
            _ => {}
        }
    }
}

/// Splits at commas outside parentheses; blanks around and empty parts are left out.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth <= 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(fields: &str, expected: Value) {
        let mut value = json!({
            "id": "one", "title": "Hello world", "meta": {"k": 1, "l": [{"m": 1, "n": 2}]},
            "expand": {"author": {"name": "Ann", "age": 3}, "co": [{"name": "Bob", "age": 4}]},
        });
        if let Some(pick) = Pick::parse(fields).unwrap() {
            pick.apply(&mut value);
        }
        assert_eq!(value, expected, "{fields}");
    }

    #[test]
    fn members_are_picked_at_any_depth() {
        check(" id , title ", json!({"id": "one", "title": "Hello world"}));
        check("meta.k,nothing", json!({"meta": {"k": 1}}));
        check("meta.l.m", json!({"meta": {"l": [{"m": 1}]}}));
        check(
            "expand.author.name,expand.co.name",
            json!({"expand": {"author": {"name": "Ann"}, "co": [{"name": "Bob"}]}}),
        );
        check("meta.k,meta.l.n", json!({"meta": {"k": 1, "l": [{"n": 2}]}}));
    }

    #[test]
    fn a_star_is_all_that_has_no_selector_of_its_own() {
        check(
            "*,expand.author.name,meta.k",
            json!({"id": "one", "title": "Hello world", "meta": {"k": 1},
                "expand": {"author": {"name": "Ann"}}}),
        );
        check(
            "expand.*.name",
            json!({"expand": {"author": {"name": "Ann"}, "co": [{"name": "Bob"}]}}),
        );
        check(
            "expand.*.name,expand.*.age",
            json!({"expand": {"author": {"name": "Ann", "age": 3}, "co": [{"name": "Bob", "age": 4}]}}),
        );
    }

    #[test]
    fn a_whole_member_stays_whole() {
        check("meta.k,meta", json!({"meta": {"k": 1, "l": [{"m": 1, "n": 2}]}}));
        check("title.deeper", json!({"title": "Hello world"}));
    }

    #[test]
    fn nothing_picked_is_everything() {
        assert_eq!(Pick::parse(" , ").unwrap(), None);
    }

    #[test]
    fn texts_are_shortened_on_the_way() {
        check("title:excerpt(5,true)", json!({"title": "Hello..."}));
    }

    #[test]
    fn unknown_modifiers_are_refused() {
        for fields in ["a:b", "a:excerpt()", "a:excerpt(x)", "a:excerpt(1,2,3)", "a:"] {
            assert!(Pick::parse(fields).is_err(), "{fields}");
        }
    }
}
