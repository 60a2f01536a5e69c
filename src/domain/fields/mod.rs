//! The kinds of values a field may have: the table of them, a file per kind.

use serde_json::Value;

use crate::domain::schema::Field;

pub mod autodate;
pub mod bool;
pub mod check;
pub mod date;
pub mod define;
pub mod editor;
pub mod email;
pub mod file;
pub mod geo_point;
pub mod json_value;
pub mod number;
pub mod options;
pub mod password;
pub mod pattern;
pub mod relation;
pub mod select;
mod templates;
pub mod text;
pub mod url;

pub use options::*;
pub use pattern::Pattern;

/// Why a value was refused: a code that clients test for, words, and what the words speak of.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub code: &'static str,
    pub message: String,
    pub params: Option<Value>,
}

impl Problem {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), params: None }
    }

    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.params = Some(serde_json::json!({ name: value }));
        self
    }
}

/// What `value` becomes in a field of this kind. Never fails: validation is what refuses.
pub fn cast(kind: &Kind, value: &Value) -> Value {
    match kind {
        Kind::Text(_) | Kind::Email(_) | Kind::Url(_) | Kind::Editor(_) | Kind::Password(_) => {
            text::cast(value)
        }
        Kind::Number(_) => number::cast(value),
        Kind::Bool => bool::cast(value),
        Kind::Date(_) | Kind::Autodate(_) => date::cast(value),
        Kind::Select(_) => select::cast(kind.is_multiple(), value),
        Kind::File(_) => file::cast(kind.is_multiple(), value),
        Kind::Relation(_) => relation::cast(kind.is_multiple(), value),
        Kind::Json(_) => json_value::cast(value),
        Kind::GeoPoint => geo_point::cast(value),
    }
}

/// What is wrong with `value` (cast already) in `field`, if anything. That related records and files
/// exist is checked by who has the transaction; a password is checked as plain text.
pub fn problem(field: &Field, value: &Value) -> Option<Problem> {
    if field.required && is_blank(&field.kind, value) {
        return Some(Problem::new("validation_required", "Cannot be blank."));
    }
    let plain = value.as_str().unwrap_or_default();
    match &field.kind {
        Kind::Text(options) => text::problem(options, plain),
        Kind::Number(options) => number::problem(options, value),
        Kind::Bool | Kind::Autodate(_) => None,
        Kind::Email(options) => email::problem(options, plain),
        Kind::Url(options) => url::problem(options, plain),
        Kind::Editor(options) => editor::problem(options, plain),
        Kind::Date(options) => date::problem(options, plain),
        Kind::Select(options) => select::problem(options, value),
        Kind::File(options) => file::problem(options, value),
        Kind::Relation(options) => relation::problem(options, value),
        Kind::Json(options) => json_value::problem(options, value),
        Kind::GeoPoint => geo_point::problem(value),
        Kind::Password(options) => password::problem(options, plain),
    }
}

/// Whether `value` is what `required` refuses: the zero value of its kind.
pub fn is_blank(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Json(_) => json_value::is_blank(value),
        Kind::GeoPoint => geo_point::is_blank(value),
        Kind::Number(_) => value.as_f64() == Some(0.0),
        Kind::Bool => value != &Value::Bool(true),
        _ => match value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => true,
        },
    }
}

/// The texts of a single (`""` is none) or multiple value.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if !text.is_empty() => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Casts to a list of distinct texts, or to the last one of it. JSON text of a list of texts counts
/// as one.
fn cast_texts(multiple: bool, value: &Value) -> Value {
    let plain = |items: &Vec<Value>| items.iter().all(|item| item.is_string() || item.is_null());
    let parsed = match value {
        Value::String(text) if text.starts_with('[') => serde_json::from_str(text).ok(),
        _ => None,
    }
    .filter(|list: &Value| list.as_array().is_some_and(plain));
    let mut list: Vec<String> = Vec::new();
    let mut add = |item: &Value| {
        if let Value::String(text) = text::cast(item)
            && !text.is_empty()
            && !list.contains(&text)
        {
            list.push(text);
        }
    };
    match parsed.as_ref().unwrap_or(value) {
        Value::Array(items) => items.iter().for_each(&mut add),
        single => add(single),
    }
    if multiple { list.into() } else { list.pop().unwrap_or_default().into() }
}

fn too_many_values(most: u64) -> Problem {
    Problem::new("validation_too_many_values", format!("Select no more than {most}."))
        .with("maxSelect", most.into())
}

fn domain_allowed(options: &DomainOptions, domain: &str) -> bool {
    let listed = |list: &[String]| list.iter().any(|listed| listed == domain);
    (options.only_domains.is_empty() || listed(&options.only_domains))
        && !listed(&options.except_domains)
}

/// A kind of field with its options.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Text(TextOptions),
    Number(NumberOptions),
    Bool,
    Email(DomainOptions),
    Url(DomainOptions),
    Editor(EditorOptions),
    Date(DateOptions),
    Autodate(AutodateOptions),
    Select(SelectOptions),
    File(FileOptions),
    Relation(RelationOptions),
    Json(JsonOptions),
    GeoPoint,
    Password(PasswordOptions),
}

impl Kind {
    /// As clients name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(_) => "number",
            Self::Bool => "bool",
            Self::Email(_) => "email",
            Self::Url(_) => "url",
            Self::Editor(_) => "editor",
            Self::Date(_) => "date",
            Self::Autodate(_) => "autodate",
            Self::Select(_) => "select",
            Self::File(_) => "file",
            Self::Relation(_) => "relation",
            Self::Json(_) => "json",
            Self::GeoPoint => "geoPoint",
            Self::Password(_) => "password",
        }
    }

    /// Whether the value is a list (a select, relation or file that holds more than one).
    pub fn is_multiple(&self) -> bool {
        match self {
            Self::Select(options) => options.max_select > 1,
            Self::Relation(options) => options.max_select > 1,
            Self::File(options) => options.max_select > 1,
            _ => false,
        }
    }

    /// The value of a field that was never set, as JSON text.
    pub fn zero(&self) -> &'static str {
        match self {
            _ if self.is_multiple() => "[]",
            Self::Number(_) => "0",
            Self::Bool => "false",
            Self::Json(_) => "null",
            Self::GeoPoint => r#"{"lon":0,"lat":0}"#,
            _ => "\"\"",
        }
    }
}
