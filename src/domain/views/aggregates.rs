//! Groups of rows, and what is made of each.

use std::collections::{HashMap, HashSet};

use crate::domain::json;
use crate::domain::views::evaluate::{Row, Scope, evaluate, holds};
use crate::domain::views::functions::{greatest, least};
use crate::domain::views::plan::{Aggregate, Function, Select};
use crate::domain::views::run::nobody;
use crate::domain::views::value::Value;

/// One row for each group, with its aggregates, in the order of what they are grouped by. Without
/// groups there is always one.
pub fn group(select: &Select, rows: Vec<Row>, around: &Scope) -> Vec<(Row, Vec<Value>)> {
    let mut places: HashMap<Vec<String>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<Value>, Vec<Row>)> = Vec::new();
    for row in rows {
        let scope = Scope { row: &row, ..*around };
        let by: Vec<Value> = select.groups.iter().map(|expr| evaluate(expr, &scope)).collect();
        let place = *places.entry(by.iter().map(Value::key).collect()).or_insert(groups.len());
        if place == groups.len() {
            groups.push((by, Vec::new()));
        }
        groups[place].1.push(row);
    }
    groups.sort_by(|(a, _), (b, _)| Value::order_rows(a, b));
    if groups.is_empty() && select.groups.is_empty() {
        groups.push(Default::default());
    }
    let summed = |(_, rows): (_, Vec<Row>)| {
        let scopes: Vec<Scope> = rows.iter().map(|row| Scope { row, ..*around }).collect();
        let values: Vec<Value> =
            select.aggregates.iter().map(|aggregate| of(aggregate, &scopes)).collect();
        let shown = representative(select, &scopes, &values);
        (rows.into_iter().nth(shown).unwrap_or_else(|| nobody(select)), values)
    };
    groups.into_iter().map(summed).collect()
}

/// Which row fields beside the aggregates are taken of: that of the only `min` or `max`, or the
/// first.
fn representative(select: &Select, rows: &[Scope], values: &[Value]) -> usize {
    let mut extremes = select
        .aggregates
        .iter()
        .zip(values)
        .filter(|(aggregate, _)| matches!(aggregate.function, Function::Min | Function::Max));
    let (Some((aggregate, value)), None) = (extremes.next(), extremes.next()) else { return 0 };
    let Some(expr) = &aggregate.of else { return 0 };
    let same = |row: &Scope| counts(aggregate, row) && evaluate(expr, row).order(value).is_eq();
    rows.iter().position(same).unwrap_or(0)
}

fn counts(aggregate: &Aggregate, row: &Scope) -> bool {
    aggregate.filter.as_ref().is_none_or(|filter| holds(filter, row))
}

/// What `aggregate` makes of rows.
pub fn of(aggregate: &Aggregate, rows: &[Scope]) -> Value {
    let counted = rows.iter().filter(|row| counts(aggregate, row));
    let Some(expr) = &aggregate.of else { return Value::from(counted.count()) };
    let everything = aggregate.function == Function::Array;
    let mut values: Vec<Value> = counted
        .map(|row| evaluate(expr, row))
        .filter(|value| everything || !value.is_null())
        .collect();
    if aggregate.distinct {
        let mut seen = HashSet::new();
        values.retain(|value| seen.insert(value.key()));
    }
    match &aggregate.function {
        Function::Count => Value::from(values.len()),
        Function::Total => Value::of_number(values.iter().map(Value::real).fold(0.0, |a, b| a + b)),
        Function::Array => {
            let kind = crate::domain::fields::Kind::Json(Default::default());
            let items = values.into_iter().map(|value| value.into_json(&kind)).collect();
            Value::from(json::print(&serde_json::Value::Array(items)))
        }
        _ if values.is_empty() => Value::Null,
        Function::Sum => sum(&values),
        Function::Average => Value::of_number(exact_sum(&values) / values.len() as f64),
        Function::Min => least(values.iter()),
        Function::Max => greatest(values.iter()),
        Function::Concat(between) => {
            let texts: Vec<String> = values.iter().map(Value::text).collect();
            Value::from(texts.join(between))
        }
    }
}

/// Of whole numbers a whole number, while it can be one.
fn sum(values: &[Value]) -> Value {
    let mut whole = Some(0_i64);
    for value in values {
        whole = match (whole, value) {
            (Some(sum), Value::Integer(number)) => sum.checked_add(*number),
            _ => None,
        };
    }
    whole.map_or_else(|| Value::of_number(exact_sum(values)), Value::Integer)
}

/// The sum of reals with what rounding lost put back: `0.1 + 0.2 + 0.3` is `0.6`.
fn exact_sum(values: &[Value]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for number in values.iter().map(Value::real) {
        let next = sum + number;
        let larger = sum.abs() >= number.abs();
        lost += if larger { (sum - next) + number } else { (number - next) + sum };
        sum = next;
    }
    if lost.is_finite() { sum + lost } else { sum }
}
