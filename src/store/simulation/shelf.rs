//! The table as the server has it: rows, lock, bases, and what all of it adds up to.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use crate::store::batch::Op;
use crate::store::journal::Tip;
use crate::store::journal::frame::{self, Gid, Head};
use crate::store::simulation::asks::{Answer, Ask, Content};
use crate::store::state::Applied;

/// What a rule asked and was told, on the run that its commit stands for.
pub type Seen = Vec<(Ask, Answer)>;

/// A base that was made beside traffic.
#[derive(Clone)]
pub struct Base {
    pub start: Applied,
    pub until: Tip,
    pub entries: Answer,
}

/// What the journal added up to after a batch of group `seq`.
pub struct Version {
    pub seq: u64,
    pub content: Content,
}

#[derive(Default)]
pub struct Shelf {
    pub rows: BTreeMap<u64, Bytes>,
    /// Of every group that still counts, trimmed or not.
    pub gids: BTreeMap<u64, Gid>,
    pub versions: Vec<Version>,
    /// The session that holds the head.
    pub lock: Option<u64>,
    pub sessions: u64,
    /// A commit that was sent by a connection that is gone, and not done yet.
    pub ghost: Option<(Head, Bytes)>,
    pub bases: Vec<Base>,
    /// How often the end was lost.
    pub losses: u64,
    /// Transactions that are in the journal, and those that were and are lost.
    pub standing: HashMap<u64, u64>,
    pub lost: HashSet<u64>,
    /// What the rule of each transaction saw last.
    pub seen: HashMap<u64, Seen>,
    pub faults: Vec<String>,
}

impl Shelf {
    pub fn tip(&self) -> Tip {
        self.gids
            .last_key_value()
            .map_or_else(Tip::default, |(seq, gid)| Tip { seq: *seq, gid: *gid })
    }

    pub fn has(&self, tip: Tip) -> bool {
        tip == Tip::default() || self.gids.get(&tip.seq) == Some(&tip.gid)
    }

    /// What the journal added up to at the end of group `seq`.
    pub fn at(&self, seq: u64) -> Content {
        let version = self.versions.iter().rev().find(|version| version.seq <= seq);
        version.map(|version| version.content.clone()).unwrap_or_default()
    }

    /// Appends a group if its slot is free; checks that each of its transactions saw what was there.
    pub fn insert(&mut self, head: &Head, row: &Bytes) -> bool {
        if self.tip() != (Tip { seq: head.seq - 1, gid: head.prev }) {
            return false;
        }
        let frame = match frame::decode(row) {
            Ok(frame) => frame,
            Err(why) => {
                self.faults.push(why);
                return false;
            }
        };
        let mut content = self.at(u64::MAX);
        for batch in &frame.batches {
            let id = u64::from_be_bytes(batch.note[..].try_into().expect("notes are numbers"));
            for (ask, answer) in &self.seen[&id] {
                if *answer != ask.expected(&content) {
                    self.faults.push(format!(
                        "transaction {id} was told {answer:?} of {ask:?}, which is not so where it stands"
                    ));
                }
            }
            if self.standing.insert(id, head.seq).is_some() {
                self.faults.push(format!("transaction {id} was committed twice"));
            }
            batch.ops.iter().for_each(|op| redo(&mut content, op));
            self.versions.push(Version { seq: head.seq, content: content.clone() });
        }
        self.rows.insert(head.seq, row.clone());
        self.gids.insert(head.seq, head.gid);
        true
    }

    /// Does what the ghost's connection wanted, or nothing of it. Its lock is free then.
    pub fn settle(&mut self, commits: bool) {
        if let Some((head, row)) = self.ghost.take() {
            if commits {
                self.insert(&head, &row);
            }
            self.lock = None;
        }
    }

    /// Loses up to `count` groups at the end, as a server does that was restored from its replica.
    pub fn lose(&mut self, count: u64) {
        let kept = self.bases.iter().map(|base| base.until.seq).max().unwrap_or_default();
        let cut = self.tip().seq.saturating_sub(count).max(kept);
        if cut == self.tip().seq {
            return;
        }
        self.rows.split_off(&(cut + 1));
        self.gids.split_off(&(cut + 1));
        self.versions.retain(|version| version.seq <= cut);
        let lost: Vec<u64> =
            self.standing.iter().filter(|(_, seq)| **seq > cut).map(|(id, _)| *id).collect();
        for id in lost {
            self.standing.remove(&id);
            self.lost.insert(id);
        }
        (self.lock, self.ghost) = (None, None);
        self.losses += 1;
    }

    /// Keeps two bases, and drops the rows below the older one.
    pub fn trim(&mut self) {
        if self.bases.len() > 2 {
            self.bases.remove(0);
        }
        if let [older, _] = &self.bases[..] {
            self.rows = self.rows.split_off(&older.start.seq);
        }
    }
}

fn redo(content: &mut Content, op: &Op) {
    match op {
        Op::Put { key, value, .. } => drop(content.insert(key.clone(), value.clone())),
        Op::Delete { key, .. } => drop(content.remove(key)),
        Op::Clear { prefix } => {
            *content = content
                .iter()
                .filter(|(key, _)| !key.starts_with(prefix))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
        }
        Op::Derive { .. } | Op::Drop { .. } | Op::Rederive { .. } => {}
    }
}
