//! The world that the stores live in: who does what next, and what must be true of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::store::contract::all;
use crate::store::simulation::asks::{self, Ask, COLORS, Content, Dice};
use crate::store::simulation::counts::Counts;
use crate::store::simulation::shelf::{Seen, Shelf};
use crate::store::simulation::upkeep::Making;
use crate::store::*;

const NODES: usize = 3;
/// Pauses within pauses.
const DEPTH: usize = 3;
/// Runs of a rule before its client gives up.
const TRIES: u32 = 4;

/// Something that a client began and has to finish.
type Unfinished = Box<dyn FnOnce() + Send>;

pub struct World {
    dice: Mutex<Dice>,
    pub shelf: Mutex<Shelf>,
    pub(super) nodes: Mutex<Vec<Option<Arc<Store>>>>,
    /// With the store that they were begun at.
    unfinished: Mutex<Vec<(usize, Unfinished)>>,
    /// Stores that are following the journal right now.
    pub(super) following: Mutex<[bool; NODES]>,
    held: Mutex<Vec<(Snapshot, Content)>>,
    pub(super) making: Mutex<Option<Making>>,
    pub(super) stale: Mutex<[bool; NODES]>,
    acknowledged: Mutex<Vec<u64>>,
    refused: Mutex<Vec<u64>>,
    counts: Mutex<Counts>,
    digest: Mutex<crc32fast::Hasher>,
    pub(super) ticks: AtomicU64,
    transactions: AtomicU64,
    depth: AtomicUsize,
    calm: AtomicBool,
    seed: u64,
}

impl World {
    pub fn new(seed: u64) -> Arc<Self> {
        let world = Arc::new(Self {
            dice: Mutex::new(Dice(seed)),
            shelf: Mutex::default(),
            nodes: Mutex::new((0..NODES).map(|_| None).collect()),
            unfinished: Mutex::default(),
            following: Mutex::default(),
            held: Mutex::default(),
            making: Mutex::default(),
            stale: Mutex::default(),
            acknowledged: Mutex::default(),
            refused: Mutex::default(),
            counts: Mutex::default(),
            digest: Mutex::default(),
            ticks: AtomicU64::new(1),
            transactions: AtomicU64::new(1),
            depth: AtomicUsize::new(0),
            calm: AtomicBool::new(false),
            seed,
        });
        (0..NODES).for_each(|node| world.bootstrap(node));
        world
    }

    pub fn live(self: &Arc<Self>, steps: u32) {
        for _ in 0..steps {
            self.step();
            self.assert_right();
        }
    }

    fn assert_right(&self) {
        let faults = &self.shelf.lock().faults;
        let replay = format!("HOLDALL_SIMULATION_SEED={}", self.seed);
        assert!(faults.is_empty(), "{replay}: {}", faults.join("\n"));
    }

    /// No more faults: every store ends up the same, as what the journal adds up to.
    pub fn agree_in_the_end(self: &Arc<Self>) {
        self.calm.store(true, SeqCst);
        let unfinished = std::mem::take(&mut *self.unfinished.lock());
        unfinished.into_iter().for_each(|(_, finish)| finish());
        self.unfinished.lock().clear();
        self.held.lock().clear();
        self.making.lock().take();
        self.shelf.lock().settle(true);
        let expected = asks::whole(&self.shelf.lock().at(u64::MAX));
        for node in 0..NODES {
            if self.store(node).shared.catch_up().is_err() {
                self.bootstrap(node);
            }
            self.compare(node, &expected, "followed the journal");
            self.bootstrap(node);
            self.compare(node, &expected, "began from a base");
        }
        let shelf = self.shelf.lock();
        for id in self.acknowledged.lock().iter() {
            let is_there = shelf.standing.contains_key(id) || shelf.lost.contains(id);
            self.check(is_there, || format!("transaction {id} was acknowledged and is gone"));
        }
        for id in self.refused.lock().iter() {
            let is_there = shelf.standing.contains_key(id);
            self.check(!is_there, || format!("transaction {id} was refused and is there"));
        }
        drop(shelf);
        self.assert_right();
        self.nodes.lock().clear();
    }

