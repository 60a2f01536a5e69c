//! The work floor: plain synchronous rules on a transaction, a file per noun.

use std::fmt;

use serde_json::{Map, Value};

use crate::auth::passwords::Busy;
use crate::query;
use crate::store;

pub mod accounts;
pub mod aggregates;
pub mod answer;
pub mod batch;
pub mod bootstrap;
pub mod cascade;
pub mod collections;
pub mod derive;
pub mod erase;
pub mod expand;
pub mod fields;
pub mod indexes;
pub mod json;
pub mod openapi;
pub mod pick;
pub mod record;
pub mod records;
pub mod request;
#[cfg(test)]
pub mod samples;
pub mod schema;
pub mod settings;
pub mod signing;
pub mod typescript;
pub mod views;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a rule refused, in terms a caller can act on. `http/error.rs` pairs each with a status.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The endpoint wants a signed-in caller and there is none.
    #[error("sign in first")]
    SignedOut,
    /// The caller is known but may not.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Bad input that no single field is to blame for.
    #[error("{0}")]
    Bad(String),
    /// Bad input, by field.
    #[error("{message}")]
    Invalid { message: String, problems: Problems },
    /// An entry of a batch failed, and all of it with it.
    #[error("entry {index} failed: {cause}")]
    Entry { index: usize, cause: Box<Error> },
    /// The query would visit more rows than a request may.
    #[error("{0}")]
    TooExpensive(String),
    /// What was sent is larger than its limit, in bytes.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// Too many operations of this kind wait already; come back later.
    #[error("too many {0} wait already")]
    Busy(&'static str),
    /// The work took longer than a request may.
    #[error("took too long")]
    TimedOut,
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A fault of ours: logged with its cause, told to nobody.
    #[error("broken: {0}")]
    Broken(String),
}

impl Error {
    /// For a person who reads one line: with what is said of each field.
    pub fn in_full(&self) -> String {
        match self {
            Self::Invalid { problems, .. } => format!("{self} {problems}"),
            other => other.to_string(),
        }
    }
}

impl From<Busy> for Error {
    fn from(_: Busy) -> Self {
        Self::Busy("sign-ins")
    }
}

impl From<query::Error> for Error {
    fn from(error: query::Error) -> Self {
        match error {
            query::Error::Invalid { .. } | query::Error::Refused(_) => Self::Bad(error.to_string()),
            query::Error::Forbidden(why) => Self::Forbidden(why),
            query::Error::TooExpensive { .. } => Self::TooExpensive(error.to_string()),
            query::Error::Store(error) => Self::Store(error),
        }
    }
}

/// `email: Must be an e-mail address. password: Cannot be blank.`
impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (field, problem)) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            let message = problem["message"].as_str().unwrap_or_default();
            write!(formatter, "{space}{field}: {message}")?;
        }
        Ok(())
    }
}

/// Problems by field, nested as the input was: the `data` of an error answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Problems(Map<String, Value>);

impl Problems {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn one(field: &str, code: &str, message: &str) -> Self {
        let mut problems = Self::new();
        problems.add(field, code, message);
        problems
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// Adds a problem of `field`; the first one of a field stays.
    pub fn add(&mut self, field: &str, code: &str, message: &str) {
        self.leaf(field, serde_json::json!({ "code": code, "message": message }));
    }

    /// Like `add`, with the values that the message speaks of, such as `{"max": 5}`.
    pub fn add_with(&mut self, field: &str, code: &str, message: &str, params: Value) {
        self.leaf(field, serde_json::json!({ "code": code, "message": message, "params": params }));
    }

    /// Adds the problems of a nested document.
    pub fn nest(&mut self, field: &str, inner: Problems) {
        if inner.is_empty() {
            return;
        }
        let mut outer = Problems::new();
        outer.0.insert(field.to_owned(), Value::Object(inner.0));
        self.merge(outer);
    }

    /// Adds the problems of another look at the same document.
    pub fn merge(&mut self, other: Problems) {
        for (field, problem) in other.0 {
            match (self.0.get_mut(&field), problem) {
                // Both nested: field by field. A leaf has a code of its own, and the first one stays.
                (Some(Value::Object(inner)), Value::Object(more))
                    if !inner.contains_key("code") =>
                {
                    let mut nested = Problems(std::mem::take(inner));
                    nested.merge(Problems(more));
                    *inner = nested.0;
                }
                (Some(_), _) => {}
                (None, problem) => {
                    self.0.insert(field, problem);
                }
            }
        }
    }

    pub fn into_json(self) -> Map<String, Value> {
        self.0
    }

    /// Nothing wrong: `Ok`; else the error that says so.
    pub fn check(self, message: &str) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid { message: message.to_owned(), problems: self })
    }

    fn leaf(&mut self, field: &str, leaf: Value) {
        self.0.entry(field).or_insert(leaf);
    }
}
