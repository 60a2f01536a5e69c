//! How two values compare: what is equal, what is absent, what becomes a number.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::query::ast::Op;
use crate::query::pattern::Pattern;
use crate::query::tree::Test;
use crate::store::codec::Datum;

/// Whether the comparison is true of these values of its sides.
pub fn holds(test: &Test, left: Datum, right: Datum) -> bool {
    match test.op {
        Op::Like => like(test, &left, &right).unwrap_or(test.lenient),
        Op::NotLike => !like(test, &left, &right).unwrap_or(!test.lenient),
        op => {
            let left = if test.numeric[0] { as_number(left) } else { left };
            let right = if test.numeric[1] { as_number(right) } else { right };
            match op {
                Op::Equal if test.lenient && is_absent(&left, &right) => true,
                Op::Equal => equal(test.json, &left, &right),
                Op::NotEqual => !equal(test.json, &left, &right),
                _ => ordered(op, &left, &right).unwrap_or(test.lenient),
            }
        }
    }
}

/// Absent values are equal to the empty text, but in JSON only to each other.
fn equal(json: bool, left: &Datum, right: &Datum) -> bool {
    match (left, right) {
        (Datum::Null, Datum::Null) => true,
        (Datum::Null, Datum::Text(text)) | (Datum::Text(text), Datum::Null) => {
            !json && text.is_empty()
        }
        (Datum::Text(left), Datum::Text(right)) => left == right,
        (Datum::Number(left), Datum::Number(right)) => left == right,
        _ => false,
    }
}

/// Whether there is no value, or an empty text, which is as good as none.
pub fn is_blank(datum: &Datum) -> bool {
    match datum {
        Datum::Null => true,
        Datum::Text(text) => text.is_empty(),
        Datum::Number(_) => false,
    }
}

fn is_absent(left: &Datum, right: &Datum) -> bool {
    matches!(left, Datum::Null) || matches!(right, Datum::Null)
}

/// `None` where a value is absent: that is neither more nor less.
fn ordered(op: Op, left: &Datum, right: &Datum) -> Option<bool> {
    if is_absent(left, right) {
        return None;
    }
    let order = left.order(right);
    Some(match op {
        Op::Greater => order == Ordering::Greater,
        Op::GreaterOrEqual => order != Ordering::Less,
        Op::Less => order == Ordering::Less,
        Op::LessOrEqual => order != Ordering::Greater,
        Op::Equal | Op::NotEqual | Op::Like | Op::NotLike => false,
    })
}

fn like(test: &Test, left: &Datum, right: &Datum) -> Option<bool> {
    let text = text(left)?;
    match &test.pattern {
        Some(pattern) => Some(pattern.matches(&text)),
        None => Some(Pattern::new(&self::text(right)?).matches(&text)),
    }
}

/// The value as text; `None` when it is absent.
pub fn text<'a>(datum: &'a Datum<'_>) -> Option<Cow<'a, str>> {
    match datum {
        Datum::Null => None,
        Datum::Number(number) => Some(number_text(*number).into()),
        Datum::Text(text) => Some(Cow::Borrowed(text)),
    }
}

/// A text that reads as a number becomes it, as beside a number field.
pub fn as_number(datum: Datum<'_>) -> Datum<'_> {
    let Datum::Text(text) = &datum else { return datum };
    match text.trim().parse::<f64>() {
        // What Rust takes for numbers beyond these letters, databases don't.
        Ok(number) if number.is_finite() && text.bytes().all(is_numeric) => Datum::Number(number),
        _ => datum,
    }
}

/// A literal number becomes text beside a text field: with a fraction, as databases print floats.
pub fn as_text(datum: Datum<'_>) -> Datum<'_> {
    match datum {
        Datum::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            Datum::Text(format!("{number:.1}").into())
        }
        Datum::Number(number) => Datum::Text(number_text(number).into()),
        other => other,
    }
}

fn is_numeric(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E' | b' ')
}

/// As JavaScript prints it.
fn number_text(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        return if size >= 1.0 { text.replace('e', "e+") } else { text };
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_in_javascript() {
        for (number, text) in [
            (5.0, "5"),
            (-2.5, "-2.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
            (1e-6, "0.000001"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn only_plain_numbers_are_read_from_text() {
        let number = |text: &'static str| match as_number(Datum::Text(text.into())) {
            Datum::Number(number) => Some(number),
            _ => None,
        };
        assert_eq!(number("5"), Some(5.0));
        assert_eq!(number(" 1e3 "), Some(1000.0));
        for text in ["", "abc", "inf", "NaN", "0x1", "1_0", "1e999"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
