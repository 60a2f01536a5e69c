//! The value of a record's field as keys, sorts and comparisons know it.

use std::borrow::Cow;

use crate::domain::fields::Kind;
use crate::domain::record::Record;
use crate::store::codec::Datum;

/// The value of field number `field` of `record`: what an index column of it holds. Lists and
/// objects are their JSON text.
pub fn of_field(record: &Record, field: usize) -> Datum<'_> {
    let kind = &record.collection().fields[field].kind;
    match kind {
        Kind::Number(_) => number(record.raw(field)),
        Kind::Bool => Datum::Number(f64::from(record.raw(field) == "true")),
        Kind::Json(_) | Kind::GeoPoint => of_json(record.raw(field)),
        _ if kind.is_multiple() => Datum::Text(Cow::Borrowed(record.raw(field))),
        _ => Datum::Text(record.text(field)),
    }
}

/// The value of a JSON text.
pub fn of_json(raw: &str) -> Datum<'_> {
    match raw.as_bytes().first() {
        None => Datum::Null,
        Some(b'n') => Datum::Null,
        Some(b't') => Datum::Number(1.0),
        Some(b'f') => Datum::Number(0.0),
        Some(b'"') => Datum::Text(unquoted(raw)),
        Some(b'[' | b'{') => Datum::Text(Cow::Borrowed(raw)),
        Some(_) => number(raw),
    }
}

/// The values of a JSON array of strings, such as a multiple relation holds.
pub fn elements(raw: &str) -> Elements<'_> {
    Elements(raw)
}

/// The text of a JSON string, copied only when it has escapes.
pub fn unquoted(raw: &str) -> Cow<'_, str> {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        _ => Cow::Owned(serde_json::from_str(raw).unwrap_or_default()),
    }
}

/// See [`elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a>(&'a str);

impl<'a> Iterator for Elements<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.0.find('"')?;
        let bytes = self.0.as_bytes();
        let mut end = start + 1;
        while bytes.get(end)? != &b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let element = unquoted(&self.0[start..=end]);
        self.0 = &self.0[end + 1..];
        Some(element)
    }
}

fn number(raw: &str) -> Datum<'_> {
    raw.parse().map_or(Datum::Null, Datum::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_decoded_one_by_one() {
        let found: Vec<_> = elements(r#"["a","b\"]","","\\"]"#).collect();

        assert_eq!(found, ["a", "b\"]", "", "\\"]);
    }

    #[test]
    fn broken_lists_end_early() {
        for raw in ["", "[", "[\"a", "[\"a\\", "null"] {
            assert_eq!(elements(raw).count(), 0, "{raw}");
        }
    }

    #[test]
    fn json_keeps_its_types() {
        assert!(matches!(of_json("true"), Datum::Number(1.0)));
        assert!(matches!(of_json("null"), Datum::Null));
        assert!(matches!(of_json("-2.5"), Datum::Number(-2.5)));
        assert!(matches!(of_json(r#""a\n""#), Datum::Text(text) if text == "a\n"));
        assert!(matches!(of_json("[1]"), Datum::Text(text) if text == "[1]"));
    }
}
