//! Checks a store: journal chain, bases, and every key, index entry and count of the state.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::store::Derived;
use crate::store::Error;
use crate::store::Order;
use crate::store::Range;
use crate::store::Result;
use crate::store::base;
use crate::store::batch::{Op, position};
use crate::store::home::Store;
use crate::store::journal::{self, frame::Frame};
use crate::store::keys;
use crate::store::layers;
use crate::store::pages::Pages;
use crate::store::snapshot::View;
use crate::store::state::Applied;
use crate::store::tx::Tx;

/// Problems told; more say no more.
const PROBLEMS: usize = 20;

/// What a check looked at and what it found wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Groups of the journal whose checksum and chain were checked.
    pub groups: u64,
    pub bases: u64,
    /// Primary keys that are as base and journal say.
    pub keys: u64,
    /// Index entries and counters that are as the primary keys say.
    pub derived: u64,
    /// Bases that cannot be read.
    pub damaged: Vec<String>,
    /// Why base and journal cannot be relied on; then the state was not compared with them.
    pub unreliable: Vec<String>,
    /// What is wrong with the state.
    pub wrong: Vec<String>,
}

type Content = BTreeMap<Bytes, Bytes>;

impl Store {
    /// Checks everything against everything, on one snapshot, beside traffic. Holds all primary
    /// keys in memory while it runs.
    pub fn check(&self) -> Result<Report> {
        let mut report = Report::default();
        let view = View::pinned(&self.shared);
        if let Some(expected) = self.add_up(position::seq(view.at()), &mut report)? {
            compare(&view, &expected, &mut report)?;
        }
        self.check_derived(&view, &mut report)?;
        Ok(report)
    }

    /// What base and journal add up to at group `seq`; `None` if they don't, or without a home.
    fn add_up(&self, seq: u64, report: &mut Report) -> Result<Option<Content>> {
        let Some(directory) = &self.shared.directory else { return Ok(None) };
        let line = directory.line();
        let broken = |error: std::io::Error| Error::Broken(error.to_string());
        let mut content = Content::new();
        let mut start = Applied::default();
        for base in base::list(&directory.bases(), &line).map_err(broken)? {
            let mut found = Content::new();
            let read = base::read(&base, &line, |key, value| {
                found.insert(key, value);
                Ok(())
            });
            match read {
                Ok(()) => (content, start, report.bases) = (found, base.start, report.bases + 1),
                // The journal may reach back to the base before it, or to the beginning.
                Err(error) => report.damaged.push(error.to_string()),
            }
        }
        let mut first = None;
        let scanned = journal::scan(&directory.journal(), &line, 0, |frame| {
            let head = &frame.head;
            first.get_or_insert(head.seq);
            report.groups += 1;
            if (head.seq == start.seq + 1 && head.prev != start.gid)
                || (head.seq == start.seq && head.gid != start.gid)
            {
                return Err("is of another history than the base".to_owned());
            }
            if head.seq > start.seq && head.seq <= seq {
                redo(&mut content, frame);
            }
            Ok(())
        });
        if let Err(damage) = scanned {
            report.unreliable.push(damage.to_string());
        }
        if first.is_some_and(|first| first > start.seq + 1) {
            let what = "the journal begins too late to make up the state";
            report.unreliable.push(what.to_owned());
        }
        Ok(report.unreliable.is_empty().then_some(content))
    }

    fn check_derived(&self, view: &View, report: &mut Report) -> Result<()> {
        let tx = Tx::attempt(&self.shared);
        let mut expected = Content::new();
        let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let primary = Range { from: Vec::new(), until: keys::FIRST_DERIVED.to_vec() };
        each(view, primary, |key, value| {
            let mut derived = Derived::default();
            self.shared.derive.derive(&tx, &key, &value, &mut derived)?;
            expected.extend(derived.entries.into_iter().map(|(k, v)| (k.into(), v.into())));
            derived.counts.into_iter().for_each(|counter| *counts.entry(counter).or_default() += 1);
            Ok(())
        })?;
        for (counter, count) in counts {
            expected.insert(counter.into(), Bytes::copy_from_slice(&count.to_be_bytes()));
        }
        // What is being made or dropped is neither right nor wrong.
        let unsettled = self.shared.derive.unsettled(&tx)?;
        let is_settled = |key: &Bytes| !unsettled.iter().any(|prefix| key.starts_with(prefix));
        expected.retain(|key, _| is_settled(key));
        let derived = Range { from: keys::FIRST_DERIVED.to_vec(), until: Vec::new() };
        each(view, derived, |key, value| {
            if !is_settled(&key) {
                return Ok(());
            }
            match expected.remove(&key) {
                Some(right) if right == value => report.derived += 1,
                Some(_) => report.problem(format!("{} is wrong", key.escape_ascii())),
                // A counter that came down to nothing may stay.
                None if keys::is_counter(&key) && value[..] == [0; 8] => report.derived += 1,
                None => report.problem(format!("{} belongs to nothing", key.escape_ascii())),
            }
            Ok(())
        })?;
        for key in expected.into_keys() {
            report.problem(format!("{} is missing", key.escape_ascii()));
        }
        Ok(())
    }
}

