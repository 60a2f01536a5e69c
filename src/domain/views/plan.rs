//! A SELECT as it was understood: where rows come from, what is kept, what is shown.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::schema::Collection;

#[derive(Debug, Default)]
pub struct Select {
    pub sources: Vec<Source>,
    pub columns: Vec<Column>,
    pub filter: Option<Expr>,
    pub groups: Vec<Expr>,
    pub aggregates: Vec<Aggregate>,
    /// Sort keys, and whether they descend.
    pub order: Vec<(Expr, bool)>,
    pub offset: usize,
    pub limit: Option<usize>,
}

#[derive(Debug)]
pub struct Source {
    pub name: String,
    pub collection: Arc<Collection>,
    /// What rows of the sources before must satisfy with one of this; `None` for the first source.
    pub on: Option<Expr>,
    /// Rows that find none stay, with nothing beside them.
    pub optional: bool,
}

#[derive(Debug)]
pub struct Column {
    pub name: String,
    pub expr: Expr,
}

#[derive(Debug, Clone)]
pub enum Expr {
    /// Field number `field` of source number `source`.
    Field {
        source: usize,
        field: usize,
    },
    Literal(Value),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    IsNull(Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    Cast(Box<Expr>, Type),
    Coalesce(Vec<Expr>),
    /// The aggregate with this number, over the rows of a group.
    Aggregate(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    And,
    Or,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Concat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Text,
    Real,
    Integer,
    Bool,
}

#[derive(Debug, Clone)]
pub struct Aggregate {
    pub function: Function,
    /// `None` is `count(*)`.
    pub of: Option<Expr>,
    pub distinct: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Count,
    Sum,
    Min,
    Max,
    Average,
}
