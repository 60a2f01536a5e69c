//! What one request may spend: row visits, shared by everything that is evaluated for it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::query::{Error, Result};

/// Most rows that one request may visit, unless a setting says otherwise. A visited row is a record
/// that was decoded; an index entry or an element of a list is a 64th of one.
pub const ROW_BUDGET: u64 = 200_000;

/// What a visit costs where an index entry or an element of a list costs 1.
pub const VISIT: u64 = 64;

/// What a request may spend, and what is spent of it. Copies of a request share it.
#[derive(Debug, Clone)]
pub struct Budget {
    rows: u64,
    units: Arc<AtomicU64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(ROW_BUDGET)
    }
}

impl Budget {
    /// So many rows.
    pub fn of(rows: u64) -> Self {
        Self { rows, units: Arc::default() }
    }

    /// Begins anew: what is done for a request may run several times, and is one request all the same.
    pub fn renew(&self) {
        self.units.store(0, Ordering::Relaxed);
    }
}

/// What one evaluation spends, in 64ths of a row. What it spent counts against the request's budget
/// when it ends.
#[derive(Debug)]
pub struct Spent {
    units: Cell<u64>,
    /// What the request had spent before.
    before: u64,
    /// `None` for those whom no budget binds.
    budget: Option<Budget>,
}

impl Spent {
    pub fn new(budget: Option<Budget>) -> Self {
        let before = budget.as_ref().map_or(0, |budget| budget.units.load(Ordering::Relaxed));
        Self { units: Cell::new(0), before, budget }
    }

    pub fn add(&self, units: u64) -> Result<()> {
        let spent = self.units.get() + units;
        self.units.set(spent);
        match &self.budget {
            Some(budget) if self.before + spent > budget.rows.saturating_mul(VISIT) => {
                Err(Error::TooExpensive { budget: budget.rows, index: None })
            }
            _ => Ok(()),
        }
    }

    /// Rows that this evaluation visited.
    pub fn rows(&self) -> u64 {
        self.units.get() / VISIT
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.units.fetch_add(self.units.get(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::samples;
    use crate::query::world::World;
    use crate::query::{Error, List};

    #[test]
    fn evaluations_of_one_request_share_its_budget() {
        let budget = Budget::of(2);
        for _ in 0..2 {
            Spent::new(Some(budget.clone())).add(VISIT).unwrap();
        }

        let refused = Spent::new(Some(budget.clone())).add(1);
        budget.renew();
        let renewed = Spent::new(Some(budget)).add(2 * VISIT);

        assert!(matches!(refused, Err(Error::TooExpensive { budget: 2, .. })));
        assert!(renewed.is_ok());
        assert!(Spent::new(None).add(u64::MAX / 2).is_ok());
    }

    #[test]
    fn what_costs_too_much_is_refused() {
        let collection = samples::collection(1, "many", &[("n", samples::number())]);
        let records: Vec<(&str, Value)> =
            (0..700).map(|n| ("many", json!({"id": format!("r{n}"), "n": n}))).collect();
        let world = World::new(vec![collection], &records);
        // 700 rows, each looked at beside each: more than the budget.
        let rule = "@collection.many.n ?= n && @collection.many:b.n ?> n";
        let list = List {
            rule: Some(rule.into()),
            limit: 500,
            filter: "n = 1 || n = 2".into(),
            ..List::default()
        };

        let refused =
            world.list(&World::guest(), "many", &List { filter: String::new(), ..list.clone() });
        let allowed = world.list(&World::guest(), "many", &list);

        assert!(matches!(refused, Err(Error::TooExpensive { .. })));
        assert_eq!(allowed.unwrap().records.len(), 2);
    }
}
