//! Looks into JSON text without parsing it whole.

use serde_json::Value;

/// The text of the value at `path` in `raw`: keys of objects, digits for places in arrays.
pub fn at<'a>(raw: &'a str, path: &[String]) -> Option<&'a str> {
    let mut raw = raw.trim();
    for step in path {
        raw = match raw.as_bytes().first()? {
            b'{' => member(raw, step)?,
            b'[' => place(raw, step.parse().ok()?)?,
            _ => return None,
        };
    }
    Some(raw)
}

/// Whether `raw` is the text of `value`, whatever way its numbers are written.
pub fn same(raw: &str, value: &Value) -> bool {
    fn alike(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
            }
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
            }
            (a, b) => a == b,
        }
    }
    serde_json::from_str::<Value>(raw).is_ok_and(|stored| alike(&stored, value))
}

fn member<'a>(raw: &'a str, key: &str) -> Option<&'a str> {
    let mut at = 1;
    loop {
        at = skip_blanks(raw, at);
        if raw.as_bytes().get(at)? == &b'}' {
            return None;
        }
        let end = end_of_value(raw, at)?;
        let name = super::value::unquoted(raw.get(at..end)?);
        at = skip_blanks(raw, end);
        if raw.as_bytes().get(at)? != &b':' {
            return None;
        }
        at = skip_blanks(raw, at + 1);
        let end = end_of_value(raw, at)?;
        if name == key {
            return raw.get(at..end);
        }
        at = skip_blanks(raw, end);
        if raw.as_bytes().get(at)? == &b',' {
            at += 1;
        }
    }
}

fn place(raw: &str, number: usize) -> Option<&str> {
    let mut at = 1;
    let mut count = 0;
    loop {
        at = skip_blanks(raw, at);
        if raw.as_bytes().get(at)? == &b']' {
            return None;
        }
        let end = end_of_value(raw, at)?;
        if count == number {
            return raw.get(at..end);
        }
        count += 1;
        at = skip_blanks(raw, end);
        if raw.as_bytes().get(at)? == &b',' {
            at += 1;
        }
    }
}

fn skip_blanks(raw: &str, mut at: usize) -> usize {
    while raw.as_bytes().get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// Where the value that starts at `at` ends; always further on.
fn end_of_value(raw: &str, at: usize) -> Option<usize> {
    let bytes = raw.as_bytes();
    let mut depth = 0usize;
    let mut at = at;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at += 1;
                while bytes.get(at)? != &b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' if depth > 0 => at += 1,
            b',' | b':' => return None,
            byte if depth > 0 && byte.is_ascii_whitespace() => at += 1,
            _ => {
                let rest = &bytes[at..];
                let end = |byte: &u8| {
                    matches!(byte, b',' | b':' | b'}' | b']' | b'"') || byte.is_ascii_whitespace()
                };
                at += rest.iter().position(end).unwrap_or(rest.len());
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find<'a>(raw: &'a str, path: &str) -> Option<&'a str> {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        at(raw, &path)
    }

    #[test]
    fn paths_lead_through_objects_and_arrays() {
        let raw = r#"{"a":1,"b":{"c":"x,]}"},"d":{"e":[10,{"f":true}]},"é\n":null,"q\"":[[],[2]]}"#;
        assert_eq!(find(raw, "a"), Some("1"));
        assert_eq!(find(raw, "b.c"), Some(r#""x,]}""#));
        assert_eq!(find(raw, "d.e.1.f"), Some("true"));
        assert_eq!(find(raw, "d.e"), Some(r#"[10,{"f":true}]"#));
        assert_eq!(find(raw, "é\n"), Some("null"));
        assert_eq!(find(raw, "q\".1.0"), Some("2"));
        for missing in ["z", "a.b", "d.e.2", "d.e.x", "b.c.d", "d.0"] {
            assert_eq!(find(raw, missing), None, "{missing}");
        }
    }

    #[test]
    fn numbers_are_the_same_however_written() {
        assert!(same(r#"{"a":[1]}"#, &serde_json::json!({"a": [1.0]})));
        assert!(!same("\"1\"", &serde_json::json!(1)));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(raw in "[\\[\\]{}\",:\\\\ a1é]{0,20}", path in "[a01é.]{0,4}") {
            find(&raw, &path);
        }
    }
}
