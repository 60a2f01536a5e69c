//! `CREATE INDEX` statements: parsed strictly, printed in one form.

use crate::domain::indexes::condition;

/// A statement as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub unique: bool,
    pub optional: bool,
    pub name: String,
    pub table: String,
    pub columns: Vec<Column>,
    /// The text after `WHERE`, `""` without one.
    pub condition: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub nocase: bool,
    /// It was written `lower(name)`, which has the entries of `NOCASE`.
    pub lowered: bool,
    pub descending: Option<bool>,
    /// `COLLATE BINARY` was said, which changes nothing.
    pub binary: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    Number(String),
    Sign(&'static str),
}

/// Splits SQL text into tokens, each with its place.
pub fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    const SIGNS: [&str; 14] =
        ["<>", "!=", "==", "<=", ">=", "(", ")", ",", ".", "=", "<", ">", ";", "-"];
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if letter.is_whitespace() {
            at += letter.len_utf8();
            continue;
        } else if letter.is_ascii_digit() {
            rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len())
        } else if letter.is_alphanumeric() || letter == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if "`\"'[".contains(letter) {
            let (length, inner) =
                quoted(rest, letter).ok_or(format!("an open {letter} at character {at}"))?;
            tokens
                .push((at, if letter == '\'' { Token::Text(inner) } else { Token::Quoted(inner) }));
            at += length;
            continue;
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or(format!("an unexpected {letter:?} at character {at}"))?;
            tokens.push((at, Token::Sign(sign)));
            at += sign.len();
            continue;
        };
        let word = rest[..length].to_owned();
        let token = if letter.is_ascii_digit() { Token::Number(word) } else { Token::Word(word) };
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// The length of a quoted text and what it quotes; a doubled quote is one.
fn quoted(rest: &str, open: char) -> Option<(usize, String)> {
    let close = if open == '[' { ']' } else { open };
    let mut inner = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != close {
            inner.push(letter);
        } else if open != '[' && letters.peek().is_some_and(|(_, next)| *next == close) {
            inner.push(close);
            letters.next();
        } else {
            return Some((at + close.len_utf8(), inner));
        }
    }
    None
}

/// A name as `print` writes it.
fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Reads one statement, or says what was not understood.
pub fn parse(text: &str) -> Result<Statement, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { text, tokens: &tokens, at: 0 };
    reader.word("CREATE")?;
    let unique = reader.take_word("UNIQUE");
    reader.word("INDEX")?;
    let optional = reader.take_word("IF");
    if optional {
        reader.word("NOT")?;
        reader.word("EXISTS")?;
    }
    let mut name = reader.name("an index name")?;
    if reader.take_sign(".") {
        name = reader.name("an index name")?;
    }
    reader.word("ON")?;
    let table = reader.name("a table name")?;
    reader.sign("(")?;
    let mut columns = vec![reader.column()?];
    while reader.take_sign(",") {
        columns.push(reader.column()?);
    }
    reader.sign(")")?;
    let condition = if reader.take_word("WHERE") { reader.rest()? } else { String::new() };
    reader.take_sign(";");
    reader.end()?;
    Ok(Statement { unique, optional, name, table, columns, condition })
}

impl Statement {
    /// The statement in the form that clients get it in when it had to be rewritten.
    pub fn print(&self) -> String {
        let column = |column: &Column| {
            let collation = match (column.nocase, column.binary) {
                (true, _) => " COLLATE NOCASE",
                (false, true) => " COLLATE BINARY",
                (false, false) => "",
            };
            let order = match column.descending {
                Some(true) => " DESC",
                Some(false) => " ASC",
                None => "",
            };
            match column.lowered {
                true => format!("lower({}){order}", quote(&column.name)),
                false => format!("{}{collation}{order}", quote(&column.name)),
            }
        };
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        let columns = match &columns[..] {
            [single] => single.clone(),
            several => format!("\n  {}\n", several.join(",\n  ")),
        };
        format!(
            "CREATE {}INDEX {}{} ON {} ({columns}){}{}",
            if self.unique { "UNIQUE " } else { "" },
            if self.optional { "IF NOT EXISTS " } else { "" },
            quote(&self.name),
            quote(&self.table),
            if self.condition.is_empty() { "" } else { " WHERE " },
            self.condition,
        )
    }

    /// The condition as a filter over the record's own fields.
    pub fn filter(&self) -> Result<Option<String>, String> {
        if self.condition.is_empty() {
            return Ok(None);
        }
        let filter = condition::to_filter(&self.condition);
        filter.map(Some).map_err(|why| format!("{why} behind WHERE"))
    }
}

