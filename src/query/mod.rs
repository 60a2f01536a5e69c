//! The filter language: text to tokens to a typed tree, a plan over the indexes, an evaluator.

use std::sync::Arc;

use crate::domain::record::Record;
use crate::domain::request::Request;
use crate::domain::schema::{Collection, Schema};
use crate::query::evaluate::Evaluator;
use crate::store::codec::Datum;
use crate::store::{self, Read};

mod aggregate;
mod asked;
pub mod ast;
mod best;
mod bind;
pub mod budget;
mod calendar;
mod candidates;
mod columns;
mod compare;
mod decide;
mod evaluate;
#[cfg(test)]
mod examples;
mod far;
mod fold;
mod functions;
mod gathering;
mod json;
#[cfg(test)]
mod laws;
mod lexer;
mod list;
mod macros;
mod missing;
#[cfg(test)]
mod observed;
pub mod parser;
mod partial;
mod pattern;
mod plan;
mod prepared;
mod probe;
mod resolve;
mod rows;
mod search;
mod side;
mod sort;
mod strftime;
mod tree;
pub mod value;
#[cfg(test)]
mod world;

pub use budget::Budget;
pub use decide::{Decision, decide};
pub use prepared::Prepared;
pub use strftime::strftime;

/// Why a filter or sort was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not understood, or not for this collection: where (character offset) and why.
    #[error("{problem} (at character {at})")]
    Invalid { at: usize, problem: String },
    /// Legal, but not for this caller (`@request`, `@collection` in a client's filter).
    #[error("{0}")]
    Forbidden(&'static str),
    /// More row visits than a request may make; names the index that would help, if one would.
    #[error("the query would read more than {budget} rows{}", advice(index.as_deref()))]
    TooExpensive { budget: u64, index: Option<String> },
    /// Understood, but it can't be answered.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What would have helped, as the end of a sentence.
fn advice(index: Option<&str>) -> String {
    index.map_or_else(String::new, |index| format!("; an index on {index} would help"))
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What everything in a query is evaluated against.
pub struct Scope<'a> {
    pub read: &'a dyn Read,
    pub schema: &'a Arc<Schema>,
    pub request: &'a Request,
}

/// A list as a client asks for it.
#[derive(Debug, Default, Clone)]
pub struct List {
    /// The access rule, trusted; `None` for superusers.
    pub rule: Option<String>,
    /// The client's filter, held to the client's limits and privacy.
    pub filter: String,
    pub sort: String,
    pub offset: u64,
    pub limit: u64,
    pub total: bool,
    /// Only what comes after the record with this id, in the order of the sort: paging that costs
    /// the same everywhere.
    pub after: Option<String>,
}

#[derive(Debug)]
pub struct Page {
    pub records: Vec<Record>,
    pub total: Option<u64>,
    pub plan: Plan,
}

/// What was done to answer: for superusers who ask.
#[derive(Debug, Default, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub index: Option<String>,
    /// Whether the answer came from columns, without reading the other records.
    pub columns: bool,
    pub rows_visited: u64,
    pub rows_returned: u64,
    pub missing_index: Option<String>,
}

/// Numbers about records, as a client asks for them.
#[derive(Debug, Default, Clone)]
pub struct Aggregate {
    /// The access rule, trusted; `None` for superusers.
    pub rule: Option<String>,
    /// The client's filter, held to the client's limits and privacy.
    pub filter: String,
    /// Paths whose values make up a group; none: everything is one group.
    pub group: Vec<String>,
    pub measures: Vec<Measure>,
}

/// A number about a group of records; the paths are as in sorts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    Count,
    Sum(String),
    Min(String),
    Max(String),
    Average(String),
}

#[derive(Debug)]
pub struct Groups {
    pub groups: Vec<Summary>,
    /// Which of the values that groups have in common are truth values.
    pub truths: Vec<bool>,
    pub plan: Plan,
}

/// The values that a group has in common, and its measures, both as they were asked for.
#[derive(Debug)]
pub struct Summary {
    pub group: Vec<Datum<'static>>,
    pub values: Vec<Datum<'static>>,
}

/// Answers one page of `collection`.
pub fn list(scope: &Scope, collection: &Arc<Collection>, list: &List) -> Result<Page> {
    list::list(scope, collection, list)
}

/// Answers numbers about the records of `collection`.
pub fn aggregate(scope: &Scope, collection: &Arc<Collection>, asked: &Aggregate) -> Result<Groups> {
    aggregate::aggregate(scope, collection, asked)
}

/// Whether `record` (stored, or about to be) passes the access rule `rule`.
pub fn matches(scope: &Scope, rule: &str, record: &Record) -> Result<bool> {
    if rule.trim().is_empty() {
        return Ok(true);
    }
    let tree = bind::rule(scope.schema, scope.request, record.collection(), rule)?;
    let spent = scope.request.spending();
    Evaluator::new(scope, &tree, &spent).matches(record)
}

/// Whether `rule` could be an access rule of `collection` under `schema`.
pub fn check_rule(schema: &Arc<Schema>, collection: &Arc<Collection>, rule: &str) -> Result<()> {
    bind::rule(schema, &Request::default(), collection, rule).map(|_| ())
}