    fn compare(&self, node: usize, expected: &asks::Answer, how: &str) {
        let mut found = all(&self.store(node).snapshot(), b"");
        // A counter that came down to nothing may stay, or never have been.
        let nothing =
            |(key, value): &(Bytes, Bytes)| !(keys::is_counter(key) && value[..] == [0; 8]);
        found.retain(nothing);
        let expected: Vec<_> = expected.iter().filter(|entry| nothing(entry)).cloned().collect();
        self.check(found == expected, || {
            format!("store {node}, which {how}, has {found:?} instead of {expected:?}")
        });
    }

    fn step(self: &Arc<Self>) {
        let node = self.below(NODES as u64) as usize;
        let which = self.below(40);
        self.note(which << 8 | node as u64);
        match which {
            0..13 => self.begin(node),
            13..25 => self.finish(),
            25..31 => self.read(node),
            31..33 => self.look_back(),
            33..37 => self.work_on_base(node),
            37 if self.one_in(3) => self.restart(node),
            38 if self.one_in(4) => {
                let count = 1 + self.below(3);
                let mut shelf = self.shelf.lock();
                shelf.lose(count);
            }
            39 => {
                let commits = self.one_in(2);
                self.shelf.lock().settle(commits);
            }
            _ => {}
        }
    }

    /// Lets others take steps, as they do while something takes its time.
    pub fn pause(self: &Arc<Self>) {
        if self.is_calm() || !self.one_in(3) {
            return;
        }
        if self.depth.fetch_add(1, SeqCst) < DEPTH {
            (0..=self.below(2)).for_each(|_| self.step());
        }
        self.depth.fetch_sub(1, SeqCst);
    }

    /// A client asks for a transaction: its rule is run, and not committed yet.
    fn begin(self: &Arc<Self>, node: usize) {
        let id = self.transactions.fetch_add(1, SeqCst);
        if self.one_in(2) {
            self.freshen(node);
        }
        let (mut asks, mut writes) = (Vec::new(), Vec::new());
        {
            let dice = &mut self.dice.lock();
            (0..=dice.below(3)).for_each(|_| asks.push(Ask::random(dice)));
            for _ in 0..=dice.below(3) {
                writes.push((dice.below(12), dice.key(), COLORS[dice.below(3) as usize]));
            }
        }
        let declines = self.one_in(4);
        let world = self.clone();
        let is_first = AtomicBool::new(true);
        let rule = move |tx: &mut Tx| {
            let mut seen = Seen::new();
            for ask in &asks {
                seen.push((ask.clone(), ask.of(tx)?));
                if is_first.swap(false, SeqCst) {
                    world.pause();
                }
            }
            let digest = crc32fast::hash(format!("{seen:?}").as_bytes());
            let is_declined = declines && digest.is_multiple_of(2);
            world.shelf.lock().seen.insert(id, seen);
            if is_declined {
                return Err(Error::TooLarge("declined".to_owned()));
            }
            for (kind, key, color) in &writes {
                match kind {
                    0 => tx.clear(key)?,
                    1 | 2 => tx.delete(key)?,
                    _ => tx.put(key, format!("{color} {id} {digest}"))?,
                }
            }
            tx.note(id.to_be_bytes().to_vec());
            Ok(())
        };
        self.attempt(node, id, rule, TRIES);
    }

    fn attempt<R>(self: &Arc<Self>, node: usize, id: u64, rule: R, tries: u32)
    where
        R: Fn(&mut Tx) -> Result<()> + Send + 'static,
    {
        let attempt = self.store(node).attempt(rule);
        let world = self.clone();
        let done = move |outcome: Outcome<R, (), Error>| {
            world.note(id);
            match outcome {
                Outcome::Done(Ok(())) => {
                    world.count(|counts| counts.committed += 1);
                    world.acknowledged.lock().push(id);
                }
                Outcome::Done(Err(Error::TooLarge(_))) => world.was_declined(id),
                // Nobody knows whether it is there.
                Outcome::Done(Err(Error::Broken(_))) => {}
                Outcome::Done(Err(_)) => world.refused.lock().push(id),
                Outcome::Again(rule) => {
                    world.count(|counts| counts.again += 1);
                    if tries == 0 || world.is_calm() {
                        return world.refused.lock().push(id);
                    }
                    let again = world.clone();
                    let retry = move || again.attempt(node, id, rule, tries - 1);
                    world.unfinished.lock().push((node, Box::new(retry)));
                }
            }
        };
        self.unfinished.lock().push((node, Box::new(move || drop(attempt.submit(done)))));
    }

