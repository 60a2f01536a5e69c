//! Puts rows of the sources beside each other.

use crate::domain::Result;
use crate::domain::views::evaluate::{Cell, Row, Scope, evaluate, holds};
use crate::domain::views::plan::{Expr, Operator, Select};

/// The rows of all sources of `select`, before its filter.
pub fn rows(select: &Select, around: &Scope) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = vec![Vec::new()];
    for at in 0..select.sources.len() {
        rows = join(select, rows, at, around)?;
    }
    Ok(rows)
}

/// Puts a row of source number `at` beside each row that it belongs to.
fn join(select: &Select, rows: Vec<Row>, at: usize, around: &Scope) -> Result<Vec<Row>> {
    let source = &select.sources[at];
    let table = around.run.table(&source.rows)?;
    // `a.x = b.y` is looked up; anything else is tried with every row. The filter may narrow too,
    // unless it has to see that there is nothing.
    let filter = select.filter.iter().filter(|_| !source.optional);
    let mut tests = source.on.iter().chain(filter);
    let lookup =
        tests.find_map(|test| equality(test, at)).map(|(field, other)| (table.index(field), other));
    // Only where nothing is looked up: a query inside runs once for each row around it.
    let every = if lookup.is_some() { 0..0 } else { 0..table.cells.len() };
    let every: Vec<usize> = every.collect();
    let mut joined = Vec::new();
    for row in rows {
        let candidates = match &lookup {
            Some((index, other)) => {
                let key = evaluate(other, &Scope { row: &row, ..*around }).key();
                index.get(&key).map_or(&[][..], Vec::as_slice)
            }
            None => &every,
        };
        around.run.visit(candidates.len())?;
        let mut alone = true;
        for position in candidates {
            let mut wider = row.clone();
            wider.push(table.cells[*position].clone());
            let fits = source.on.as_ref();
            if fits.is_none_or(|on| holds(on, &Scope { row: &wider, ..*around })) {
                joined.push(wider);
                alone = false;
            }
        }
        if alone && source.optional {
            let mut wider = row;
            wider.push(Cell::Missing);
            joined.push(wider);
        }
    }
    Ok(joined)
}

/// The field of source number `at` that must equal a field of the sources before, or around.
fn equality(on: &Expr, at: usize) -> Option<(usize, Expr)> {
    let Expr::Binary(operator, left, right) = on else { return None };
    let pair = |one: &Expr, other: &Expr| match (one, other) {
        (Expr::Field { up: 0, source, field }, Expr::Field { up, source: before, .. })
            if *source == at && (*up > 0 || *before < at) =>
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
