//! Keeps the rows that come first, by the values in the columns.
//!
//! A row is compared by its lead: a number that stands in the order of the first key. Where that says
//! all there is to say, as of numbers and dates, nothing else is kept of the keys.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::domain::record::Record;
use crate::query::columns::bits::Bits;
use crate::query::columns::block::{Data, Taken, bytes_of};
use crate::query::columns::taking::Held;
use crate::query::evaluate::owned;
use crate::store::codec::Datum;
use crate::store::{BLOCK, Order, Roll};

/// Bits of a lead below the rank of its kind.
const RANK: u32 = 120;
/// Bytes of a text that its lead has.
const TEXT_BYTES: usize = 15;

/// One key that rows are sorted by.
#[derive(Clone, Copy)]
pub struct By {
    pub column: usize,
    pub descending: bool,
    pub is: Is,
}

/// What a column holds, for whoever sorts by it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Is {
    Number,
    /// Blank, or a date as we write it.
    Date,
    Text,
}

struct Row {
    lead: u128,
    stamp: u64,
    number: u32,
    /// All keys, where the lead does not say everything.
    keys: Option<Box<[Datum<'static>]>>,
    record: Option<Record>,
}

/// The rows that come first, of all that are added.
pub struct Leaders<'o> {
    order: &'o [By],
    /// Rows that are alike follow each other by their names, this way; else by creation.
    names: Option<(&'o Roll, Order)>,
    /// Whether the lead says everything.
    is_plain: bool,
    limit: usize,
    rows: Vec<Row>,
    /// Nobody behind this one gets in any more.
    last: Option<(u128, u64)>,
}

impl<'o> Leaders<'o> {
    pub fn new(order: &'o [By], names: Option<(&'o Roll, Order)>, limit: usize) -> Self {
        let is_plain = match order {
            [] => true,
            [by] => by.is != Is::Text,
            _ => false,
        };
        Self { order, names, is_plain, limit, rows: Vec::new(), last: None }
    }

