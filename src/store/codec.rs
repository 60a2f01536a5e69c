//! Turns values into bytes that sort as the values do, for the keys of derived entries.
//!
//! A column is a tag and what follows it; `descending` turns every bit round. No column is the
//! beginning of another one, so columns can be put one after the other, with anything behind them.
//! The tags are on disks: never reuse one.

use std::borrow::Cow;
use std::cmp::Ordering;

const NULL: u8 = 0x02;
const NUMBER: u8 = 0x05;
const TEXT: u8 = 0x06;
const STAMP: u8 = 0x07;
/// Ends a text. Smaller than the escaped zero byte, so that a beginning sorts first.
const END: [u8; 2] = [0x00, 0x01];
/// Follows a zero byte that belongs to the text.
const ESCAPED: u8 = 0xff;

/// A value as keys and comparisons know it. Booleans are the numbers 0 and 1.
#[derive(Debug, Clone)]
pub enum Datum<'a> {
    Null,
    Number(f64),
    Text(Cow<'a, str>),
}

/// How a column lies in a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Column {
    pub descending: bool,
    /// ASCII letters are the same in either case.
    pub nocase: bool,
}

impl Datum<'_> {
    /// The order of sorting and of keys: nothing, numbers, texts by their bytes.
    pub fn order(&self, other: &Datum) -> Ordering {
        match (self, other) {
            (Self::Null, Datum::Null) => Ordering::Equal,
            (Self::Number(a), Datum::Number(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Self::Text(a), Datum::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => NULL,
            Self::Number(_) => NUMBER,
            Self::Text(_) => TEXT,
        }
    }
}

/// Puts `datum` behind `key`.
pub fn put(key: &mut Vec<u8>, datum: &Datum, column: Column) {
    let start = key.len();
    key.push(datum.rank());
    match datum {
        Datum::Null => {}
        Datum::Number(number) => key.extend_from_slice(&sortable(*number)),
        Datum::Text(text) => {
            put_bytes(key, text.as_bytes(), column.nocase);
            key.extend_from_slice(&END);
        }
    }
    turn(key, start, column);
}

/// Puts what every text starts with that starts with `text`.
pub fn put_beginning(key: &mut Vec<u8>, text: &str, column: Column) {
    let start = key.len();
    key.push(TEXT);
    put_bytes(key, text.as_bytes(), column.nocase);
    turn(key, start, column);
}

/// Puts what every number (or every text) starts with: where a half-open range ends.
pub fn put_type(key: &mut Vec<u8>, like: &Datum, column: Column) {
    let start = key.len();
    key.push(like.rank());
    turn(key, start, column);
}

/// Puts a creation stamp: a whole number that a float could not hold.
pub fn put_stamp(key: &mut Vec<u8>, stamp: u64, column: Column) {
    let start = key.len();
    key.push(STAMP);
    key.extend_from_slice(&stamp.to_be_bytes());
    turn(key, start, column);
}

/// Takes one column off the front; `None` when the bytes are none that `put` wrote.
/// What `nocase` folded stays folded, and a stamp comes as a number.
pub fn take(key: &[u8], column: Column) -> Option<(Datum<'static>, &[u8])> {
    let mask = if column.descending { 0xff } else { 0 };
    let (tag, rest) = key.split_first()?;
    match tag ^ mask {
        NULL => Some((Datum::Null, rest)),
        NUMBER => {
            let (bytes, rest) = rest.split_first_chunk::<8>()?;
            Some((Datum::Number(unsortable(bytes.map(|byte| byte ^ mask))), rest))
        }
        STAMP => {
            let (bytes, rest) = rest.split_first_chunk::<8>()?;
            let stamp = u64::from_be_bytes(bytes.map(|byte| byte ^ mask));
            Some((Datum::Number(stamp as f64), rest))
        }
        TEXT => {
            let mut text = Vec::new();
            let mut at = 0;
            loop {
                match rest.get(at)? ^ mask {
                    0 if rest.get(at + 1)? ^ mask == END[1] => break,
                    0 => {
                        text.push(0);
                        at += 2;
                    }
                    byte => {
                        text.push(byte);
                        at += 1;
                    }
                }
            }
            let text = String::from_utf8(text).ok()?;
            Some((Datum::Text(text.into()), &rest[at + 2..]))
        }
        _ => None,
    }
}

fn put_bytes(key: &mut Vec<u8>, bytes: &[u8], nocase: bool) {
    let start = key.len();
    if bytes.contains(&0) {
        for byte in bytes {
            key.push(*byte);
            if *byte == 0 {
                key.push(ESCAPED);
            }
        }
    } else {
        key.extend_from_slice(bytes);
    }
    if nocase {
        key[start..].make_ascii_lowercase();
    }
}

fn turn(key: &mut [u8], start: usize, column: Column) {
    if column.descending {
        for byte in &mut key[start..] {
            *byte = !*byte;
        }
    }
}

/// Big-endian bits: negative ones turned round, the others behind them. Both zeros are one.
fn sortable(number: f64) -> [u8; 8] {
    let bits = (number + 0.0).to_bits();
    let turned = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    turned.to_be_bytes()
}

fn unsortable(bytes: [u8; 8]) -> f64 {
    let bits = u64::from_be_bytes(bytes);
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datum() -> impl Strategy<Value = Datum<'static>> {
        prop_oneof![
            1 => Just(Datum::Null),
            3 => prop_oneof![
                any::<i32>().prop_map(f64::from),
                any::<f64>().prop_filter("numbers only", |number| !number.is_nan()),
                Just(0.0),
                Just(-0.0),
            ]
            .prop_map(Datum::Number),
            4 => "[\\x00\\x01a-cA-Zé🎉]{0,6}".prop_map(|text| Datum::Text(text.into())),
        ]
    }

    fn key(data: &[Datum], columns: &[Column], id: &str) -> Vec<u8> {
        let mut key = Vec::new();
        for (datum, column) in data.iter().zip(columns) {
            put(&mut key, datum, *column);
        }
        key.extend_from_slice(id.as_bytes());
        key
    }

    fn column() -> impl Strategy<Value = Column> {
        any::<bool>().prop_map(|descending| Column { descending, nocase: false })
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_values_do(
            a in (datum(), datum(), "[\\x00a-z]{1,3}"),
            b in (datum(), datum(), "[\\x00a-z]{1,3}"),
            first in column(),
            second in column(),
        ) {
            let turned = |order: Ordering, column: Column| {
                if column.descending { order.reverse() } else { order }
            };
            let wanted = turned(a.0.order(&b.0), first)
                .then(turned(a.1.order(&b.1), second))
                .then(a.2.cmp(&b.2));
            let columns = [first, second];
            let found = key(&[a.0, a.1], &columns, &a.2).cmp(&key(&[b.0, b.1], &columns, &b.2));
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn what_was_put_can_be_taken(value in datum(), column in column(), rest in "[a-z]{0,3}") {
            let key = key(std::slice::from_ref(&value), &[column], &rest);
            let (taken, left) = take(&key, column).unwrap();
            prop_assert_eq!(taken.order(&value), Ordering::Equal);
            prop_assert_eq!(left, rest.as_bytes());
        }

        #[test]
        fn taking_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..24), column in column()) {
            take(&bytes, column);
        }

        #[test]
        fn texts_with_a_beginning_lie_behind_its_key(
            start in "[\\x00a-c]{0,3}", rest in "[\\x00a-c]{0,3}", other in "[\\x00a-c]{0,4}", column in column(),
        ) {
            let mut beginning = Vec::new();
            put_beginning(&mut beginning, &start, column);
            for text in [format!("{start}{rest}"), other] {
                let inside = text.starts_with(&start);
                let key = key(&[Datum::Text(text.into())], &[column], "id");
                prop_assert_eq!(key.starts_with(&beginning), inside);
            }
        }
    }

    #[test]
    fn letters_of_either_case_fold_into_one_key() {
        let column = Column { descending: false, nocase: true };

        let upper = key(&[Datum::Text("ÜBER Alles".into())], &[column], "");
        let lower = key(&[Datum::Text("Über alles".into())], &[column], "");

        assert_eq!(upper, lower);
    }

    #[test]
    fn stamps_keep_every_bit() {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for stamp in [0, 1, u64::MAX - 1, u64::MAX] {
            let mut key = Vec::new();
            put_stamp(&mut key, stamp, Column::default());
            keys.push(key);
        }
        assert!(keys.is_sorted_by(|a, b| a < b));
    }
}
