//! Values of expressions, as SQL has them: nothing, whole numbers, numbers, texts.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::domain::fields::{Kind, number};
use crate::domain::json;
use crate::domain::views::plan::Type;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(Arc<str>),
}

/// What an expression makes of values that it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// Values stay what they are: `5 = '5'` is false.
    None,
    Text,
    Numeric,
}

impl Affinity {
    /// That of a field. What a view (`computed`) calls JSON may be any value.
    pub fn of(kind: &Kind, computed: bool) -> Self {
        match kind {
            Kind::Json(_) if computed => Self::None,
            Kind::Number(_) | Kind::Bool | Kind::Json(_) | Kind::GeoPoint => Self::Numeric,
            kind if kind.is_multiple() => Self::Numeric,
            _ => Self::Text,
        }
    }

    pub fn apply(self, value: Value) -> Value {
        match (self, &value) {
            (Self::Text, Value::Integer(_) | Value::Real(_)) => Value::from(value.text()),
            (Self::Numeric, Value::Text(text)) => whole_text(text).unwrap_or(value),
            _ => value,
        }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Integer(truth.into())
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl Value {
    /// True, false, or nothing where it cannot be known.
    pub fn of_truth(truth: Option<bool>) -> Self {
        truth.map_or(Self::Null, Self::from)
    }

    /// What cannot be computed, such as a division by zero, is nothing.
    pub fn of_number(number: f64) -> Self {
        if number.is_finite() { Self::Real(number) } else { Self::Null }
    }

    /// The value of a field of this kind; of a view's (`computed`) if it has one.
    pub fn of_field(kind: &Kind, computed: bool, value: &Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(truth) if !matches!(kind, Kind::Json(_)) => Self::from(*truth),
            Json::Number(number) => number
                .as_i64()
                .map_or_else(|| narrow(number.as_f64().unwrap_or(0.0)), Self::Integer),
            Json::String(text) if computed || !matches!(kind, Kind::Json(_)) => {
                Self::from(text.as_str())
            }
            other => Self::from(json::print(other)),
        }
    }

    /// What a field of this kind holds of it.
    pub fn into_json(self, kind: &Kind) -> Json {
        let structured = kind.is_multiple() || matches!(kind, Kind::GeoPoint);
        match self {
            Self::Null => Json::Null,
            // Of numbers only 1 is true.
            Self::Integer(number) if matches!(kind, Kind::Bool) => Json::Bool(number == 1),
            Self::Real(number) if matches!(kind, Kind::Bool) => Json::Bool(number == 1.0),
            Self::Integer(number) => Json::from(number),
            Self::Real(real) => number::from(real),
            Self::Text(text) if structured => {
                serde_json::from_str(&text).unwrap_or_else(|_| Json::from(&*text))
            }
            Self::Text(text) => Json::from(&*text),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it counts as true; `None` where it is nothing.
    pub fn truth(&self) -> Option<bool> {
        (!self.is_null()).then(|| self.real() != 0.0)
    }

    pub fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => real_text(*number),
            Self::Text(text) => text.to_string(),
        }
    }

    /// The number that it is or that its text begins with, or 0.
    pub fn number(&self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Text(text) => leading(text),
            number => number.clone(),
        }
    }

    pub fn real(&self) -> f64 {
        match self.number() {
            Self::Integer(number) => number as f64,
            Self::Real(number) => number,
            Self::Null | Self::Text(_) => 0.0,
        }
    }

    pub fn integer(&self) -> i64 {
        match self.number() {
            Self::Integer(number) => number,
            other => other.real() as i64,
        }
    }

    pub fn cast(&self, to: Type) -> Self {
        match (self, to) {
            (Self::Null, _) => Self::Null,
            (_, Type::Text) => Self::from(self.text()),
            (_, Type::Real) => Self::Real(self.real()),
            (_, Type::Integer) => Self::Integer(self.integer()),
            (Self::Text(_), Type::Numeric | Type::Bool) => match self.number() {
                Self::Real(real) => narrow(real),
                other => other,
            },
            (_, Type::Numeric | Type::Bool) => self.clone(),
        }
    }