impl Report {
    /// All that was found wrong, with base and journal or with the state.
    pub fn problems(&self) -> Vec<&str> {
        let all = self.damaged.iter().chain(&self.unreliable).chain(&self.wrong);
        all.map(String::as_str).collect()
    }

    fn problem(&mut self, what: String) {
        if self.wrong.len() < PROBLEMS {
            self.wrong.push(what);
        }
    }
}

fn redo(content: &mut Content, frame: Frame) {
    for op in frame.batches.into_iter().flat_map(|batch| batch.ops) {
        match op {
            Op::Put { key, value, .. } => drop(content.insert(key, value)),
            Op::Delete { key, .. } => drop(content.remove(&key)),
            Op::Clear { prefix } => content.retain(|key, _| !key.starts_with(&prefix)),
            Op::Derive { .. } | Op::Drop { .. } | Op::Rederive { .. } => {}
        }
    }
}

fn compare(view: &View, expected: &Content, report: &mut Report) -> Result<()> {
    let mut seen = 0;
    let primary = Range { from: Vec::new(), until: keys::FIRST_DERIVED.to_vec() };
    each(view, primary, |key, value| {
        match expected.get(&key) {
            Some(right) if *right == value => report.keys += 1,
            Some(_) => report.problem(format!("{} is not as journaled", key.escape_ascii())),
            None => report.problem(format!("{} was never journaled", key.escape_ascii())),
        }
        seen += usize::from(expected.contains_key(&key));
        Ok(())
    })?;
    if seen < expected.len() {
        let missing = expected.len() - seen;
        report.problem(format!("{missing} keys of the journal are missing"));
    }
    Ok(())
}

fn each(
    view: &View,
    mut rest: Range,
    mut visit: impl FnMut(Bytes, Bytes) -> Result<()>,
) -> Result<()> {
    let mut pages = Pages::new();
    loop {
        let page = view.scan(&rest, Order::Forward, pages.limit)?;
        pages.saw(&page);
        let Some((last, _)) = page.last() else { return Ok(()) };
        rest.from = layers::after(last);
        page.into_iter().try_for_each(|(key, value)| visit(key, value))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{in_files, put};
    use crate::store::state::State;

    #[test]
    fn finds_nothing_wrong_with_a_sound_store_and_every_wrong_key() {
        let home = tempfile::tempdir().unwrap();
        let store = in_files(home.path());
        (0..200).for_each(|n| put(&store, &format!("R{n:03}"), "red a"));
        store.make_base().unwrap();
        (0..200).for_each(|n| put(&store, &format!("R{:03}", n * 2), "blue b"));
        let report = store.check().unwrap();
        assert_eq!(report.problems(), [""; 0]);
        assert_eq!((report.bases, report.keys, report.derived), (1, 300, 301));
        assert_eq!(report.groups, 400);

        store.close();
        let State::Sled(state) = &store.shared.state else { panic!("not in files") };
        let key = |key: &'static str| Bytes::from(key);
        let wrong = [
            (key("R007"), None),
            (key("R008"), Some(key("blue x"))),
            (key("ghost"), Some(key("boo"))),
            (Bytes::from(&b"\x90cgreen\0R1"[..]), Some(Bytes::new())),
        ];
        state.apply(&wrong.into_iter().collect(), 0).unwrap();
        let problems = store.check().unwrap().wrong.join("\n");
        for part in [
            "R008 is not as",
            "ghost was never",
            "1 keys of",
            "green",
            "R007 belongs",
            "xa0R is wrong",
        ] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
    }
}
