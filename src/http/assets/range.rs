//! `Range`: which part of a body a client asks for.

use std::ops::Range;

/// What a `Range` header comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything: no header, not one we understand, or several ranges, which nobody has to honour.
    Whole,
    Of(Range<u64>),
    /// Nothing of it lies inside the body.
    Outside,
}

/// Reads `bytes=first-last`, `bytes=first-` and `bytes=-suffix` for a body of `len` bytes.
pub(super) fn part(value: &str, len: u64) -> Part {
    let Some(range) = value.strip_prefix("bytes=") else { return Part::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Part::Whole,
        (Some(first), _) if first >= len && (last.is_empty() || number(last).is_some()) => {
            Part::Outside
        }
        (Some(first), Some(last)) => Part::Of(first..last.min(len - 1) + 1),
        (Some(first), None) if last.is_empty() => Part::Of(first..len),
        (None, Some(suffix)) if first.is_empty() => {
            if suffix == 0 || len == 0 {
                Part::Outside
            } else {
                Part::Of(len.saturating_sub(suffix)..len)
            }
        }
        _ => Part::Whole,
    }
}

/// Digits only: `parse` alone would take a plus sign.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than a number has bits is beyond the end of anything.
    Some(text.parse().unwrap_or(u64::MAX - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_three_forms() {
        assert_eq!(part("bytes=0-0", 10), Part::Of(0..1));
        assert_eq!(part("bytes=2-5", 10), Part::Of(2..6));
        assert_eq!(part("bytes=2-99", 10), Part::Of(2..10));
        assert_eq!(part("bytes=7-", 10), Part::Of(7..10));
        assert_eq!(part("bytes=-3", 10), Part::Of(7..10));
        assert_eq!(part("bytes=-99", 10), Part::Of(0..10));
        assert_eq!(part("bytes=0-99999999999999999999999", 10), Part::Of(0..10));
    }

    #[test]
    fn says_when_nothing_is_there() {
        assert_eq!(part("bytes=10-", 10), Part::Outside);
        assert_eq!(part("bytes=10-20", 10), Part::Outside);
        assert_eq!(part("bytes=-0", 10), Part::Outside);
        assert_eq!(part("bytes=0-", 0), Part::Outside);
        assert_eq!(part("bytes=-5", 0), Part::Outside);
    }

    #[test]
    fn passes_over_what_it_does_not_understand() {
        for value in ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "items=0-1", "bytes=0-1,3-4"] {
            assert_eq!(part(value, 10), Part::Whole, "{value}");
        }
        for value in ["bytes=a-b", "bytes=+1-2", "bytes=1-x", "bytes=20-x"] {
            assert_eq!(part(value, 10), Part::Whole, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_inside(value in "bytes=[0-9]{0,20}-[0-9]{0,20}", len in 0u64..1000) {
            if let Part::Of(range) = part(&value, len) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }
    }
}
