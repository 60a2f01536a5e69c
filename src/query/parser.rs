//! Reads a filter into its tree, or says where it is not understood.

use crate::query::ast::{Comparison, Expr, Operand, Segment, Term};
use crate::query::lexer::{Lexer, Result, Token, Wrong, wrong};
use crate::query::{Error, functions, macros};

/// Most comparisons of one filter or rule.
const COMPARISON_LIMIT: usize = 200;
/// Most brackets and calls inside one another: the parser calls itself for each.
const DEPTH_LIMIT: usize = 64;
/// Most operands of a call: `strftime` takes modifiers.
const OPERAND_LIMIT: usize = 10;

/// The tree of `text`; `None` when it is blank, which asks for nothing.
pub fn parse(text: &str) -> Result<Option<Expr>, Error> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let parsed = Parser::start(text).and_then(|mut parser| parser.whole());
    parsed.map(Some).map_err(|error| invalid(text, error.at, error.problem))
}

/// The error of byte `at` of `text`, which people count in characters.
pub fn invalid(text: &str, at: usize, problem: String) -> Error {
    let at = text.char_indices().take_while(|(byte, _)| *byte < at).count();
    Error::Invalid { at, problem }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Where the token to come starts, and the token.
    at: usize,
    token: Token,
    comparisons: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn start(text: &'a str) -> Result<Self> {
        let mut lexer = Lexer::new(text);
        let (at, token) = lexer.next()?;
        Ok(Self { lexer, at, token, comparisons: 0, depth: 0 })
    }

    fn whole(&mut self) -> Result<Expr> {
        let expr = self.any_of()?;
        match self.token {
            Token::End => Ok(expr),
            _ => wrong(self.at, "expected && or || or the end"),
        }
    }

    fn advance(&mut self) -> Result<Token> {
        let (at, next) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, next))
    }

    /// Enters brackets or a call.
    fn descend(&mut self) -> Result<(), Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return wrong(self.at, format!("more than {DEPTH_LIMIT} levels of brackets"));
        }
        Ok(())
    }

    fn any_of(&mut self) -> Result<Expr> {
        let mut list = Vec::new();
        loop {
            match self.all_of()? {
                Expr::Or(more) => list.extend(more),
                one => list.push(one),
            }
            if self.token != Token::Or {
                break;
            }
            self.advance()?;
        }
        Ok(if list.len() == 1 { list.remove(0) } else { Expr::Or(list) })
    }

    fn all_of(&mut self) -> Result<Expr> {
        let mut list = Vec::new();
        loop {
            match self.term()? {
                Expr::And(more) => list.extend(more),
                one => list.push(one),
            }
            if self.token != Token::And {
                break;
            }
            self.advance()?;
        }
        Ok(if list.len() == 1 { list.remove(0) } else { Expr::And(list) })
    }

    fn term(&mut self) -> Result<Expr> {
        if self.token != Token::Open {
            return self.comparison();
        }
        self.descend()?;
        self.advance()?;
        let inner = self.any_of()?;
        if self.token != Token::Close {
            return wrong(self.at, "expected a closing bracket");
        }
        self.advance()?;
        self.depth -= 1;
        Ok(inner)
    }

    fn comparison(&mut self) -> Result<Expr> {
        self.comparisons += 1;
        if self.comparisons > COMPARISON_LIMIT {
            return wrong(self.at, format!("more than {COMPARISON_LIMIT} comparisons"));
        }
        let left = self.operand()?;
        let Token::Op(op, any) = self.token else { return wrong(self.at, "expected an operator") };
        self.advance()?;
        let right = self.operand()?;
        Ok(Expr::Compare(Comparison { left, op, any, right }))
    }

    fn operand(&mut self) -> Result<Operand> {
        let at = self.at;
        if !matches!(self.token, Token::Text(_) | Token::Number(_) | Token::Word(_)) {
            return wrong(at, "expected a field or a value");
        }
        let term = match self.advance()? {
            Token::Text(text) => Term::Text(text),
            Token::Number(number) => Term::Number(number),
            Token::Word(word) if self.token == Token::Open => self.call(at, word)?,
            Token::Word(word) => named(at, &word)?,
            _ => return wrong(at, "expected a field or a value"),
        };
        Ok(Operand { at, term })
    }

    fn call(&mut self, at: usize, name: String) -> Result<Term> {
        if !functions::exists(&name) {
            return wrong(at, format!("there is no function {name}"));
        }
        self.descend()?;
        self.advance()?;
        let mut operands = Vec::new();
        while self.token != Token::Close {
            if !operands.is_empty() {
                if self.token != Token::Comma {
                    return wrong(self.at, "expected a comma or a closing bracket");
                }
                self.advance()?;
            }
            if operands.len() == OPERAND_LIMIT {
                return wrong(self.at, format!("more than {OPERAND_LIMIT} operands"));
            }
            operands.push(self.operand()?);
        }
        self.advance()?;
        self.depth -= 1;
        if let Some(problem) = functions::misused(&name, operands.len()) {
            return wrong(at, problem);
        }
        Ok(Term::Call(name, operands))
    }
}

/// A word is a literal, a macro or a path.
fn named(at: usize, word: &str) -> Result<Term> {
    if word.eq_ignore_ascii_case("true") {
        return Ok(Term::Bool(true));
    }
    if word.eq_ignore_ascii_case("false") {
        return Ok(Term::Bool(false));
    }
    if word.eq_ignore_ascii_case("null") {
        return Ok(Term::Null);
    }
    let of_request = ["@request.", "@collection."].iter().any(|start| word.starts_with(start));
    if let Some(name) = word.strip_prefix('@').filter(|_| !of_request) {
        if !macros::exists(name) {
            return wrong(at, format!("there is no @{name}"));
        }
        return Ok(Term::Macro(name.to_owned()));
    }
    path(at, word).map(Term::Path)
}

