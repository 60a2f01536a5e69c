//! Scans over two layers: changes above, whole entries below.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::store::Order;
use crate::store::Range;
use crate::store::Result;
use crate::store::window::Page;

/// Changed keys looked at in one go.
const PAGE: usize = 256;

/// Returns up to `limit` entries of `range`. `above` tells the changes of a range, up to as many
/// as asked for; `below` the entries they are laid over. `above` is asked first, always: what
/// leaves it has arrived below before.
pub(super) fn scan(
    range: &Range,
    order: Order,
    limit: usize,
    above: impl Fn(&Range, usize) -> Page,
    below: impl Fn(&Range, usize) -> Result<Vec<(Bytes, Bytes)>>,
) -> Result<Vec<(Bytes, Bytes)>> {
    let mut found = Vec::new();
    let mut rest = range.clone();
    while found.len() < limit {
        let page = above(&rest, limit.clamp(16, PAGE));
        if page.entries.is_empty() && !page.cut {
            let more = below(&rest, limit - found.len())?;
            if found.is_empty() {
                return Ok(more);
            }
            found.extend(more);
            break;
        }
        let (part, beyond) = match page.entries.last().filter(|_| page.cut) {
            Some((last, _)) => split(&rest, order, last),
            None => (rest.clone(), None),
        };
        // At most every change hides one entry below.
        let wanted = (limit - found.len()).saturating_add(page.entries.len());
        let entries = below(&part, wanted)?;
        merge(page.entries, entries, order, limit, &mut found);
        match beyond {
            Some(beyond) => rest = beyond,
            None => break,
        }
    }
    Ok(found)
}

/// The part of `range` up to `last` (included), and the part beyond it.
fn split(range: &Range, order: Order, last: &Bytes) -> (Range, Option<Range>) {
    match order {
        Order::Forward => {
            let next = after(last);
            let part = Range { from: range.from.clone(), until: next.clone() };
            (part, Some(Range { from: next, until: range.until.clone() }))
        }
        Order::Backward => {
            let part = Range { from: last.to_vec(), until: range.until.clone() };
            // An empty `until` would mean "to the end".
            let more = !last.is_empty();
            (part, more.then(|| Range { from: range.from.clone(), until: last.to_vec() }))
        }
    }
}

/// The first key behind `key`.
pub(super) fn after(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

fn merge(
    above: Vec<(Bytes, Option<Bytes>)>,
    below: Vec<(Bytes, Bytes)>,
    order: Order,
    limit: usize,
    found: &mut Vec<(Bytes, Bytes)>,
) {
    let mut above = above.into_iter().peekable();
    let mut below = below.into_iter().peekable();
    while found.len() < limit {
        let which = match (above.peek(), below.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => match order {
                Order::Forward => a.0.cmp(&b.0),
                Order::Backward => b.0.cmp(&a.0),
            },
        };
        if which == Ordering::Equal {
            below.next();
        }
        if which == Ordering::Greater {
            found.extend(below.next());
        } else if let Some((key, Some(value))) = above.next() {
            found.push((key, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Layer = BTreeMap<Vec<u8>, Option<u8>>;

    fn page(layer: &Layer, range: &Range, order: Order, limit: usize) -> Page {
        let inside = |key: &[u8]| {
            key >= &range.from[..] && (range.until.is_empty() || key < &range.until[..])
        };
        let mut entries: Vec<_> = layer
            .iter()
            .filter(|(key, _)| inside(key))
            .map(|(key, value)| (Bytes::from(key.clone()), value.map(|v| Bytes::from(vec![v]))))
            .collect();
        if order == Order::Backward {
            entries.reverse();
        }
        let cut = entries.len() >= limit;
        entries.truncate(limit);
        Page { entries, cut }
    }

    proptest! {
        #[test]
        fn two_layers_scan_like_one(
            above in prop::collection::btree_map(prop::collection::vec(0u8..4, 0..4), prop::option::of(any::<u8>()), 0..80),
            below in prop::collection::btree_map(prop::collection::vec(0u8..4, 0..4), any::<u8>(), 0..80),
            from in prop::collection::vec(0u8..4, 0..3),
            until in prop::collection::vec(0u8..4, 0..3),
            limit in 0usize..90,
            backward: bool,
        ) {
            let order = if backward { Order::Backward } else { Order::Forward };
            let range = Range { from, until };
            let below: Layer = below.into_iter().map(|(k, v)| (k, Some(v))).collect();
            let mut whole = below.clone();
            whole.extend(above.clone());
            let strip = |page: Page| -> Vec<(Bytes, Bytes)> {
                page.entries.into_iter().filter_map(|(k, v)| Some((k, v?))).collect()
            };
            let mut expected = strip(page(&whole, &range, order, usize::MAX));
            expected.truncate(limit);
            let found = scan(
                &range,
                order,
                limit,
                |range, limit| page(&above, range, order, limit),
                |range, limit| Ok(strip(page(&below, range, order, limit))),
            );
            prop_assert_eq!(found.unwrap(), expected);
        }
    }
}