    /// Adds the rows `hits` of block number `block`.
    pub fn add(
        &mut self,
        taken: &[Held],
        words: &[Arc<Vec<Datum<'static>>>],
        block: usize,
        hits: Bits,
    ) {
        for row in hits.rows() {
            let stamp = match &taken[0].data {
                Data::Stamps(stamps) => stamps[row],
                Data::Numbers(_) | Data::Words(_) | Data::Texts { .. } => 0,
            };
            let lead = self
                .order
                .first()
                .map_or(0, |by| by.lead(&taken[by.column].plain(row, &words[by.column])));
            if !self.admits(lead, stamp) {
                continue;
            }
            let value = |by: &By| owned(taken[by.column].value(row, &words[by.column]));
            let keys = (!self.is_plain).then(|| self.order.iter().map(value).collect());
            let number = (block * BLOCK + row) as u32;
            self.push(Row { lead, stamp, number, keys, record: None });
        }
    }

    /// Adds a row whose record is at hand, with what it is sorted by.
    pub fn add_record(&mut self, values: &[Datum<'static>], number: usize, record: Record) {
        let lead = self.order.first().zip(values.first());
        let lead = lead.map_or(0, |(by, value)| by.lead(&Plain::of(value)));
        if self.admits(lead, record.stamp()) {
            let keys = values.iter().take(self.order.len()).cloned();
            let keys = (!self.is_plain).then(|| keys.collect());
            let (stamp, number) = (record.stamp(), number as u32);
            self.push(Row { lead, stamp, number, keys, record: Some(record) });
        }
    }

    /// The rows from number `skipped` on, in order, with the records that were at hand.
    pub fn sorted(mut self, skipped: usize) -> Vec<(usize, Option<Record>)> {
        let (order, names) = (self.order, self.names);
        let compare = |a: &Row, b: &Row| compare(order, names, a, b);
        if self.rows.len() > self.limit && self.limit > 0 {
            self.rows.select_nth_unstable_by(self.limit - 1, compare);
        }
        self.rows.truncate(self.limit);
        if skipped >= self.rows.len() {
            return Vec::new();
        }
        self.rows.select_nth_unstable_by(skipped, compare);
        let mut rows = self.rows.split_off(skipped);
        rows.sort_unstable_by(compare);
        rows.into_iter().map(|row| (row.number as usize, row.record)).collect()
    }

    /// Whether a row with this lead may be among the first.
    fn admits(&self, lead: u128, stamp: u64) -> bool {
        match self.last {
            Some((last, _)) if lead != last => lead < last,
            Some((_, last)) => !self.is_plain || self.names.is_some() || stamp <= last,
            None => self.limit > 0,
        }
    }

    fn push(&mut self, row: Row) {
        self.rows.push(row);
        // Cutting only when twice too long keeps the work per row constant.
        if self.rows.len() >= self.limit.saturating_mul(2).max(64) {
            let (order, names) = (self.order, self.names);
            let at = self.limit - 1;
            self.rows.select_nth_unstable_by(at, |a, b| compare(order, names, a, b));
            self.rows.truncate(self.limit);
            self.last = Some((self.rows[at].lead, self.rows[at].stamp));
        }
    }
}

/// By the keys, then as everywhere; numbers only part what was created at once.
fn compare(order: &[By], names: Option<(&Roll, Order)>, a: &Row, b: &Row) -> Ordering {
    let keys = || match (&a.keys, &b.keys) {
        (Some(a), Some(b)) => order
            .iter()
            .zip(a.iter().zip(b))
            .map(|(by, (a, b))| if by.descending { b.order(a) } else { a.order(b) })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal),
        _ => Ordering::Equal,
    };
    let ties = || match names {
        Some((roll, Order::Forward)) => roll.compare(a.number, b.number),
        Some((roll, Order::Backward)) => roll.compare(b.number, a.number),
        None => a.stamp.cmp(&b.stamp).then(a.number.cmp(&b.number)),
    };
    a.lead.cmp(&b.lead).then_with(keys).then_with(ties)
}

/// A value, its text as bytes.
pub enum Plain<'v> {
    Null,
    Number(f64),
    Text(&'v [u8]),
}

impl<'v> Plain<'v> {
    pub fn of(value: &'v Datum) -> Self {
        match value {
            Datum::Null => Self::Null,
            Datum::Number(number) => Self::Number(*number),
            Datum::Text(text) => Self::Text(text.as_bytes()),
        }
    }
}

impl By {
    /// A number in the order of the values; the same for two that are told apart by more.
    fn lead(&self, value: &Plain) -> u128 {
        let (rank, lead) = match value {
            Plain::Null => (0, 0),
            Plain::Number(number) => (1, u128::from(ordered(*number))),
            Plain::Text(text) if self.is == Is::Date => (2, u128::from(digits(text))),
            Plain::Text(text) => {
                let mut bytes = [0; 16];
                let length = text.len().min(TEXT_BYTES);
                bytes[1..=length].copy_from_slice(&text[..length]);
                (2, u128::from_be_bytes(bytes))
            }
        };
        let lead = (rank << RANK) | lead;
        if self.descending { !lead } else { lead }
    }
}

/// Bits in the order of the numbers.
fn ordered(number: f64) -> u64 {
    // Zero is zero, whatever its sign.
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The digits of a date as one number; blank comes first.
fn digits(text: &[u8]) -> u64 {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).take(17);
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

impl Taken {
    fn plain<'t>(&'t self, row: usize, words: &'t [Datum<'static>]) -> Plain<'t> {
        match &self.data {
            Data::Numbers(numbers) if numbers[row].is_nan() => Plain::Null,
            Data::Numbers(numbers) => Plain::Number(numbers[row]),
            Data::Stamps(stamps) => Plain::Number(stamps[row] as f64),
            Data::Words(codes) => Plain::of(&words[codes.of_row(row)]),
            Data::Texts { text, starts } => Plain::Text(bytes_of(text, starts, row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn datum() -> impl Strategy<Value = Datum<'static>> {
        let text = prop::sample::select(vec![
            "",
            "a",
            "a\0",
            "abcdefghijklmno",
            "abcdefghijklmnop",
            "ä",
            "z",
        ]);
        prop_oneof![
            Just(Datum::Null),
            prop::sample::select(vec![-1e300, -2.5, -0.0, 0.0, 1e-9, 3.0, 7e18])
                .prop_map(Datum::Number),
            text.prop_map(|text| Datum::Text(text.into())),
        ]
    }

    proptest! {
        #[test]
        fn leads_stand_in_the_order_of_the_values(a in datum(), b in datum(), descending: bool) {
            let by = By { column: 0, descending, is: Is::Text };
            let leads = by.lead(&Plain::of(&a)).cmp(&by.lead(&Plain::of(&b)));
            let order = if descending { b.order(&a) } else { a.order(&b) };
            prop_assert!(leads == order || leads == Ordering::Equal);
        }
    }

    #[test]
    fn dates_lead_as_they_are_written() {
        let by = By { column: 0, descending: false, is: Is::Date };
        let dates = [
            "",
            "0001-01-01 00:00:00.000Z",
            "2024-02-29 23:59:59.999Z",
            "2024-03-01 00:00:00.000Z",
            "9999-12-31 23:59:59.999Z",
        ];
        let leads: Vec<u128> =
            dates.iter().map(|date| by.lead(&Plain::Text(date.as_bytes()))).collect();
        assert!(leads.is_sorted_by(|a, b| a < b));
    }
}