/// The segments of a dotted path.
pub fn path(at: usize, word: &str) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for part in word.split('.') {
        let (name, suffix) = match part.split_once(':') {
            Some((name, suffix)) => (name, Some(suffix)),
            None => (part, None),
        };
        let is_name = |text: &str| !text.is_empty() && !text.contains(':');
        if !is_name(name) || !suffix.is_none_or(is_name) {
            return wrong(at, format!("{word} is not a path"));
        }
        segments.push(Segment { name: name.to_owned(), suffix: suffix.map(str::to_owned) });
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::ast::Op;

    fn printed(text: &str) -> String {
        parse(text).unwrap().unwrap().to_string()
    }

    fn position(text: &str) -> usize {
        match parse(text) {
            Err(Error::Invalid { at, .. }) => at,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert_eq!(printed("a=1||b=2&&c=3"), "a = 1 || (b = 2 && c = 3)");
        assert_eq!(printed("((a=1||(b=2)))&&(c=3&&d=4)"), "(a = 1 || b = 2) && c = 3 && d = 4");
    }

    #[test]
    fn literals_ignore_case() {
        assert_eq!(printed("a = TRUE || b = Null"), "a = true || b = null");
    }

    #[test]
    fn blank_text_asks_for_nothing() {
        assert!(parse(" \n\t").unwrap().is_none());
    }

    #[test]
    fn errors_point_at_their_character() {
        assert_eq!(position("é = 1"), 0);
        assert_eq!(position("t = 'é' && (n = 1"), 17);
        assert_eq!(position("t = 'é🎉' && n"), 13);
        assert_eq!(position("n = 1 m = 2"), 6);
    }

    #[test]
    fn refuses_what_is_not_a_filter() {
        for text in [
            "n =",
            "= 1",
            "n",
            "n = 1 &&",
            "(n = 1",
            "n = 1)",
            "()",
            "n = 1 and b = true",
            "n in (1)",
            "(n = 1)(n = 2)",
            "a..b = 1",
            "a. = 1",
            "a: = 1",
            "a:b:c = 1",
            ".a = 1",
            "@zz = 1",
            "@ = 1",
            "@request = 1",
            "no(1) = 2",
            "geoDistance(1, 2, 3) = 1",
            "geoDistance(1 2 3 4) = 1",
            "strftime('%Y',) = '1'",
            "// nothing",
            "!n = 1",
            "n = (1)",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_hold() {
        let many = |count| vec!["n=5"; count].join("||");
        assert!(parse(&many(200)).is_ok());
        assert!(parse(&many(201)).is_err());
        let deep = |depth| format!("{}n=1{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&deep(64)).is_ok());
        assert!(parse(&deep(65)).is_err());
        let calls = format!("{}1{} = 1", "strftime('%Y',".repeat(5000), ")".repeat(5000));
        assert!(parse(&calls).is_err());
    }

    fn operand() -> impl Strategy<Value = Operand> {
        let name = "[a-z_][a-zA-Z0-9_]{0,5}";
        let segment = (name, proptest::option::of("[a-z]{1,6}"))
            .prop_map(|(name, suffix)| Segment { name, suffix });
        let leaf = prop_oneof![
            "[ -~éß🎉\n\t]{0,8}".prop_map(Term::Text),
            any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Term::Number),
            any::<bool>().prop_map(Term::Bool),
            Just(Term::Null),
            prop_oneof![Just("now"), Just("year")].prop_map(|name| Term::Macro(name.into())),
            proptest::collection::vec(segment, 2..4).prop_map(Term::Path),
        ]
        .prop_map(|term| Operand { at: 0, term });
        leaf.prop_recursive(2, 8, 4, |inner| {
            proptest::collection::vec(inner, 4).prop_map(|operands| Operand {
                at: 0,
                term: Term::Call("geoDistance".into(), operands),
            })
        })
    }

    fn comparison() -> impl Strategy<Value = Expr> {
        let op = prop_oneof![
            Just(Op::Equal),
            Just(Op::NotEqual),
            Just(Op::Greater),
            Just(Op::GreaterOrEqual),
            Just(Op::Less),
            Just(Op::LessOrEqual),
            Just(Op::Like),
            Just(Op::NotLike),
        ];
        (operand(), op, any::<bool>(), operand())
            .prop_map(|(left, op, any, right)| Expr::Compare(Comparison { left, op, any, right }))
    }

    /// Lists never hold their own like: the parser would have flattened them.
    fn tree(depth: u32, and: bool) -> BoxedStrategy<Expr> {
        if depth == 0 {
            return comparison().boxed();
        }
        let list = proptest::collection::vec(tree(depth - 1, !and), 2..4);
        let list =
            if and { list.prop_map(Expr::And).boxed() } else { list.prop_map(Expr::Or).boxed() };
        prop_oneof![comparison(), list].boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn what_is_printed_parses_to_itself(expr in any::<bool>().prop_flat_map(|and| tree(3, and))) {
            let parsed = parse(&expr.to_string()).unwrap().unwrap();
            prop_assert_eq!(parsed, expr);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[ -~\né🎉]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_heap_of_tokens_makes_the_parser_panic(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "(", ")", "&&", "||", "=", "?~", "!=", "'a'", "\"", "1", "-2.5", "a.b", ":each", "@now",
                    "@request.auth.id", "geoDistance(", "strftime(", ",", "//", "\n", "\\", "null", " ",
                ]),
                0..30,
            )
        ) {
            let _ = parse(&parts.concat());
        }
    }
}
