//! A filter as it was written: comparisons joined by `&&` and `||`, with their positions.

use std::fmt;

/// Both lists hold at least two; the parser flattens what needs no brackets.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(Comparison),
}

#[derive(Debug, Clone)]
pub struct Comparison {
    pub left: Operand,
    pub op: Op,
    /// Written with `?`: one of several values is enough.
    pub any: bool,
    pub right: Operand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Like,
    NotLike,
}

/// One side of a comparison, and the byte it starts at.
#[derive(Debug, Clone)]
pub struct Operand {
    pub at: usize,
    pub term: Term,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
    /// Without its `@`.
    Macro(String),
    Call(String, Vec<Operand>),
    Path(Vec<Segment>),
}

/// A part of a path between dots. The suffix is a modifier on the last one, an alias elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub name: String,
    pub suffix: Option<String>,
}

impl Expr {
    /// Whether a path in it begins with this name.
    pub fn names(&self, name: &str) -> bool {
        match self {
            Self::And(list) | Self::Or(list) => list.iter().any(|expr| expr.names(name)),
            Self::Compare(comparison) => {
                [&comparison.left, &comparison.right].iter().any(|operand| operand.names(name))
            }
        }
    }
}

impl Operand {
    fn names(&self, name: &str) -> bool {
        match &self.term {
            Term::Path(path) => path.first().is_some_and(|first| first.name == name),
            Term::Call(_, operands) => operands.iter().any(|operand| operand.names(name)),
            Term::Text(_) | Term::Number(_) | Term::Bool(_) | Term::Null | Term::Macro(_) => false,
        }
    }
}

impl Op {
    /// The operator that says the same with its sides exchanged; `~` has none.
    pub fn mirrored(self) -> Option<Self> {
        match self {
            Self::Equal | Self::NotEqual => Some(self),
            Self::Greater => Some(Self::Less),
            Self::GreaterOrEqual => Some(Self::LessOrEqual),
            Self::Less => Some(Self::Greater),
            Self::LessOrEqual => Some(Self::GreaterOrEqual),
            Self::Like | Self::NotLike => None,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Like => "~",
            Self::NotLike => "!~",
        }
    }
}

// Where something stood is not what it says: equality leaves positions out.
impl PartialEq for Comparison {
    fn eq(&self, other: &Self) -> bool {
        (&self.left, self.op, self.any, &self.right)
            == (&other.left, other.op, other.any, &other.right)
    }
}

impl PartialEq for Operand {
    fn eq(&self, other: &Self) -> bool {
        self.term == other.term
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let (list, between) = match self {
            Self::Compare(comparison) => return comparison.fmt(out),
            Self::And(list) => (list, " && "),
            Self::Or(list) => (list, " || "),
        };
        for (number, part) in list.iter().enumerate() {
            if number > 0 {
                out.write_str(between)?;
            }
            match part {
                Self::Compare(comparison) => comparison.fmt(out)?,
                Self::And(_) | Self::Or(_) => write!(out, "({part})")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let any = if self.any { "?" } else { "" };
        write!(out, "{} {any}{} {}", self.left, self.op.text(), self.right)
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match &self.term {
            Term::Text(text) => quoted(out, text),
            Term::Number(number) => write!(out, "{number}"),
            Term::Bool(value) => write!(out, "{value}"),
            Term::Null => out.write_str("null"),
            Term::Macro(name) => write!(out, "@{name}"),
            Term::Call(name, operands) => {
                write!(out, "{name}(")?;
                for (number, operand) in operands.iter().enumerate() {
                    if number > 0 {
                        out.write_str(", ")?;
                    }
                    operand.fmt(out)?;
                }
                out.write_str(")")
            }
            Term::Path(segments) => {
                for (number, segment) in segments.iter().enumerate() {
                    if number > 0 {
                        out.write_str(".")?;
                    }
                    out.write_str(&segment.name)?;
                    if let Some(suffix) = &segment.suffix {
                        write!(out, ":{suffix}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

fn quoted(out: &mut fmt::Formatter, text: &str) -> fmt::Result {
    out.write_str("'")?;
    for letter in text.chars() {
        match letter {
            '\'' => out.write_str("\\'")?,
            '\\' => out.write_str("\\\\")?,
            other => write!(out, "{other}")?,
        }
    }
    out.write_str("'")
}
