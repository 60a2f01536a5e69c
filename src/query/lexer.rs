//! Cuts the text of a filter into tokens.

use crate::query::ast::Op;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Open,
    Close,
    Comma,
    And,
    Or,
    /// The operator, and whether a `?` stood before it.
    Op(Op, bool),
    Text(String),
    Number(f64),
    /// Dots, colons and `@` included: `@request.body.tags:each`.
    Word(String),
    End,
}

/// What is wrong, and at which byte.
#[derive(Debug, Clone, PartialEq)]
pub struct Wrong {
    pub at: usize,
    pub problem: String,
}

pub type Result<T, E = Wrong> = std::result::Result<T, E>;

pub fn wrong<T>(at: usize, problem: impl Into<String>) -> Result<T> {
    Err(Wrong { at, problem: problem.into() })
}

/// Reads tokens off the front of a text.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token and the byte it starts at; `End` for ever after the last one.
    pub fn next(&mut self) -> Result<(usize, Token)> {
        self.skip_blanks();
        let at = self.at;
        let Some(first) = self.peek() else { return Ok((at, Token::End)) };
        let token = match first {
            b'(' => self.take(1, Token::Open),
            b')' => self.take(1, Token::Close),
            b',' => self.take(1, Token::Comma),
            b'&' if self.rest().starts_with("&&") => self.take(2, Token::And),
            b'|' if self.rest().starts_with("||") => self.take(2, Token::Or),
            b'?' | b'=' | b'!' | b'>' | b'<' | b'~' => self.operator()?,
            b'\'' | b'"' => self.string(first)?,
            b'-' | b'0'..=b'9' => self.number()?,
            b'@' | b'_' | b'a'..=b'z' | b'A'..=b'Z' => self.word()?,
            _ => {
                let letter = self.rest().chars().next().unwrap_or_default();
                return wrong(at, format!("unexpected {letter:?}"));
            }
        };
        Ok((at, token))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, bytes: usize, token: Token) -> Token {
        self.at += bytes;
        token
    }

    /// Moves past blanks and `//` comments.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            self.at += blanks;
            if !self.rest().starts_with("//") {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn operator(&mut self) -> Result<Token> {
        let at = self.at;
        let any = self.peek() == Some(b'?');
        if any {
            self.at += 1;
        }
        const OPS: [(&str, Op); 8] = [
            ("!=", Op::NotEqual),
            ("!~", Op::NotLike),
            (">=", Op::GreaterOrEqual),
            ("<=", Op::LessOrEqual),
            (">", Op::Greater),
            ("<", Op::Less),
            ("=", Op::Equal),
            ("~", Op::Like),
        ];
        let found = OPS.iter().find(|(text, _)| self.rest().starts_with(text));
        let Some((text, op)) = found else { return wrong(at, "expected an operator") };
        self.at += text.len();
        if matches!(self.peek(), Some(b'=' | b'!' | b'>' | b'<' | b'~' | b'?')) {
            return wrong(at, "no such operator");
        }
        Ok(Token::Op(*op, any))
    }

    fn string(&mut self, quote: u8) -> Result<Token> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(plain) = rest.bytes().position(|byte| byte == quote || byte == b'\\') else {
                return wrong(start, "the string has no end");
            };
            text.push_str(&rest[..plain]);
            self.at += plain + 1;
            if rest.as_bytes()[plain] == quote {
                return Ok(Token::Text(text));
            }
            let decoded = match self.peek() {
                Some(b'n') => "\n",
                Some(b'r') => "\r",
                Some(b't') => "\t",
                Some(b'\\') => "\\",
                Some(b'\'') => "'",
                Some(b'"') => "\"",
                _ => {
                    text.push('\\');
                    continue;
                }
            };
            text.push_str(decoded);
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<Token> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        self.digits(start)?;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits(start)?;
        }
        if self.peek().is_some_and(|byte| is_word(byte) || byte == b'.' || byte == b':') {
            return wrong(start, "not a number");
        }
        match self.text[start..self.at].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Token::Number(number)),
            _ => wrong(start, "the number is too large"),
        }
    }

    fn digits(&mut self, start: usize) -> Result<()> {
        let before = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == before { wrong(start, "a number needs digits") } else { Ok(()) }
    }

    fn word(&mut self) -> Result<Token> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            if !is_word(byte) && byte != b'.' && byte != b':' {
                break;
            }
            self.at += 1;
        }
        Ok(Token::Word(self.text[start..self.at].to_owned()))
    }
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Token>> {
        let mut lexer = Lexer::new(text);
        let mut found = Vec::new();
        loop {
            match lexer.next()? {
                (_, Token::End) => return Ok(found),
                (_, token) => found.push(token),
            }
        }
    }

    fn text(source: &str) -> String {
        match tokens(source).unwrap().pop() {
            Some(Token::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn known_escapes_are_decoded_and_others_stay() {
        assert_eq!(text(r#"'a\'b"\"\\\n\r\t'"#), "a'b\"\"\\\n\r\t");
        assert_eq!(text(r"'100\% \x \é'"), r"100\% \x \é");
        assert_eq!(text(r#""it's""#), "it's");
    }

    #[test]
    fn blanks_and_comments_part_tokens() {
        let found = tokens("n=1 // so\n\t&& // and\r\n m ?!~ -2.50 // end").unwrap();
        assert_eq!(found.len(), 7);
        assert_eq!(found[5], Token::Op(Op::NotLike, true));
        assert_eq!(found[6], Token::Number(-2.5));
    }

    #[test]
    fn refuses_what_the_grammar_lacks() {
        for source in [
            "n == 1",
            "n <> 1",
            "n = +1",
            "n = .5",
            "n = 1.",
            "n = 1e3",
            "n = 1;",
            "n = `x`",
            "t = 'open",
            "t = 'x\\",
            "n & m",
            "n | m",
            "n =? 1",
            "n ?= 1x",
            "n = 1.2.3",
        ] {
            assert!(tokens(source).is_err(), "{source}");
        }
    }
}