/// Walks over tokens.
pub struct Reader<'a> {
    text: &'a str,
    tokens: &'a [(usize, Token)],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, tokens: &'a [(usize, Token)]) -> Self {
        Self { text, tokens, at: 0 }
    }

    pub fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    pub fn take(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.at += 1;
        token
    }

    pub fn take_word(&mut self, wanted: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(found);
        found
    }

    pub fn take_sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.at += usize::from(found);
        found
    }

    pub fn word(&mut self, wanted: &str) -> Result<(), String> {
        if self.take_word(wanted) { Ok(()) } else { Err(self.expected(wanted)) }
    }

    pub fn sign(&mut self, wanted: &str) -> Result<(), String> {
        if self.take_sign(wanted) { Ok(()) } else { Err(self.expected(wanted)) }
    }

    pub fn end(&self) -> Result<(), String> {
        if self.peek().is_none() { Ok(()) } else { Err(self.expected("the end")) }
    }

    pub fn expected(&self, wanted: &str) -> String {
        match self.tokens.get(self.at) {
            Some((at, _)) => format!("expected {wanted} at character {at}"),
            None => format!("expected {wanted} at the end"),
        }
    }

    fn name(&mut self, what: &str) -> Result<String, String> {
        match self.peek() {
            Some(Token::Word(name) | Token::Quoted(name) | Token::Text(name))
                if !name.is_empty() =>
            {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err(self.expected(what)),
        }
    }

    fn column(&mut self) -> Result<Column, String> {
        let mut name = self.name("a column name")?;
        // Of functions, `lower` is all that indexes can do.
        let lowered = name.eq_ignore_ascii_case("lower") && self.take_sign("(");
        if lowered {
            name = self.name("a column name")?;
            self.sign(")")?;
        }
        let (mut nocase, mut binary) = (lowered, false);
        if !lowered && self.take_word("COLLATE") {
            nocase = self.take_word("NOCASE");
            binary = !nocase;
            if binary {
                self.word("BINARY").map_err(|_| self.expected("NOCASE or BINARY"))?;
            }
        }
        let descending = match (self.take_word("DESC"), self.take_word("ASC")) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        Ok(Column { name, nocase, lowered, descending, binary })
    }

    /// The text up to the end or a semicolon.
    fn rest(&mut self) -> Result<String, String> {
        let Some((start, _)) = self.tokens.get(self.at) else {
            return Err(self.expected("a condition"));
        };
        let stop = |(_, token): &&(usize, Token)| matches!(token, Token::Sign(";"));
        let until = self.tokens[self.at..].iter().find(stop);
        let until = until.map_or(self.text.len(), |(at, _)| *at);
        self.at = self.tokens.iter().take_while(|(at, _)| *at < until).count();
        Ok(self.text[*start..until].trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn statements_are_understood_in_all_their_forms() {
        let text = "create unique index if not exists `x1`  on other (`a` COLLATE NOCASE desc, \"b\" asc, [c]) where a != '' and b > 3;";
        let statement = parse(text).unwrap();
        assert_eq!(
            statement.print(),
            "CREATE UNIQUE INDEX IF NOT EXISTS `x1` ON `other` (\n  `a` COLLATE NOCASE DESC,\n  `b` ASC,\n  `c`\n) WHERE a != '' and b > 3"
        );
        assert_eq!(parse(&statement.print()).unwrap(), statement);
        assert_eq!(
            parse("CREATE INDEX i ON t (a)").unwrap().print(),
            "CREATE INDEX `i` ON `t` (`a`)"
        );
    }

    #[test]
    fn lower_is_another_way_to_write_nocase() {
        let statement = parse("create unique index i on t (LOWER(email) desc, lower)").unwrap();
        let nocase: Vec<bool> = statement.columns.iter().map(|column| column.nocase).collect();
        assert_eq!(nocase, [true, false]);
        assert_eq!(
            statement.print(),
            "CREATE UNIQUE INDEX `i` ON `t` (\n  lower(`email`) DESC,\n  `lower`\n)"
        );
        assert_eq!(parse(&statement.print()).unwrap(), statement);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        for (text, problem) in [
            ("", "expected CREATE at the end"),
            ("nope", "expected CREATE at character 0"),
            ("CREATE INDEX ON t (a)", "expected ON at character 16"),
            ("CREATE INDEX i ON t (length(a))", "expected ) at character 27"),
            ("CREATE INDEX i ON t (lower(a || b))", "an unexpected '|' at character 29"),
            ("CREATE INDEX i ON t (lower(lower(a)))", "expected ) at character 32"),
            ("CREATE INDEX i ON t ()", "expected a column name at character 21"),
            ("CREATE INDEX i ON t (a COLLATE RTRIM)", "expected NOCASE or BINARY at character 31"),
            ("CREATE INDEX i ON t (a); DROP TABLE x", "expected the end at character 25"),
            ("CREATE INDEX i ON t (a) WHERE", "expected a condition at the end"),
            ("CREATE INDEX `i ON t (a)", "an open ` at character 13"),
        ] {
            assert_eq!(parse(text), Err(problem.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = parse(&text);
            let _ = parse(&format!("CREATE INDEX i ON t (a) WHERE {text}")).map(|s| s.filter());
        }
    }

    #[test]
    fn backquotes_in_names_are_printed_twice() {
        let printed = parse("CREATE INDEX \"a`b\" ON t (\"c`d\")").unwrap().print();
        assert_eq!(printed, "CREATE INDEX `a``b` ON `t` (`c``d`)");
        assert_eq!(parse(&printed).unwrap().name, "a`b");
    }
}