    /// Whatever moved a rule to decline was so at some moment.
    fn was_declined(&self, id: u64) {
        self.count(|counts| counts.declined += 1);
        self.refused.lock().push(id);
        let (was_so, seen) = {
            let shelf = self.shelf.lock();
            let seen = shelf.seen[&id].clone();
            let fits =
                |content: &Content| seen.iter().all(|(ask, told)| *told == ask.expected(content));
            let was_so = shelf.losses > 0
                || fits(&Content::new())
                || shelf.versions.iter().any(|version| fits(&version.content));
            (was_so, seen)
        };
        self.check(was_so, || {
            format!("transaction {id} was declined for what never was: {seen:?}")
        });
    }

    fn finish(&self) {
        let unfinished = self.unfinished.lock().len() as u64;
        if unfinished == 0 {
            return;
        }
        let which = self.below(unfinished) as usize;
        let mut unfinished = self.unfinished.lock();
        // A thread would wait until its store has followed; here that is under us.
        if self.following.lock()[unfinished[which].0] {
            return;
        }
        let (_, finish) = unfinished.swap_remove(which);
        drop(unfinished);
        finish();
    }

    /// A client reads what is newest: everything that was acknowledged before it asked is there.
    fn read(self: &Arc<Self>, node: usize) {
        let (floor, losses) = {
            let shelf = self.shelf.lock();
            (shelf.tip().seq, shelf.losses)
        };
        if !self.freshen(node) {
            return;
        }
        let is_stale = self.stale.lock()[node];
        let snapshot = self.store(node).snapshot();
        self.pause();
        let content = {
            let shelf = self.shelf.lock();
            if shelf.losses != losses {
                return;
            }
            shelf.at(snapshot.seq())
        };
        let seq = snapshot.seq();
        self.check(is_stale || seq >= floor, || format!("{seq} was read after {floor} was there"));
        self.agree(&snapshot, &content);
        if self.one_in(3) {
            self.held.lock().push((snapshot, content));
        }
    }

    fn agree(&self, snapshot: &Snapshot, content: &Content) {
        self.count(|counts| counts.reads += 1);
        for _ in 0..3 {
            let ask = Ask::random(&mut self.dice.lock());
            match ask.of(snapshot) {
                Err(Error::TooOld) => return self.count(|counts| counts.ended_snapshots += 1),
                answer => {
                    let (answer, expected) = (answer.ok(), ask.expected(content));
                    self.check(answer.as_ref() == Some(&expected), || {
                        format!("{answer:?} was read instead of {expected:?}")
                    });
                }
            }
        }
    }

    /// Snapshots that were held for long still say the same, or that they have ended.
    fn look_back(&self) {
        let mut held = std::mem::take(&mut *self.held.lock());
        held.iter().for_each(|(snapshot, content)| self.agree(snapshot, content));
        let kept = self.below(4) as usize;
        held.truncate(kept);
        self.held.lock().extend(held);
    }

    pub(super) fn store(&self, node: usize) -> Arc<Store> {
        self.nodes.lock()[node].clone().expect("every node has a store")
    }

    pub(super) fn check(&self, is_right: bool, what: impl FnOnce() -> String) {
        if !is_right {
            let what = what();
            // The shelf may be held by whoever asks.
            match self.shelf.try_lock() {
                Some(mut shelf) => shelf.faults.push(what),
                None => panic!("HOLDALL_SIMULATION_SEED={}: {what}", self.seed),
            }
        }
    }

    pub fn told_stale(&self, node: usize) {
        self.stale.lock()[node] = true;
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(SeqCst)
    }

    /// Happens in `percent` of all cases, as long as anything goes wrong.
    pub fn fails(&self, percent: u64) -> bool {
        self.below(100) < percent && !self.is_calm()
    }

    pub fn one_in(&self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn below(&self, limit: u64) -> u64 {
        self.dice.lock().below(limit)
    }

    fn note(&self, event: u64) {
        self.digest.lock().update(&event.to_be_bytes());
    }

    pub fn digest(&self) -> u32 {
        self.digest.lock().clone().finalize()
    }

    pub fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.counts.lock());
    }

    pub fn counts(&self) -> Counts {
        let lost_ends = self.shelf.lock().losses;
        Counts { lost_ends, ..self.counts.lock().clone() }
    }
}
