//! Finds the records that satisfy a tree: by the shortest way that is known.

use std::sync::Arc;

use crate::domain::record::Record;
use crate::domain::schema::Collection;
use crate::query::best::Ties;
use crate::query::budget::Spent;
use crate::query::candidates::{Candidates, Few};
use crate::query::evaluate::Evaluator;
use crate::query::missing::Missing;
use crate::query::parser;
use crate::query::plan::{self, Course, Walk};
use crate::query::rows;
use crate::query::tree::{Node, SortKey, Tree};
use crate::query::{Error, Plan, Result, Scope};
use crate::store::{Order, keys};

/// Most entries of an index that are counted to find out whether it is worth walking.
pub const FEW: usize = 1024;

/// Where so many records were read for each that was answered, the index was not the right one.
const WASTE: u64 = 8;

/// What is done with a record that matches; whether that was enough.
pub type Match<'m, 'a> = &'m mut dyn FnMut(&mut Evaluator<'a>, Record) -> Result<bool>;

/// A tree, and what is spent on answering it.
pub struct Search<'a> {
    pub scope: &'a Scope<'a>,
    pub collection: &'a Arc<Collection>,
    pub tree: &'a Tree,
    pub conjuncts: Vec<&'a Node>,
    pub walks: Vec<Walk<'a>>,
    pub spent: &'a Spent,
}

impl<'a> Search<'a> {
    pub fn new(scope: &'a Scope<'a>, tree: &'a Tree, spent: &'a Spent) -> Self {
        let collection = &tree.collection;
        let conjuncts = plan::conjuncts(&tree.node);
        let walk = |index| plan::walk(tree, collection, 0, &conjuncts, index);
        let walks = collection.indexes.iter().filter_map(walk).collect();
        Self { scope, collection, tree, conjuncts, walks, spent }
    }

    /// Whether nothing can match.
    pub fn is_empty(&self) -> bool {
        matches!(*self.tree.node, Node::Always(false))
    }

    /// How many records the collection has.
    pub fn count(&self) -> Result<u64> {
        Ok(self.scope.read.count(&keys::record_count(self.collection.number))?)
    }

    /// Whether a walk meets the matching records and no others.
    pub fn is_exact(&self, walk: &Walk) -> bool {
        (0..self.conjuncts.len()).all(|number| walk.answered.contains(&number))
    }

    /// In which direction a walk meets the records as they are to be sorted.
    pub fn order(&self, walk: &Walk) -> Option<Order> {
        Some(plan::course(walk, self.collection, &self.tree.sort)?.order)
    }

    /// The index that has the order wanted, and how. It says how records that are alike follow each
    /// other, so it must depend on nothing but the query: every page of a list has the same.
    pub fn ordered(&self) -> Option<(&Walk<'a>, Course)> {
        let sort = &self.tree.sort;
        let course = |walk| Some((walk, plan::course(walk, self.collection, sort)?));
        let walks = self.walks.iter().filter_map(course);
        walks.max_by_key(|(walk, _)| (self.is_exact(walk), walk.fixed, walk.narrow))
    }

    pub fn ties(&self) -> Ties<'_> {
        match self.ordered().filter(|_| !self.tree.sort.is_empty()) {
            Some((walk, course)) => Ties::Index(walk.index, walk.fixed, course),
            None => Ties::Creation,
        }
    }

    /// Whether an index leaves fewer records than there are.
    pub fn is_selective(&self) -> bool {
        self.walks.iter().any(|walk| walk.narrow)
    }

    /// How many records may be looked up by an index before reading all in a row costs less.
    pub fn worth(&self) -> Result<u64> {
        Ok(FEW as u64 + self.count()? / 4)
    }

    /// Visits every record that matches, in any order; says which index led there.
    pub fn each(&self, visit: Match<'_, 'a>) -> Result<Option<String>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut at = Evaluator::new(self.scope, self.tree, self.spent);
        if let Some(few) = self.few()? {
            rows::each_of(self.scope, self.collection, &few.ids, self.spent, &mut |record| {
                Ok(at.matches(&record)? && visit(&mut at, record)?)
            })?;
            return Ok(few.index);
        }
        rows::scan(self.scope, self.collection, self.spent, &mut |record| {
            Ok(at.matches(&record)? && visit(&mut at, record)?)
        })?;
        Ok(None)
    }

    /// To how many records an index leads, if to at most `limit`.
    pub fn leads_to(&self, limit: usize) -> Result<Option<usize>> {
        let few = self.candidates().of(self.collection, 0, &self.conjuncts, limit)?;
        Ok(few.map(|few| few.ids.len()))
    }

    fn candidates(&self) -> Candidates<'_> {
        Candidates { scope: self.scope, tree: self.tree, spent: self.spent }
    }

    fn few(&self) -> Result<Option<Few>> {
        let candidates = self.candidates();
        if let Some(few) = candidates.of(self.collection, 0, &self.conjuncts, FEW)? {
            return Ok(Some(few));
        }
        let narrow = self.walks.iter().filter(|walk| walk.narrow).max_by_key(|walk| walk.fixed);
        let Some(walk) = narrow else { return Ok(None) };
        candidates.walked(walk, usize::try_from(self.worth()?).unwrap_or(usize::MAX))
    }

    /// What was done, for those who ask.
    pub fn plan(&self, index: Option<String>, returned: usize, sort: &[SortKey]) -> Plan {
        let sorts_only = self.conjuncts.is_empty();
        let missing = Missing { tree: self.tree, named: &|_| true, sort, sorts_only };
        let wastes = index.is_none() || self.spent.rows() > WASTE * (1 + returned as u64);
        Plan {
            rows_visited: self.spent.rows(),
            rows_returned: returned as u64,
            // Every list comes by here, and most have the index that they need.
            missing_index: wastes.then(|| missing.index(&self.conjuncts)).flatten(),
            index,
            columns: false,
        }
    }

    /// The error, with the index that would have helped with `filter`. Strangers are told of no
    /// other fields: what the rule looks at is none of their business.
    pub fn advise(&self, error: Error, filter: &str, sort: &[SortKey]) -> Error {
        let own = parser::parse(filter).ok().flatten();
        let named = |field: &str| own.as_ref().is_some_and(|expr| expr.names(field));
        match error {
            Error::TooExpensive { budget, .. } => {
                let missing =
                    Missing { tree: self.tree, named: &named, sort, sorts_only: own.is_none() };
                Error::TooExpensive { budget, index: missing.index(&self.conjuncts) }
            }
            other => other,
        }
    }
}
