//! Runs a plan: joins, filters, groups, sorts; values of the shown columns come out.

use std::cell::{Cell as Counter, RefCell};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::domain::record::Record;
use crate::domain::schema::Collection;
use crate::domain::views::aggregates;
use crate::domain::views::evaluate::{Cell, Row, Scope, evaluate, holds};
use crate::domain::views::joins;
use crate::domain::views::plan::{Expr, Key, Rows, Select};
use crate::domain::views::value::Value;
use crate::domain::views::windows;
use crate::domain::{Error, Result};

/// Most records that one look at a view may visit, pairs of a join included.
pub const VISIT_LIMIT: usize = 200_000;

/// The rows of an inner query.
type Answer = Rc<Vec<Vec<Value>>>;

/// Which rows have a value, by its key.
pub type Positions = Rc<HashMap<String, Vec<usize>>>;

/// Gives all records of a collection.
pub type Load<'a> = &'a dyn Fn(&Arc<Collection>) -> Result<Vec<Record>>;

/// One look at a view: what it has read so far, and how much.
pub struct Run<'a> {
    load: Load<'a>,
    pub now_ms: i64,
    collections: RefCell<HashMap<u32, Rc<Table>>>,
    /// Of queries that answer everybody the same, by their place in memory.
    tables: RefCell<HashMap<*const Rows, Rc<Table>>>,
    answers: RefCell<HashMap<*const Select, Answer>>,
    visits: Counter<usize>,
    /// The first thing that went wrong inside an expression.
    failure: RefCell<Option<Error>>,
}

/// All rows of a source.
pub struct Table {
    pub cells: Vec<Cell>,
    /// By the number of a field: which rows have which value.
    indexes: RefCell<HashMap<usize, Positions>>,
}

impl Table {
    fn of(cells: Vec<Cell>) -> Rc<Self> {
        Rc::new(Self { cells, indexes: RefCell::default() })
    }

    /// The rows by the keys of field number `field`.
    pub fn index(&self, field: usize) -> Positions {
        let mut indexes = self.indexes.borrow_mut();
        let index = indexes.entry(field).or_insert_with(|| {
            let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
            for (at, cell) in self.cells.iter().enumerate() {
                by_key.entry(cell.value(field).key()).or_default().push(at);
            }
            Rc::new(by_key)
        });
        index.clone()
    }
}

/// The values of each row, in the order of the columns.
pub fn run(select: &Select, now_ms: i64, load: Load) -> Result<Vec<Vec<Value>>> {
    let run = Run {
        load,
        now_ms,
        collections: RefCell::default(),
        tables: RefCell::default(),
        answers: RefCell::default(),
        visits: Counter::new(0),
        failure: RefCell::default(),
    };
    let rows = run.select(select, None)?;
    match run.failure.take() {
        Some(error) => Err(error),
        None => Ok(rows),
    }
}

