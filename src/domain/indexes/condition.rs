//! Conditions of partial indexes: the SQL after `WHERE`, as a filter expression.

use crate::domain::indexes::statement::{Reader, Token, tokens};

/// Deepest nesting of parentheses.
const DEPTH_LIMIT: usize = 16;

/// Comparisons of a column with a literal, `[NOT] IN`, `IS [NOT] NULL`, `AND`, `OR`, parentheses; the
/// rest is refused.
pub fn to_filter(sql: &str) -> Result<String, String> {
    let tokens = tokens(sql)?;
    let mut reader = Reader::new(sql, &tokens);
    let filter = any(&mut reader, 0)?;
    reader.end()?;
    Ok(filter)
}

fn any(reader: &mut Reader, depth: usize) -> Result<String, String> {
    let mut terms = vec![all(reader, depth)?];
    while reader.take_word("OR") {
        terms.push(all(reader, depth)?);
    }
    Ok(terms.join(" || "))
}

fn all(reader: &mut Reader, depth: usize) -> Result<String, String> {
    let mut terms = vec![term(reader, depth)?];
    while reader.take_word("AND") {
        terms.push(term(reader, depth)?);
    }
    Ok(terms.join(" && "))
}

fn term(reader: &mut Reader, depth: usize) -> Result<String, String> {
    if depth > DEPTH_LIMIT {
        return Err("the condition is nested too deeply".to_owned());
    }
    if reader.take_sign("(") {
        let inner = any(reader, depth + 1)?;
        reader.sign(")")?;
        return Ok(format!("({inner})"));
    }
    let Some(Token::Word(column) | Token::Quoted(column)) = reader.peek() else {
        return Err(reader.expected("a column name"));
    };
    if !column.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Err(reader.expected("a column name"));
    }
    reader.take();
    if reader.take_word("IS") {
        let not = reader.take_word("NOT");
        reader.word("NULL")?;
        // Only json values can be null; of all others, clients that write this mean "blank".
        return Ok(format!("{column} {} null", if not { "!=" } else { "=" }));
    }
    let not = reader.take_word("NOT");
    if reader.take_word("IN") {
        return among(reader, column, not);
    }
    if not {
        return Err(reader.expected("IN"));
    }
    let operator = match reader.peek() {
        Some(Token::Sign("=" | "==")) => "=",
        Some(Token::Sign("!=" | "<>")) => "!=",
        Some(Token::Sign(sign @ ("<" | "<=" | ">" | ">="))) => sign,
        _ => return Err(reader.expected("a comparison")),
    };
    reader.take();
    Ok(format!("{column} {operator} {}", literal(reader)?))
}

/// A column that is, or is not, one of several literals.
fn among(reader: &mut Reader, column: &str, not: bool) -> Result<String, String> {
    let (operator, between) = if not { ("!=", " && ") } else { ("=", " || ") };
    reader.sign("(")?;
    let mut terms = Vec::new();
    loop {
        terms.push(format!("{column} {operator} {}", literal(reader)?));
        if !reader.take_sign(",") {
            break;
        }
    }
    reader.sign(")")?;
    Ok(format!("({})", terms.join(between)))
}

fn literal(reader: &mut Reader) -> Result<String, String> {
    let minus = if reader.take_sign("-") { "-" } else { "" };
    let literal = match reader.peek() {
        Some(Token::Number(number)) if number.parse::<f64>().is_ok() && !number.ends_with('.') => {
            format!("{minus}{number}")
        }
        Some(Token::Text(text)) if minus.is_empty() => quote(text),
        Some(Token::Word(word)) if minus.is_empty() && word.eq_ignore_ascii_case("true") => {
            "true".into()
        }
        Some(Token::Word(word)) if minus.is_empty() && word.eq_ignore_ascii_case("false") => {
            "false".into()
        }
        _ => return Err(reader.expected("a literal")),
    };
    reader.take();
    Ok(literal)
}

/// A text as the filter language writes it.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The same filter with other names for its fields; `None` if one has none.
pub fn renamed(filter: &str, name: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut out = String::with_capacity(filter.len());
    let mut rest = filter;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' => text_end(rest),
            _ if is_of_word(first) => rest.find(|letter| !is_of_word(letter)),
            _ => rest.find(|letter| letter == '\'' || is_of_word(letter)),
        };
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        let is_name = is_of_word(first)
            && !first.is_ascii_digit()
            && !matches!(piece, "null" | "true" | "false");
        match is_name {
            true => out.push_str(&name(piece)?),
            false => out.push_str(piece),
        }
        rest = after;
    }
    Some(out)
}

/// Where the quoted text ends that `filter` begins with.
fn text_end(filter: &str) -> Option<usize> {
    let mut is_escaped = false;
    let closes = |(_, letter): &(usize, char)| {
        let is_end = *letter == '\'' && !is_escaped;
        is_escaped = *letter == '\\' && !is_escaped;
        is_end
    };
    filter.char_indices().skip(1).find(closes).map(|(at, quote)| at + quote.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_conditions_become_filters() {
        for (sql, filter) in [
            ("`email` != ''", "email != ''"),
            ("a <> 'it''s' AND b >= -1.5", "a != 'it\\'s' && b >= -1.5"),
            ("(a = 1 OR b == 2) and c IS NOT NULL", "(a = 1 || b = 2) && c != null"),
            ("done = TRUE", "done = true"),
            ("a IN ('x', 'y') AND b = 1", "(a = 'x' || a = 'y') && b = 1"),
            ("a not in (1, -2)", "(a != 1 && a != -2)"),
        ] {
            assert_eq!(to_filter(sql).as_deref(), Ok(filter));
        }
    }

    #[test]
    fn fields_have_other_names_and_texts_the_same() {
        let name = |name: &str| (name != "gone").then(|| format!("new_{name}"));
        let filter = "a != 'a\\'b \\\\' && (b1 = -1.5e3 || a = true) && é = 'ä'";
        let wanted = "new_a != 'a\\'b \\\\' && (new_b1 = -1.5e3 || new_a = true) && é = 'ä'";
        assert_eq!(renamed(filter, name).as_deref(), Some(wanted));
        assert_eq!(renamed("a = 1 && gone = 2", name), None);
    }

    #[test]
    fn other_sql_is_refused() {
        for sql in [
            "",
            "a",
            "a LIKE 'x'",
            "a IN ()",
            "a IN (b)",
            "a NOT = 1",
            "lower(a) = 'x'",
            "a = b",
            "1 = 1",
            "a = 1 b = 2",
            "not a = 1",
            "a = 1.",
            // No field is named so, and the filter language could not say it.
            "é = 1",
        ] {
            assert!(to_filter(sql).is_err(), "{sql}");
        }
    }
}
