//! A SELECT as it was understood: where rows come from, what is kept, what is shown.

use std::sync::Arc;

use crate::domain::schema::Collection;
use crate::domain::views::functions::Scalar;
use crate::domain::views::value::{Affinity, Value};

#[derive(Debug, Clone, Default)]
pub struct Select {
    pub sources: Vec<Source>,
    pub columns: Vec<Column>,
    /// Rows that show the same are one.
    pub distinct: bool,
    pub filter: Option<Expr>,
    pub groups: Vec<Expr>,
    pub having: Option<Expr>,
    pub aggregates: Vec<Aggregate>,
    pub windows: Vec<Window>,
    pub order: Vec<Key>,
    pub offset: usize,
    pub limit: Option<usize>,
    /// It looks at rows of the queries around it, and answers differently for each of them.
    pub correlated: bool,
}

impl Select {
    pub fn is_grouped(&self) -> bool {
        !self.groups.is_empty() || !self.aggregates.is_empty() || self.having.is_some()
    }

    /// Calls `look` with each collection that is read, however deep it is named.
    pub fn each_collection(&self, look: &mut dyn FnMut(&Arc<Collection>)) {
        for source in &self.sources {
            match &source.rows {
                Rows::Collection(collection) => look(collection),
                Rows::Query(inner) => inner.each_collection(look),
                Rows::Union(parts) => parts.iter().for_each(|part| part.0.each_collection(look)),
            }
        }
        for inner in self.exprs().flat_map(Expr::queries) {
            inner.each_collection(look);
        }
    }

    fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let columns = self.columns.iter().map(|column| &column.expr);
        let joins = self.sources.iter().filter_map(|source| source.on.as_ref());
        let aggregates = self.aggregates.iter().flat_map(|one| one.of.iter().chain(&one.filter));
        let windows = self.windows.iter().flat_map(Window::exprs);
        let tests = self.filter.iter().chain(&self.having).chain(&self.groups);
        let keys = self.order.iter().map(|key| &key.expr);
        columns.chain(joins).chain(aggregates).chain(windows).chain(tests).chain(keys)
    }
}

#[derive(Debug, Clone)]
pub struct Source {
    pub name: String,
    /// The name is one that the query gives it.
    pub is_aliased: bool,
    pub rows: Rows,
    /// What rows of the sources before must satisfy with one of this; `None`: all go with all.
    pub on: Option<Expr>,
    /// Rows that find none stay, with nothing beside them.
    pub optional: bool,
}

#[derive(Debug, Clone)]
pub enum Rows {
    Collection(Arc<Collection>),
    Query(Box<Select>),
    /// The rows of queries one after the other; with `true`, what is there twice by then is once.
    Union(Vec<(Select, bool)>),
}

impl Rows {
    /// The columns of a query; none of a collection.
    pub fn columns(&self) -> &[Column] {
        match self {
            Self::Collection(_) => &[],
            Self::Query(select) => &select.columns,
            Self::Union(parts) => parts.first().map_or(&[], |(first, _)| &first.columns),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub expr: Expr,
    pub shape: Shape,
}

/// How a column is written, which decides the kind of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A field by its name.
    Field,
    /// It begins with `count(`.
    Count,
    /// It begins with `total(`.
    Total,
    Cast(Type),
    /// Anything else, a field in parentheses too.
    Other,
}

/// A sort key.
#[derive(Debug, Clone)]
pub struct Key {
    pub expr: Expr,
    pub descending: bool,
    /// Where rows without a value stand, if the statement says so.
    pub nulls_first: Option<bool>,
}

#[derive(Debug, Clone)]
pub enum Expr {
    /// Field number `field` of source number `source`, of the query `up` levels around this.
    Field {
        up: usize,
        source: usize,
        field: usize,
    },
    Literal(Value),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    IsNull(Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    Like {
        value: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<char>,
    },
    /// What the first true condition leads to.
    Case(Vec<(Expr, Expr)>, Box<Expr>),
    Cast(Box<Expr>, Type),
    /// A value taken as what it is compared with.
    As(Box<Expr>, Affinity),
    Call(Scalar, Vec<Expr>),
    /// The aggregate with this number, over the rows of a group.
    Aggregate(usize),
    /// The window with this number.
    Window(usize),
    /// The first column of the first row.
    Query(Box<Select>),
    Exists(Box<Select>),
    InQuery(Box<Expr>, Box<Select>),
}

impl Expr {
    /// The expressions that this one is made of.
    fn parts(&self) -> Vec<&Expr> {
        match self {
            Self::Field { .. } | Self::Literal(_) | Self::Aggregate(_) | Self::Window(_) => vec![],
            Self::Query(_) | Self::Exists(_) => vec![],
            Self::Binary(_, left, right) => vec![left, right],
            Self::Not(inner) | Self::Negative(inner) | Self::IsNull(inner) => vec![inner],
            Self::Cast(inner, _) | Self::As(inner, _) | Self::InQuery(inner, _) => vec![inner],
            Self::In(inner, list) => std::iter::once(&**inner).chain(list).collect(),
            Self::Like { value, pattern, .. } => vec![value, pattern],
            Self::Case(branches, otherwise) => {
                let both = branches.iter().flat_map(|(when, then)| [when, then]);
                both.chain([&**otherwise]).collect()
            }
            Self::Call(_, operands) => operands.iter().collect(),
        }
    }

    /// Whether this or anything in it, but for queries, is as `test` wants it.
    pub fn any(&self, test: &dyn Fn(&Expr) -> bool) -> bool {
        test(self) || self.parts().into_iter().any(|part| part.any(test))
    }

    fn queries(&self) -> Vec<&Select> {
        let own = match self {
            Self::Query(inner) | Self::Exists(inner) | Self::InQuery(_, inner) => Some(&**inner),
            _ => None,
        };
        own.into_iter().chain(self.parts().into_iter().flat_map(Self::queries)).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    And,
    Or,
    Equal,
    Unequal,
    /// Equal, where nothing equals nothing.
    Is,
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
    /// `->>`: the member of a JSON text, as a value.
    Member,
    /// `->`: the member as JSON text.
    MemberJson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Text,
    Real,
    /// A number as it reads: whole or not.
    Numeric,
    Integer,
    Bool,
}

#[derive(Debug, Clone)]
pub struct Aggregate {
    pub function: Function,
    /// `None` is `count(*)`.
    pub of: Option<Expr>,
    pub distinct: bool,
    /// Which rows count at all.
    pub filter: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Function {
    Count,
    Sum,
    /// A sum that is never nothing.
    Total,
    Min,
    Max,
    Average,
    /// Texts with this between them.
    Concat(String),
    /// A JSON array.
    Array,
}

/// A value for each row, from the rows that go with it.
#[derive(Debug, Clone)]
pub struct Window {
    pub function: Ranking,
    pub partition: Vec<Expr>,
    pub order: Vec<Key>,
}

impl Window {
    fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let of = match &self.function {
            Ranking::Aggregate(aggregate) => aggregate.of.iter().chain(&aggregate.filter),
            Ranking::RowNumber | Ranking::Rank | Ranking::DenseRank => None.iter().chain(&None),
        };
        of.chain(&self.partition).chain(self.order.iter().map(|key| &key.expr))
    }
}

#[derive(Debug, Clone)]
pub enum Ranking {
    RowNumber,
    Rank,
    DenseRank,
    /// Over the whole partition or, with an order, up to the row and its equals.
    Aggregate(Aggregate),
}
