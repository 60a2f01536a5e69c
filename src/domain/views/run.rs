//! Runs a plan: joins, filters, groups, sorts; values of the shown columns come out.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::domain::fields::number;
use crate::domain::record::Record;
use crate::domain::views::plan::{Aggregate, Expr, Function, Operator, Select, Source};
use crate::domain::views::value::{self, Row, evaluate};
use crate::domain::{Error, Result};

/// Most records that one look at a view may visit, pairs of a join included.
pub const VISIT_LIMIT: usize = 200_000;

/// The values of each row, in the order of the columns. `load` gives all records of a source.
pub fn run(
    select: &Select,
    mut load: impl FnMut(&Source) -> Result<Vec<Record>>,
) -> Result<Vec<Vec<Value>>> {
    let mut visits = Visits(0);
    let mut rows: Vec<Row> = vec![Vec::new()];
    for (at, source) in select.sources.iter().enumerate() {
        let records = load(source)?;
        visits.add(records.len())?;
        rows = join(rows, at, source, records, &mut visits)?;
    }
    if let Some(filter) = &select.filter {
        rows.retain(|row| value::truth(&evaluate(filter, row, &[])) == Some(true));
    }
    let grouped = !select.groups.is_empty() || !select.aggregates.is_empty();
    let groups = if grouped {
        group(select, rows)
    } else {
        rows.into_iter().map(|row| (row, vec![])).collect()
    };
    let mut out: Vec<(Vec<Value>, Vec<Value>)> = Vec::with_capacity(groups.len());
    for (row, aggregates) in &groups {
        let shown = select.columns.iter().map(|column| evaluate(&column.expr, row, aggregates));
        let keys = select.order.iter().map(|(expr, _)| evaluate(expr, row, aggregates));
        out.push((keys.collect(), shown.collect()));
    }
    out.sort_by(|(a, _), (b, _)| {
        let keys = a.iter().zip(b).zip(&select.order);
        let orders = keys.map(|((a, b), (_, descending))| {
            let order = value::order(a, b);
            if *descending { order.reverse() } else { order }
        });
        orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    let limit = select.limit.unwrap_or(usize::MAX);
    Ok(out.into_iter().skip(select.offset).take(limit).map(|(_, shown)| shown).collect())
}

struct Visits(usize);

impl Visits {
    fn add(&mut self, more: usize) -> Result<()> {
        self.0 += more;
        if self.0 > VISIT_LIMIT {
            let message = format!("the view would visit more than {VISIT_LIMIT} records");
            return Err(Error::TooExpensive(message));
        }
        Ok(())
    }
}

/// Puts a record of `source` beside each row that it belongs to.
fn join(
    rows: Vec<Row>,
    at: usize,
    source: &Source,
    records: Vec<Record>,
    visits: &mut Visits,
) -> Result<Vec<Row>> {
    let Some(on) = &source.on else {
        return Ok(records.into_iter().map(|record| vec![Some(record)]).collect());
    };
    // `a.x = b.y` is looked up; anything else is tried with every record.
    let lookup = equality(on, at);
    let mut by_value: HashMap<String, Vec<usize>> = HashMap::new();
    if let Some((field, _)) = &lookup {
        for (position, record) in records.iter().enumerate() {
            by_value.entry(key(&record.value(*field))).or_default().push(position);
        }
    }
    let every: Vec<usize> = (0..records.len()).collect();
    let mut joined = Vec::new();
    for row in rows {
        let candidates = match &lookup {
            Some((_, other)) => {
                by_value.get(&key(&evaluate(other, &row, &[]))).map_or(&[][..], Vec::as_slice)
            }
            None => &every,
        };
        visits.add(candidates.len())?;
        let mut alone = true;
        for position in candidates {
            let mut wider = row.clone();
            wider.push(Some(records[*position].clone()));
            if value::truth(&evaluate(on, &wider, &[])) == Some(true) {
                joined.push(wider);
                alone = false;
            }
        }
        if alone && source.optional {
            let mut wider = row;
            wider.push(None);
            joined.push(wider);
        }
    }
    Ok(joined)
}

/// The field of source number `at` that must equal an expression over the sources before.
fn equality(on: &Expr, at: usize) -> Option<(usize, Expr)> {
    let Expr::Binary(operator, left, right) = on else { return None };
    let pair = |one: &Expr, other: &Expr| match (one, other) {
        (Expr::Field { source, field }, Expr::Field { source: before, .. })
            if *source == at && *before < at =>
        {
            Some((*field, other.clone()))
        }
        _ => None,
    };
    match operator {
        Operator::Equal => pair(left, right).or_else(|| pair(right, left)),
        Operator::And => equality(left, at).or_else(|| equality(right, at)),
        _ => None,
    }
}

/// Equal values have equal keys.
fn key(value: &Value) -> String {
    match value {
        Value::Bool(_) | Value::Number(_) => {
            format!("n{}", value::as_number(value).unwrap_or(0.0) + 0.0)
        }
        Value::Null => String::new(),
        other => format!("t{}", value::text(other)),
    }
}

/// One row for each group, with its aggregates. Without groups there is always one.
fn group(select: &Select, rows: Vec<Row>) -> Vec<(Row, Vec<Value>)> {
    let mut places: HashMap<Vec<String>, usize> = HashMap::new();
    let mut groups: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        let by = select.groups.iter().map(|expr| key(&evaluate(expr, &row, &[]))).collect();
        let place = *places.entry(by).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(row);
    }
    if groups.is_empty() && select.groups.is_empty() {
        groups.push(Vec::new());
    }
    let summed = |rows: Vec<Row>| {
        let aggregates = select.aggregates.iter().map(|of| aggregate(of, &rows)).collect();
        let nobody = || vec![None; select.sources.len()];
        (rows.into_iter().next().unwrap_or_else(nobody), aggregates)
    };
    groups.into_iter().map(summed).collect()
}

fn aggregate(aggregate: &Aggregate, rows: &[Row]) -> Value {
    let Some(of) = &aggregate.of else { return Value::from(rows.len()) };
    let mut values: Vec<Value> =
        rows.iter().map(|row| evaluate(of, row, &[])).filter(|value| !value.is_null()).collect();
    if aggregate.distinct {
        let mut seen = HashSet::new();
        values.retain(|value| seen.insert(key(value)));
    }
    let sum = || values.iter().filter_map(value::as_number).sum::<f64>();
    match aggregate.function {
        Function::Count => Value::from(values.len()),
        _ if values.is_empty() => Value::Null,
        Function::Sum => number::from(sum()),
        Function::Average => number::from(sum() / values.len() as f64),
        Function::Min => values.into_iter().min_by(value::order).unwrap_or(Value::Null),
        Function::Max => values.into_iter().max_by(value::order).unwrap_or(Value::Null),
    }
}
