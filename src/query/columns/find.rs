//! Finds a text in a block of texts, without regard to the case of ASCII letters.

/// Bytes looked at in one go: what the compiler turns into a few vector instructions.
const STEP: usize = 32;

/// A text to look for: two of its bytes are compared first, everywhere at once.
pub struct Needle<'n> {
    /// In lower case.
    text: &'n [u8],
    first: Probe,
    second: Probe,
}

/// A byte of the needle: where it stands, and which bit of the case does not count.
#[derive(Clone, Copy)]
struct Probe {
    at: usize,
    fold: u8,
    byte: u8,
}

impl<'n> Needle<'n> {
    /// `text` in lower case; `commonness` says how often a byte stands in usual texts.
    pub fn new(text: &'n [u8], commonness: impl Fn(u8) -> u8) -> Self {
        let probe = |at: usize| Probe {
            at,
            fold: if text[at].is_ascii_lowercase() { 0x20 } else { 0 },
            byte: text[at],
        };
        let rarest = |not: Option<usize>| {
            let places = (0..text.len()).filter(|at| Some(*at) != not);
            places.min_by_key(|at| commonness(text[*at]))
        };
        let first = rarest(None).unwrap_or(0);
        let second = rarest(Some(first)).unwrap_or(first);
        Self { text, first: probe(first), second: probe(second) }
    }

    /// Calls `visit` with each place in `hay` where the text stands; it answers from where to go on.
    pub fn each(&self, hay: &[u8], mut visit: impl FnMut(usize) -> usize) {
        let Some(last) = hay.len().checked_sub(self.text.len()) else { return };
        let mut at = 0;
        while at <= last {
            let upto = (at + STEP).min(last + 1);
            let full = upto - at == STEP;
            if full && !self.may_stand(hay, at) {
                at = upto;
                continue;
            }
            while at < upto {
                if self.stands(hay, at) {
                    at = visit(at).max(at + 1);
                } else {
                    at += 1;
                }
            }
        }
    }

    /// Whether both probes fit at one of the `STEP` places from `at` on.
    fn may_stand(&self, hay: &[u8], at: usize) -> bool {
        let (one, two) = (&self.first, &self.second);
        let (left, right) = (&hay[at + one.at..], &hay[at + two.at..]);
        let (Some(left), Some(right)) = (left.first_chunk::<STEP>(), right.first_chunk::<STEP>())
        else {
            return true;
        };
        // No early exit: that is what lets it be done in vectors.
        let mut any = 0;
        for (left, right) in left.iter().zip(right) {
            let fits = (left | one.fold == one.byte) & (right | two.fold == two.byte);
            any |= u8::from(fits);
        }
        any != 0
    }

    fn stands(&self, hay: &[u8], at: usize) -> bool {
        let probe = |probe: &Probe| hay[at + probe.at] | probe.fold == probe.byte;
        probe(&self.first)
            && probe(&self.second)
            && hay[at..at + self.text.len()].eq_ignore_ascii_case(self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(hay: &str, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        Needle::new(text.as_bytes(), |byte| byte).each(hay.as_bytes(), |at| {
            found.push(at);
            at + 1
        });
        found
    }

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(
            hay in "[a-cA-C@`é0]{0,200}",
            text in "[a-c@`é0]{1,3}",
        ) {
            let lower = hay.to_ascii_lowercase();
            let plain: Vec<usize> = (0..lower.len())
                .filter(|at| lower.as_bytes()[*at..].starts_with(text.as_bytes()))
                .collect();
            prop_assert_eq!(places(&hay, &text), plain);
        }
    }

    #[test]
    fn the_visitor_says_where_to_go_on() {
        let mut found = Vec::new();
        Needle::new(b"a", |byte| byte).each(b"aaaaaa", |at| {
            found.push(at);
            at + 3
        });
        assert_eq!(found, [0, 3]);
    }
}
