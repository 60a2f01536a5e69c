//! Who asks and what was asked: all that a rule or an access rule may know of a request.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::auth::passwords::Hashing;
use crate::domain::record::Record;
use crate::query::Budget;
use crate::query::budget::Spent;

/// The id of the collection of superusers, which clients know by heart.
pub const SUPERUSERS: &str = "_superusers";
/// What its id comes to.
pub const SUPERUSERS_ID: &str = "pbc_3142635823";

/// Who is asking.
#[derive(Debug, Clone, Default)]
pub enum Caller {
    #[default]
    Guest,
    /// A signed-in account of an auth collection; superusers are accounts of `_superusers`.
    Account(Record),
    /// The command line through the control socket: counts as superuser. `cli:<uid>`.
    Operator(String),
}

impl Caller {
    pub fn account(&self) -> Option<&Record> {
        match self {
            Self::Account(record) => Some(record),
            Self::Guest | Self::Operator(_) => None,
        }
    }

    pub fn is_superuser(&self) -> bool {
        match self {
            Self::Guest => false,
            Self::Account(record) => record.collection().name == SUPERUSERS,
            Self::Operator(_) => true,
        }
    }

    pub fn is_guest(&self) -> bool {
        matches!(self, Self::Guest)
    }
}

/// What an access rule may ask about the request (`@request.*`).
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub caller: Caller,
    pub method: String,
    /// `default`, `realtime`, `protectedFile`, `password`, `oauth2`, `otp`.
    pub context: &'static str,
    pub query: BTreeMap<String, String>,
    pub headers: Headers,
    /// The submitted values after modifiers were applied; keys as fields (`n+` counts as `n`).
    pub body: Map<String, Value>,
    /// Milliseconds since the epoch, from the app's clock: what `@now` means.
    pub now_ms: i64,
    /// What its queries and rules may cost.
    pub budget: Budget,
    /// Where passwords are hashed and checked, once however often the rule runs.
    pub hashing: Hashing,
}

/// The header lines of a request. Few rules ask for one: they are read when one does.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    lines: Option<Arc<dyn Lines>>,
    /// By names as rules write them. These win.
    stated: BTreeMap<String, String>,
}

/// Header lines as they came in.
pub trait Lines: Debug + Send + Sync {
    /// The first line with this name, which is in lower case with `_` for `-`.
    fn line(&self, name: &str) -> Option<String>;
}

impl Headers {
    pub fn of(lines: Arc<dyn Lines>) -> Self {
        Self { lines: Some(lines), stated: BTreeMap::new() }
    }

    /// States lines in place of those that came in; names in lower case with `_` for `-`.
    pub fn state(&mut self, stated: impl IntoIterator<Item = (String, String)>) {
        self.stated.extend(stated);
    }

    pub fn get(&self, name: &str) -> Option<String> {
        let stated = self.stated.get(name).cloned();
        stated.or_else(|| self.lines.as_ref()?.line(name))
    }
}

impl FromIterator<(String, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(stated: I) -> Self {
        Self { lines: None, stated: stated.into_iter().collect() }
    }
}

impl Request {
    /// What one evaluation for this request spends of its budget. Superusers have no bounds.
    pub fn spending(&self) -> Spent {
        Spent::new((!self.caller.is_superuser()).then(|| self.budget.clone()))
    }
}
