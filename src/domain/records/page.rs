//! Pages of a list: which one was asked for, and how many there are.

use crate::domain::record::Record;
use crate::query;

const PER_PAGE_DEFAULT: u64 = 30;
/// Most entries of a page; who asks for more gets this many.
const PER_PAGE_MAX: u64 = 1000;

/// A list as it was asked for. Zero means the default.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Listing {
    pub page: u64,
    pub per_page: u64,
    pub sort: String,
    pub filter: String,
    pub skip_total: bool,
    /// The id of the record that the page comes after.
    pub after: Option<String>,
}

/// A page of a list.
#[derive(Debug)]
pub struct Paging {
    pub page: u64,
    pub per_page: u64,
    /// `None` when nobody asked.
    pub total: Option<u64>,
    pub records: Vec<Record>,
    pub plan: query::Plan,
}

impl Paging {
    pub fn of(listing: &Listing) -> Self {
        let per_page = match listing.per_page {
            0 => PER_PAGE_DEFAULT,
            wanted => wanted.min(PER_PAGE_MAX),
        };
        let page = listing.page.max(1);
        Self { page, per_page, total: None, records: Vec::new(), plan: query::Plan::default() }
    }

    pub fn query(&self, listing: &Listing, rule: Option<&str>) -> query::List {
        query::List {
            rule: rule.map(str::to_owned),
            filter: listing.filter.clone(),
            sort: listing.sort.clone(),
            offset: (self.page - 1).saturating_mul(self.per_page),
            limit: self.per_page,
            total: !listing.skip_total,
            after: listing.after.clone(),
        }
    }

    pub fn with(self, found: query::Page) -> Self {
        Self { total: found.total, records: found.records, plan: found.plan, ..self }
    }

    /// `totalItems` and `totalPages` as clients see them: -1 when nobody counted.
    pub fn totals(&self) -> (i64, i64) {
        match self.total {
            None => (-1, -1),
            Some(total) => (total as i64, total.div_ceil(self.per_page) as i64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_limits() {
        let check = |page, per_page, expected| {
            let paging = Paging::of(&Listing { page, per_page, ..Listing::default() });
            assert_eq!((paging.page, paging.per_page), expected);
        };
        check(0, 0, (1, 30));
        check(3, 1000, (3, 1000));
        check(1, 1001, (1, 1000));
    }

    #[test]
    fn totals_count_started_pages() {
        let check = |total, expected| {
            let paging = Paging { total, ..Paging::of(&Listing::default()) };
            assert_eq!(paging.totals(), expected);
        };
        check(None, (-1, -1));
        check(Some(0), (0, 0));
        check(Some(30), (30, 1));
        check(Some(31), (31, 2));
    }
}