impl Run<'_> {
    /// Counts visits; an error once there were too many.
    pub fn visit(&self, more: usize) -> Result<()> {
        self.visits.set(self.visits.get().saturating_add(more));
        if self.visits.get() > VISIT_LIMIT {
            let message = format!("the view would visit more than {VISIT_LIMIT} records");
            return Err(Error::TooExpensive(message));
        }
        Ok(())
    }

    /// The rows of a query in an expression. What goes wrong is kept for the end.
    pub fn answer(&self, select: &Select, at: &Scope) -> Answer {
        if let Some(answer) = self.answers.borrow().get(&std::ptr::from_ref(select)) {
            return answer.clone();
        }
        let found = self.visit(1).and_then(|()| self.select(select, Some(at)));
        let answer = Rc::new(self.kept(found).unwrap_or_default());
        if !select.correlated {
            self.answers.borrow_mut().insert(select, answer.clone());
        }
        answer
    }

    /// What came out well; what did not is told at the end.
    pub fn kept<T>(&self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                None
            }
        }
    }

    /// All rows of a source.
    pub fn table(&self, rows: &Rows) -> Result<Rc<Table>> {
        match rows {
            Rows::Collection(collection) => {
                if let Some(table) = self.collections.borrow().get(&collection.number) {
                    return Ok(table.clone());
                }
                let records = (self.load)(collection)?;
                self.visit(records.len())?;
                let table = Table::of(records.into_iter().map(Cell::Record).collect());
                self.collections.borrow_mut().insert(collection.number, table.clone());
                Ok(table)
            }
            Rows::Query(_) | Rows::Union(_) => {
                let place = std::ptr::from_ref(rows);
                if let Some(table) = self.tables.borrow().get(&place) {
                    return Ok(table.clone());
                }
                let rows = match rows {
                    Rows::Query(select) => self.select(select, None)?,
                    Rows::Union(parts) => self.union(parts)?,
                    Rows::Collection(_) => Vec::new(),
                };
                self.visit(rows.len())?;
                let table =
                    Table::of(rows.into_iter().map(|row| Cell::Values(row.into())).collect());
                self.tables.borrow_mut().insert(place, table.clone());
                Ok(table)
            }
        }
    }

    fn union(&self, parts: &[(Select, bool)]) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        for (part, distinct) in parts {
            rows.extend(self.select(part, None)?);
            self.visit(rows.len())?;
            if *distinct {
                rows.sort_by(|a, b| Value::order_rows(a, b));
                rows.dedup_by(|a, b| Value::order_rows(a, b).is_eq());
            }
        }
        Ok(rows)
    }

    fn select(&self, select: &Select, outer: Option<&Scope>) -> Result<Vec<Vec<Value>>> {
        let blank = Scope { run: self, row: &[], aggregates: &[], windows: &[], outer };
        let mut rows = joins::rows(select, &blank)?;
        if let Some(filter) = &select.filter {
            rows.retain(|row| holds(filter, &Scope { row, ..blank }));
        }
        let mut groups = if select.is_grouped() {
            aggregates::group(select, rows, &blank)
        } else {
            rows.into_iter().map(|row| (row, Vec::new())).collect()
        };
        if let Some(having) = &select.having {
            groups.retain(|(row, aggregates)| holds(having, &Scope { row, aggregates, ..blank }));
        }
        let windows = windows::values(&select.windows, &groups, &blank);
        let order = order(select);
        let mut out = Vec::with_capacity(groups.len());
        for (at, (row, aggregates)) in groups.iter().enumerate() {
            let windows = windows.get(at).map_or(&[][..], Vec::as_slice);
            let scope = Scope { row, aggregates, windows, ..blank };
            let shown: Vec<Value> =
                select.columns.iter().map(|column| evaluate(&column.expr, &scope)).collect();
            out.push((keys(&order, &scope), shown));
        }
        if self.failure.borrow().is_some() {
            return Ok(Vec::new());
        }
        if select.distinct {
            let mut seen = HashSet::new();
            out.retain(|(_, shown)| seen.insert(shown.iter().map(Value::key).collect::<Vec<_>>()));
        }
        out.sort_by(|(a, _), (b, _)| in_order(&order, a, b));
        let limit = select.limit.unwrap_or(usize::MAX);
        Ok(out.into_iter().skip(select.offset).take(limit).map(|(_, shown)| shown).collect())
    }
}

/// What rows are sorted by: where the statement doesn't say, as the last window had them.
fn order(select: &Select) -> Vec<Key> {
    match select.windows.last() {
        Some(window) if select.order.is_empty() => {
            let key =
                |expr: &Expr| Key { expr: expr.clone(), descending: false, nulls_first: None };
            let partition = window.partition.iter().map(key);
            partition.chain(window.order.iter().cloned()).collect()
        }
        _ => select.order.clone(),
    }
}

/// The values that a row is sorted by.
pub fn keys(order: &[Key], at: &Scope) -> Vec<Value> {
    order.iter().map(|key| evaluate(&key.expr, at)).collect()
}

/// How two rows stand to each other by their keys.
pub fn in_order(order: &[Key], left: &[Value], right: &[Value]) -> Ordering {
    let pairs = left.iter().zip(right).zip(order);
    let orders = pairs.map(|((left, right), key)| {
        if let Some(first) = key.nulls_first
            && left.is_null() != right.is_null()
        {
            return if left.is_null() == first { Ordering::Less } else { Ordering::Greater };
        }
        let order = left.order(right);
        if key.descending { order.reverse() } else { order }
    });
    orders.fold(Ordering::Equal, Ordering::then)
}

/// Nothing beside any source.
pub fn nobody(select: &Select) -> Row {
    vec![Cell::Missing; select.sources.len()]
}
