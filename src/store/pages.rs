//! How many entries to read at a time where all are wanted: so many that they don't fill memory,
//! however large they are.

use bytes::Bytes;

/// About what a page holds,
const BYTES: usize = 2 << 20;
/// and its entries at most: a snapshot must not live longer than it takes to read them.
const ENTRIES: usize = 1_000;
const FIRST: usize = 16;

pub(super) struct Pages {
    /// Entries of the next page.
    pub limit: usize,
}

impl Pages {
    pub fn new() -> Self {
        Self { limit: FIRST }
    }

    /// Learns from a page how large entries are.
    pub fn saw(&mut self, page: &[(Bytes, Bytes)]) {
        let bytes: usize = page.iter().map(|(key, value)| key.len() + value.len()).sum();
        let fitting = page.len() * BYTES / bytes.max(1);
        self.limit = fitting.clamp(1, (2 * self.limit).min(ENTRIES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_with_small_entries_and_shrink_with_large_ones() {
        let mut pages = Pages::new();
        let page = |count, bytes| vec![(Bytes::from("key"), Bytes::from(vec![0; bytes])); count];
        (0..10).for_each(|_| pages.saw(&page(pages.limit, 100)));
        assert_eq!(pages.limit, ENTRIES);
        pages.saw(&page(pages.limit, 100_000));
        assert_eq!(pages.limit, 20);
        pages.saw(&page(1, 30 << 20));
        assert_eq!(pages.limit, 1);
        pages.saw(&page(1, 100));
        assert_eq!(pages.limit, 2);
    }
}
