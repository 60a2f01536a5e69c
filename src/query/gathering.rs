//! Groups while they fill: what is measured of each.

use std::collections::BTreeMap;

use crate::query::evaluate::owned;
use crate::query::{Aggregate, Error, Measure, Result, Summary};
use crate::store::codec::{self, Column, Datum};

/// Most groups of one answer.
const GROUP_LIMIT: usize = 1000;

/// Groups while they fill.
pub struct Gathering {
    /// How many values make a group; measured ones follow.
    grouped: usize,
    /// By the bytes of its values, so that groups come sorted.
    groups: BTreeMap<Vec<u8>, Group>,
    /// The group that is looked up now.
    key: Vec<u8>,
}

struct Group {
    values: Vec<Datum<'static>>,
    count: u64,
    sums: Vec<Sum>,
}

impl Gathering {
    pub fn new(grouped: usize, values: usize) -> Self {
        let mut groups = BTreeMap::new();
        if grouped == 0 {
            // There is an answer about nothing, too.
            groups.insert(Vec::new(), Group::new(&[], values));
        }
        Self { grouped, groups, key: Vec::new() }
    }

    /// Adds what a record has: what makes its group, then what is measured.
    pub fn add(&mut self, values: &[Datum]) -> Result<()> {
        let (group, measured) = values.split_at(self.grouped);
        self.key.clear();
        for value in group {
            codec::put(&mut self.key, value, Column::default());
        }
        if !self.groups.contains_key(&self.key) {
            if self.groups.len() == GROUP_LIMIT {
                return Err(Error::Refused(format!("there are more than {GROUP_LIMIT} groups")));
            }
            self.groups.insert(self.key.clone(), Group::new(group, measured.len()));
        }
        let group = self.groups.get_mut(&self.key).expect("it was there, or was made");
        group.count += 1;
        for (sum, value) in group.sums.iter_mut().zip(measured) {
            sum.add(value);
        }
        Ok(())
    }

    pub fn summaries(self, asked: &Aggregate) -> Vec<Summary> {
        let summary = |group: Group| {
            let mut sums = group.sums.iter();
            let measures = asked.measures.iter();
            let values = measures.map(|measure| measure.of(group.count, &mut sums)).collect();
            Summary { group: group.values, values }
        };
        self.groups.into_values().map(summary).collect()
    }
}

impl Group {
    fn new(values: &[Datum], measured: usize) -> Self {
        let values = values.iter().map(|value| owned(value.clone())).collect();
        Self { values, count: 0, sums: vec![Sum::new(); measured] }
    }
}

/// What has been seen of one measured value.
#[derive(Debug, Clone)]
struct Sum {
    count: u64,
    total: f64,
    /// What rounding took from the total: a million small numbers add up.
    lost: f64,
    min: Datum<'static>,
    max: Datum<'static>,
}

impl Measure {
    /// The path that is measured; `None` of the count.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Count => None,
            Self::Sum(path) | Self::Min(path) | Self::Max(path) | Self::Average(path) => Some(path),
        }
    }

    fn of<'s>(&self, count: u64, sums: &mut impl Iterator<Item = &'s Sum>) -> Datum<'static> {
        if *self == Self::Count {
            return Datum::Number(count as f64);
        }
        let Some(sum) = sums.next() else { return Datum::Null };
        match self {
            Self::Count => Datum::Number(count as f64),
            Self::Sum(_) => Datum::Number(sum.total + sum.lost),
            Self::Min(_) => sum.min.clone(),
            Self::Max(_) => sum.max.clone(),
            Self::Average(_) if sum.count == 0 => Datum::Null,
            Self::Average(_) => Datum::Number((sum.total + sum.lost) / sum.count as f64),
        }
    }
}

impl Sum {
    fn new() -> Self {
        Self { count: 0, total: 0.0, lost: 0.0, min: Datum::Null, max: Datum::Null }
    }

    /// Absent and blank values are not counted; texts have extremes, but no sum.
    fn add(&mut self, value: &Datum) {
        match value {
            Datum::Null => return,
            Datum::Text(text) if text.is_empty() => return,
            Datum::Text(_) => {}
            Datum::Number(number) => {
                self.count += 1;
                let total = self.total + number;
                self.lost += if self.total.abs() >= number.abs() {
                    (self.total - total) + number
                } else {
                    (number - total) + self.total
                };
                self.total = total;
            }
        }
        if matches!(self.min, Datum::Null) || value.order(&self.min).is_lt() {
            self.min = owned(value.clone());
        }
        if matches!(self.max, Datum::Null) || value.order(&self.max).is_gt() {
            self.max = owned(value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_add_up() {
        let mut sum = Sum::new();
        for number in [1e16, 1.0, 1.0, -1e16] {
            sum.add(&Datum::Number(number));
        }
        assert_eq!(sum.total + sum.lost, 2.0);
    }
}
