//! How columns are written, which decides the kinds of their fields.

use sqlparser::ast::{DataType, Expr as Sql};

use crate::domain::views::plan::{Shape, Type};

/// Fields keep their kind by name only: in parentheses they are expressions as any other.
pub fn shape(sql: &Sql) -> Shape {
    match sql {
        Sql::Identifier(_) | Sql::CompoundIdentifier(_) => Shape::Field,
        Sql::Cast { data_type, .. } => match plain_name(data_type).as_str() {
            "text" => Shape::Cast(Type::Text),
            "real" => Shape::Cast(Type::Real),
            "numeric" | "decimal" => Shape::Cast(Type::Numeric),
            "int" | "integer" => Shape::Cast(Type::Integer),
            "bool" | "boolean" => Shape::Cast(Type::Bool),
            _ => Shape::Other,
        },
        Sql::BinaryOp { left, .. } => match shape(left) {
            counted @ (Shape::Count | Shape::Total) => counted,
            _ => Shape::Other,
        },
        Sql::Function(call) => match call.name.to_string().to_lowercase().as_str() {
            "count" => Shape::Count,
            "total" => Shape::Total,
            _ => Shape::Other,
        },
        _ => Shape::Other,
    }
}

/// How a cast is worked out, whatever becomes of the column.
pub fn cast_type(data_type: &DataType) -> Option<Type> {
    match plain_name(data_type).split('(').next().unwrap_or_default() {
        "text" | "varchar" | "char" => Some(Type::Text),
        "real" | "double" | "float" => Some(Type::Real),
        "numeric" | "decimal" | "number" | "date" | "datetime" | "json" => Some(Type::Numeric),
        "int" | "integer" | "bigint" => Some(Type::Integer),
        "bool" | "boolean" => Some(Type::Bool),
        _ => None,
    }
}

fn plain_name(data_type: &DataType) -> String {
    data_type.to_string().to_lowercase()
}
