//! Addresses as people type them: `?filter=n>1` reaches hyper as `?filter=n%3E1`.
//!
//! hyper refuses a raw `"`, `<` or `>` in an address, which browsers encode and other servers take. They
//! are encoded here, in the request lines of HTTP/1 and nowhere else: where a line begins is known as long
//! as every head says plainly how long its body is. After one that does not, bytes pass as they are.

use memchr::memchr;

/// Longest header line that may say something of interest; of longer ones the beginning is kept.
const LINE_BYTES: usize = 80;

/// Follows the bytes of a connection, for where its request lines are.
#[derive(Debug, Default)]
pub(super) struct Typed {
    place: Place,
    /// What came of the line so far, where it came in pieces.
    line: Vec<u8>,
    /// What the head said of its body.
    body: Option<u64>,
    is_unclear: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before or in a request line.
    #[default]
    Request,
    Head,
    /// In a body that has as many bytes to come.
    Body(u64),
    /// Nobody can tell: a body of unknown length, another protocol.
    Unknown,
}

impl Typed {
    /// What to read instead of `bytes`; `None` to read them as they are.
    pub fn read(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut changed: Option<Vec<u8>> = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            let place = self.place;
            let piece = self.step(rest);
            rest = &rest[piece.len()..];
            let odd = place == Place::Request && piece.iter().any(|byte| encoded(*byte).is_some());
            if odd && changed.is_none() {
                let before = bytes.len() - rest.len() - piece.len();
                changed = Some(bytes[..before].to_vec());
            }
            if let Some(changed) = &mut changed {
                match odd {
                    true => piece.iter().for_each(|byte| match encoded(*byte) {
                        Some(code) => changed.extend_from_slice(code),
                        None => changed.push(*byte),
                    }),
                    false => changed.extend_from_slice(piece),
                }
            }
        }
        changed
    }

    /// The bytes up to where another place begins, which is the place from then on.
    fn step<'b>(&mut self, rest: &'b [u8]) -> &'b [u8] {
        match self.place {
            Place::Unknown => rest,
            Place::Body(left) => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                let left = left - taken as u64;
                self.place = if left == 0 { Place::Request } else { Place::Body(left) };
                &rest[..taken]
            }
            Place::Request | Place::Head => {
                let end = memchr(b'\n', rest);
                let piece = &rest[..end.map_or(rest.len(), |end| end + 1)];
                if end.is_none() || !self.line.is_empty() {
                    let kept = piece.len().min(LINE_BYTES - self.line.len());
                    self.line.extend_from_slice(&piece[..kept]);
                }
                if end.is_some() {
                    let line = std::mem::take(&mut self.line);
                    self.line_ends(if line.is_empty() { piece } else { &line });
                }
                piece
            }
        }
    }

    fn line_ends(&mut self, line: &[u8]) {
        let is_blank = line.iter().all(|byte| b"\r\n".contains(byte));
        match self.place {
            // Blank lines before a request are passed over.
            Place::Request if is_blank => {}
            Place::Request => {
                let other = line.starts_with(b"PRI ") || line.starts_with(b"CONNECT ");
                self.place = if other { Place::Unknown } else { Place::Head };
                (self.body, self.is_unclear) = (None, false);
            }
            Place::Head if is_blank => {
                self.place = match self.body {
                    _ if self.is_unclear => Place::Unknown,
                    Some(left) if left > 0 => Place::Body(left),
                    _ => Place::Request,
                };
            }
            Place::Head => self.header(line),
            Place::Body(_) | Place::Unknown => {}
        }
    }

    fn header(&mut self, line: &[u8]) {
        // Nearly every line begins with another letter.
        if !matches!(line[0].to_ascii_lowercase(), b'c' | b't' | b'u' | b' ' | b'\t') {
            return;
        }
        let (name, value) = line.split_at(memchr(b':', line).unwrap_or(line.len()));
        let is = |wanted: &[u8]| name.trim_ascii().eq_ignore_ascii_case(wanted);
        if is(b"content-length") {
            let digits = value.get(1..).unwrap_or_default().trim_ascii();
            let plain = digits.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            // Whatever has two meanings has none.
            let clear = plain && length.is_some() && self.body.is_none() && line.ends_with(b"\n");
            self.is_unclear |= !clear;
            self.body = length;
        }
        let folded = line[0] == b' ' || line[0] == b'\t';
        self.is_unclear |= folded || is(b"transfer-encoding") || is(b"upgrade");
    }
}

fn encoded(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'"' => Some(b"%22"),
        b'<' => Some(b"%3C"),
        b'>' => Some(b"%3E"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read when the bytes come in pieces of `size`.
    fn read(bytes: &[u8], size: usize) -> Vec<u8> {
        let mut typed = Typed::default();
        let pieces = bytes.chunks(size);
        pieces.flat_map(|piece| typed.read(piece).unwrap_or_else(|| piece.to_vec())).collect()
    }

    #[track_caller]
    fn check(bytes: &str, expected: &str) {
        for size in [1, 2, 7, bytes.len()] {
            let found = read(bytes.as_bytes(), size);
            assert_eq!(String::from_utf8_lossy(&found), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn only_request_lines_are_changed() {
        check(
            "GET /?a=\"b\" HTTP/1.1\r\nx: \"<>\"\r\n\r\n",
            "GET /?a=%22b%22 HTTP/1.1\r\nx: \"<>\"\r\n\r\n",
        );
        check(
            "\r\n\nGET /?n>1 HTTP/1.1\n\nGET /?n<1 HTTP/1.1\n\n",
            "\r\n\nGET /?n%3E1 HTTP/1.1\n\nGET /?n%3C1 HTTP/1.1\n\n",
        );
        let body = "POST / HTTP/1.1\r\nContent-Length:  9 \r\n\r\n{\"a\":\">\n";
        check(
            &format!("{body}>GET /?> HTTP/1.1\r\n\r\n"),
            &format!("{body}>GET /?%3E HTTP/1.1\r\n\r\n"),
        );
    }

    #[test]
    fn after_a_body_of_unclear_length_nothing_is_changed() {
        let wide = "z".repeat(100);
        for line in [
            "Transfer-Encoding: chunked",
            "content-length: 1\r\nCONTENT-LENGTH: 2",
            "content-length: 1\r\ncontent-length: 1",
            "content-length: +1",
            "content-length: 1,1",
            "content-length:",
            "content-length: 99999999999999999999999",
            "x: y\r\n content-length: 1",
            "upgrade: websocket",
        ] {
            let bytes = format!(
                "POST / HTTP/1.1\r\nx-{wide}: {wide}\r\n{line}\r\n\r\nGET /?\"> HTTP/1.1\r\n\r\n"
            );
            let found = read(bytes.as_bytes(), bytes.len());
            assert_eq!(String::from_utf8_lossy(&found), bytes, "{line}");
        }
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\"<>", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\"<>");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(bytes in "(GET|POST| |\r|\n|:|\"|<|>|/|content-length: [0-9]{1,2}\r\n|[a-z]){0,60}", size in 1_usize..20) {
            prop_assert_eq!(read(bytes.as_bytes(), size), read(bytes.as_bytes(), bytes.len().max(1)));
        }
    }
}