    /// Nothing, then numbers, then texts by their bytes.
    pub fn order(&self, other: &Self) -> Ordering {
        let rank = |value: &Self| match value {
            Self::Null => 0,
            Self::Integer(_) | Self::Real(_) => 1,
            Self::Text(_) => 2,
        };
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
            (left, right) if (rank(left), rank(right)) == (1, 1) => {
                left.real().partial_cmp(&right.real()).unwrap_or(Ordering::Equal)
            }
            (left, right) => rank(left).cmp(&rank(right)),
        }
    }

    /// How two rows of values stand to each other.
    pub fn order_rows(left: &[Self], right: &[Self]) -> Ordering {
        let orders = left.iter().zip(right).map(|(left, right)| left.order(right));
        orders.fold(Ordering::Equal, Ordering::then)
    }

    /// Equal values have equal keys.
    pub fn key(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Integer(number) => format!("n{number}"),
            Self::Real(real) => match narrow(*real) {
                Self::Integer(number) => format!("n{number}"),
                _ => format!("n{real}"),
            },
            Self::Text(text) => format!("t{text}"),
        }
    }
}

/// A whole number, if this is one that is exact.
fn narrow(number: f64) -> Value {
    let exact = number.fract() == 0.0 && number.abs() < 9e15;
    if exact { Value::Integer(number as i64) } else { Value::Real(number) }
}

/// A number that makes the whole of a text.
fn whole_text(text: &str) -> Option<Value> {
    let text = text.trim();
    let is_numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_numeric) {
        return None;
    }
    let whole = text.parse().ok().map(Value::Integer);
    whole.or_else(|| text.parse::<f64>().ok().filter(|real| real.is_finite()).map(narrow))
}

/// The number that a text begins with.
fn leading(text: &str) -> Value {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let digits =
        |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count() + from;
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let mut end = digits(start);
    let mut any = end > start;
    let mut whole = true;
    if bytes.get(end) == Some(&b'.') {
        let after = digits(end + 1);
        any |= after > end + 1;
        whole = false;
        end = after;
    }
    if !any {
        return Value::Integer(0);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let from = (end + 1 + sign).min(bytes.len());
        if digits(from) > from {
            whole = false;
            end = digits(from);
        }
    }
    let real = || text[..end].parse().map_or(Value::Integer(0), Value::Real);
    if whole { text[..end].parse().map_or_else(|_| real(), Value::Integer) } else { real() }
}

/// Fifteen digits, and always a sign that it is no whole number.
fn real_text(number: f64) -> String {
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    let size = rounded.abs();
    if size == 0.0 || (1e-4..1e15).contains(&size) {
        return format!("{rounded:?}");
    }
    let text = format!("{rounded:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}{point}e{exponent:+03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_count_as_the_number_they_begin_with() {
        for (text, number) in [
            ("", Value::Integer(0)),
            ("12ab", Value::Integer(12)),
            (" -3.5e2x", Value::Real(-350.0)),
            ("1e", Value::Integer(1)),
            (".5", Value::Real(0.5)),
            ("+", Value::Integer(0)),
            ("99999999999999999999", Value::Real(1e20)),
        ] {
            assert_eq!(Value::from(text).number(), number, "{text:?}");
        }
    }

    #[test]
    fn numbers_print_as_in_sql() {
        for (number, text) in [
            (1.5, "1.5"),
            (100.0, "100.0"),
            (0.1 + 0.2, "0.3"),
            (1e20, "1.0e+20"),
            (1.25e-7, "1.25e-07"),
        ] {
            assert_eq!(Value::Real(number).text(), text);
        }
    }

    #[test]
    fn comparing_takes_a_text_for_a_number_where_it_is_one() {
        assert_eq!(Affinity::Numeric.apply("7".into()), Value::Integer(7));
        assert_eq!(Affinity::Numeric.apply("7a".into()), "7a".into());
        assert_eq!(Affinity::Text.apply(Value::Integer(7)), "7".into());
        assert_eq!(Affinity::None.apply(Value::Integer(7)), Value::Integer(7));
    }
}
