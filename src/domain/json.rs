//! Canonical JSON text: strings and numbers printed in the one way that is stored and sent.

use serde_json::Value;

/// Appends `text` as a JSON string: only `"`, `\` and control characters are escaped.
/// Returns whether anything was.
pub fn put_string(out: &mut Vec<u8>, text: &str) -> bool {
    let bytes = text.as_bytes();
    out.push(b'"');
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return false;
    }
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
    true
}

/// Nothing to escape. In blocks without an early exit, which the compiler turns into vector code.
fn is_plain(bytes: &[u8]) -> bool {
    let bad = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    let (blocks, rest) = bytes.as_chunks::<32>();
    blocks.iter().all(|block| !block.iter().fold(false, |any, &byte| any | bad(byte)))
        && !rest.iter().fold(false, |any, &byte| any | bad(byte))
}

/// Appends `number` as JavaScript prints it: all digits from 1e-6 to below 1e21, an exponent
/// outside (`1e+21`, `1e-7`); only `-0` keeps its sign.
pub fn put_number(out: &mut Vec<u8>, number: f64) {
    /// Above this, not every integer is a float.
    const WHOLE: f64 = 9_007_199_254_740_992.0;

    if number == 0.0 {
        out.extend_from_slice(if number.is_sign_negative() { b"-0" } else { b"0" });
    } else if number.fract() == 0.0 && number.abs() < WHOLE {
        out.extend_from_slice((number as i64).to_string().as_bytes());
    } else if (1e-6..1e21).contains(&number.abs()) {
        out.extend_from_slice(number.to_string().as_bytes());
    } else if number.is_finite() {
        let text = format!("{number:e}");
        let text = if number.abs() >= 1e21 { text.replace('e', "e+") } else { text };
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend_from_slice(b"0");
    }
}

/// Appends `value` without blanks, members in the order they are in.
pub fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => out.extend_from_slice(whole.to_string().as_bytes()),
            (_, Some(whole), _) => out.extend_from_slice(whole.to_string().as_bytes()),
            (.., float) => put_number(out, float.unwrap_or_default()),
        },
        Value::String(text) => {
            put_string(out, text);
        }
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                put(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                put_string(out, name);
                out.push(b':');
                put(out, member);
            }
            out.push(b'}');
        }
    }
}

/// `value` as canonical text.
pub fn print(value: &Value) -> String {
    let mut out = Vec::new();
    put(&mut out, value);
    String::from_utf8(out).expect("made of text")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_look_as_in_javascript() {
        let check = |number: f64, expected: &str| {
            let mut out = Vec::new();
            put_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(5.0, "5");
        check(-0.0, "-0");
        check(0.1, "0.1");
        check(1e-6, "0.000001");
        check(1e-7, "1e-7");
        check(1e20, "100000000000000000000");
        check(1e21, "1e+21");
        check(-1.5e300, "-1.5e+300");
        check(123_456_789_012_345_680.0, "123456789012345680");
        check(f64::NAN, "0");
    }

    #[test]
    fn whole_json_numbers_keep_every_digit() {
        assert_eq!(print(&json!(u64::MAX)), "18446744073709551615");
        assert_eq!(print(&json!([i64::MIN, 1.0])), "[-9223372036854775808,1]");
    }

    proptest! {
        #[test]
        fn strings_come_back(text: String) {
            let mut out = Vec::new();
            let escaped = put_string(&mut out, &text);
            prop_assert_eq!(escaped, out.contains(&b'\\'));
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn floats_come_back(number: f64) {
            prop_assume!(number.is_finite());
            let mut out = Vec::new();
            put_number(&mut out, number);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap(), number);
        }
    }
}
