//! Windows: a value for each row, from the rows that go with it.

use std::collections::HashMap;

use crate::domain::views::aggregates;
use crate::domain::views::evaluate::{Row, Scope, evaluate};
use crate::domain::views::plan::{Aggregate, Ranking, Window};
use crate::domain::views::run::{in_order, keys};
use crate::domain::views::value::Value;

/// The values of every window, by row.
pub fn values(windows: &[Window], groups: &[(Row, Vec<Value>)], around: &Scope) -> Vec<Vec<Value>> {
    if windows.is_empty() {
        return Vec::new();
    }
    let scopes: Vec<Scope> =
        groups.iter().map(|(row, aggregates)| Scope { row, aggregates, ..*around }).collect();
    let mut made = vec![Vec::with_capacity(windows.len()); scopes.len()];
    for window in windows {
        for (at, value) in window_values(window, &scopes).into_iter().enumerate() {
            made[at].push(value);
        }
    }
    made
}

fn window_values(window: &Window, rows: &[Scope]) -> Vec<Value> {
    let mut partitions: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        let by = window.partition.iter().map(|expr| evaluate(expr, row).key()).collect();
        partitions.entry(by).or_default().push(at);
    }
    let mut values = vec![Value::Null; rows.len()];
    for members in partitions.into_values() {
        let mut members: Vec<(Vec<Value>, usize)> =
            members.into_iter().map(|at| (keys(&window.order, &rows[at]), at)).collect();
        members.sort_by(|(a, _), (b, _)| in_order(&window.order, a, b));
        let mut start = 0;
        let mut dense = 0;
        // Rows that the order does not tell apart go together.
        for peers in members.chunk_by(|(a, _), (b, _)| in_order(&window.order, a, b).is_eq()) {
            dense += 1;
            let upto = start + peers.len();
            let together = match &window.function {
                Ranking::RowNumber => Value::Null,
                Ranking::Rank => Value::from(start + 1),
                Ranking::DenseRank => Value::from(dense),
                Ranking::Aggregate(aggregate) => over(aggregate, &members[..upto], rows),
            };
            for (place, (_, at)) in peers.iter().enumerate() {
                let numbered = matches!(window.function, Ranking::RowNumber);
                values[*at] =
                    if numbered { Value::from(start + place + 1) } else { together.clone() };
            }
            start = upto;
        }
    }
    values
}

fn over(aggregate: &Aggregate, members: &[(Vec<Value>, usize)], rows: &[Scope]) -> Value {
    let run = rows[members[0].1].run;
    if run.kept(run.visit(members.len())).is_none() {
        return Value::Null;
    }
    let frame: Vec<Scope> = members.iter().map(|(_, at)| rows[*at]).collect();
    aggregates::of(aggregate, &frame)
}
