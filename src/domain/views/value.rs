//! Values of expressions: SQL's three-valued logic over JSON values.

use std::cmp::Ordering;

use serde_json::Value;

use crate::domain::fields::number;
use crate::domain::json;
use crate::domain::record::Record;
use crate::domain::views::plan::{Expr, Operator, Type};

/// One record of each source; an optional one may be missing.
pub type Row = Vec<Option<Record>>;

/// The value of `expr` for `row`, with the aggregates of its group.
pub fn evaluate(expr: &Expr, row: &Row, aggregates: &[Value]) -> Value {
    let value = |expr: &Expr| evaluate(expr, row, aggregates);
    match expr {
        Expr::Field { source, field } => {
            row[*source].as_ref().map_or(Value::Null, |record| record.value(*field))
        }
        Expr::Literal(literal) => literal.clone(),
        Expr::Binary(operator, left, right) => binary(*operator, &value(left), &value(right)),
        Expr::Not(inner) => logic(truth(&value(inner)).map(|truth| !truth)),
        Expr::Negative(inner) => as_number(&value(inner)).map_or(Value::Null, |n| number::from(-n)),
        Expr::IsNull(inner) => Value::Bool(value(inner).is_null()),
        Expr::In(inner, list) => {
            let inner = value(inner);
            let equal =
                list.iter().map(|item| truth(&binary(Operator::Equal, &inner, &value(item))));
            logic(equal.fold(Some(false), or))
        }
        Expr::Cast(inner, to) => cast(&value(inner), *to),
        Expr::Coalesce(list) => {
            list.iter().map(value).find(|value| !value.is_null()).unwrap_or(Value::Null)
        }
        Expr::Aggregate(number) => aggregates.get(*number).cloned().unwrap_or(Value::Null),
    }
}

fn binary(operator: Operator, left: &Value, right: &Value) -> Value {
    let compared = |wanted: fn(Ordering) -> bool| {
        let known = !left.is_null() && !right.is_null();
        logic(known.then(|| wanted(order(left, right))))
    };
    let computed = |compute: fn(f64, f64) -> f64| match (as_number(left), as_number(right)) {
        (Some(left), Some(right)) => finite(compute(left, right)),
        _ => Value::Null,
    };
    match operator {
        Operator::And => {
            let not = |value| truth(value).map(|truth| !truth);
            logic(or(not(left), not(right)).map(|truth| !truth))
        }
        Operator::Or => logic(or(truth(left), truth(right))),
        Operator::Equal => compared(|order| order == Ordering::Equal),
        Operator::Unequal => compared(|order| order != Ordering::Equal),
        Operator::Less => compared(|order| order == Ordering::Less),
        Operator::LessOrEqual => compared(|order| order != Ordering::Greater),
        Operator::Greater => compared(|order| order == Ordering::Greater),
        Operator::GreaterOrEqual => compared(|order| order != Ordering::Less),
        Operator::Add => computed(|left, right| left + right),
        Operator::Subtract => computed(|left, right| left - right),
        Operator::Multiply => computed(|left, right| left * right),
        Operator::Divide => computed(|left, right| left / right),
        Operator::Modulo => computed(|left, right| left % right),
        Operator::Concat if left.is_null() || right.is_null() => Value::Null,
        Operator::Concat => Value::from(text(left) + &text(right)),
    }
}

/// What cannot be computed, such as a division by zero, is nothing.
fn finite(result: f64) -> Value {
    if result.is_finite() { number::from(result) } else { Value::Null }
}

fn logic(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Bool)
}

fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// Whether a value counts as true; `None` where it is nothing.
pub fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(*truth),
        other => Some(as_number(other).is_some_and(|number| number != 0.0)),
    }
}

/// Nothing, then numbers (booleans are 0 and 1), then texts by their bytes.
pub fn order(left: &Value, right: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(_) | Value::Number(_) => 1,
        Value::String(_) | Value::Array(_) | Value::Object(_) => 2,
    };
    match (rank(left), rank(right)) {
        (1, 1) => as_number(left).unwrap_or(0.0).total_cmp(&as_number(right).unwrap_or(0.0)),
        (2, 2) => text(left).as_bytes().cmp(text(right).as_bytes()),
        (left, right) => left.cmp(&right),
    }
}

pub fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            Some(text.trim().parse().ok().filter(|n: &f64| n.is_finite()).unwrap_or(0.0))
        }
        Value::Array(_) | Value::Object(_) => Some(0.0),
    }
}

pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => u8::from(*truth).to_string(),
        other => json::print(other),
    }
}

fn cast(value: &Value, to: Type) -> Value {
    if value.is_null() {
        return Value::Null;
    }
    let number = || as_number(value).unwrap_or(0.0);
    match to {
        Type::Text => Value::from(text(value)),
        Type::Real => number::from(number()),
        Type::Integer => number::from(number().trunc()),
        Type::Bool => Value::Bool(number() != 0.0),
    }
}
