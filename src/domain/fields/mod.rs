//! The kinds of values a field may have: the table of them, a file per kind.

pub mod options;

pub use options::*;

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
