//! Random histories against a plain map: every snapshot, scan and restart must agree with it.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::store::contract::{all, assert_derived, commit, forget, options};
use crate::store::*;

/// Histories tried; more in `make soak`.
fn seeds() -> u64 {
    if std::env::var_os("HOLDALL_SOAK").is_some() { 2_000 } else { 12 }
}

type Content = BTreeMap<Bytes, Bytes>;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn key(&mut self) -> Vec<u8> {
        // Few letters and lengths: prefixes of each other, and much is hit again.
        let length = 1 + self.below(4);
        let letter = |random: &mut Self| b"Rab\x7f"[random.below(4) as usize];
        (0..length).map(|at| if at == 0 { b'R' } else { letter(self) }).collect()
    }

    fn range(&mut self) -> Range {
        match self.below(4) {
            0 => Range::prefix(b"R"),
            1 => Range::prefix(&self.key()),
            _ => Range { from: self.key(), until: self.key() },
        }
    }
}

#[derive(Clone)]
enum Step {
    Put(Vec<u8>, String),
    Delete(Vec<u8>),
    Clear(Vec<u8>),
}

fn steps(random: &mut Random, number: u64) -> Vec<Step> {
    (0..1 + random.below(5))
        .map(|_| match random.below(12) {
            0 => Step::Clear(random.key()),
            1 | 2 => Step::Delete(random.key()),
            _ => Step::Put(random.key(), format!("c{} {number}", random.below(3))),
        })
        .collect()
}

fn model_steps(model: &mut Content, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Put(key, value) => drop(model.insert(key.clone().into(), value.clone().into())),
            Step::Delete(key) => drop(model.remove(&key[..])),
            Step::Clear(prefix) => model.retain(|key, _| !key.starts_with(prefix)),
        }
    }
}

fn do_steps(tx: &mut Tx, steps: &[Step]) -> Result<()> {
    steps.iter().try_for_each(|step| match step {
        Step::Put(key, value) => tx.put(key, value.clone()),
        Step::Delete(key) => tx.delete(key),
        Step::Clear(prefix) => tx.clear(prefix),
    })
}

/// A few random reads of `read` answer as the model does.
fn agree(read: &dyn Read, model: &Content, random: &mut Random) {
    for _ in 0..4 {
        let key = random.key();
        assert_eq!(read.get(&key).unwrap(), model.get(&key[..]).cloned());
        let keys: Vec<Vec<u8>> = (0..6).map(|_| random.key()).collect();
        let names: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        // What memory does not hold, nothing is said of.
        for (key, held) in keys.iter().zip(read.held(b"", &names)) {
            assert!(held.is_none() || held.as_ref() == model.get(&key[..]));
        }
        let range = random.range();
        let limit = 1 + random.below(30) as usize;
        let bounds = (Bound::Included(&range.from[..]), Bound::Excluded(&range.until[..]));
        let inside = || {
            let is_empty = !range.until.is_empty() && range.from >= range.until;
            let entries = (!is_empty).then(|| model.range::<[u8], _>(bounds)).into_iter().flatten();
            entries.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
        };
        let forward: Vec<_> = inside().into_iter().take(limit).collect();
        let backward: Vec<_> = inside().into_iter().rev().take(limit).collect();
        assert_eq!(read.scan(&range, Order::Forward, limit).unwrap(), forward);
        assert_eq!(read.scan(&range, Order::Backward, limit).unwrap(), backward);
    }
}

fn history(home: Home, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut model = Content::new();
    let mut store = Store::open(options(home.clone())).unwrap();
    let mut held: Vec<(Snapshot, Content)> = Vec::new();
    for number in 0..250 {
        let plan = steps(&mut random, number);
        match random.below(10) {
            0 => {
                let refused = store.write(|tx| {
                    do_steps(tx, &plan)?;
                    Err::<(), _>(Error::Conflict)
                });
                assert!(refused.is_err());
            }
            1 => {
                model_steps(&mut model, &plan);
                commit(&store, move |tx| do_steps(tx, &plan));
            }
            _ => {
                let mut after = model.clone();
                model_steps(&mut after, &plan);
                let seed = random.below(u64::MAX);
                store
                    .write(|tx| {
                        do_steps(tx, &plan)?;
                        // What the transaction sees of itself.
                        agree(tx, &after, &mut Random(seed | 1));
                        assert_derived(tx);
                        Ok::<_, Error>(())
                    })
                    .unwrap();
                model = after;
            }
        }
        agree(&store.snapshot(), &model, &mut random);
        match random.below(40) {
            0..6 => held.push((store.snapshot(), model.clone())),
            6..10 => held.clear(),
            10 if home != Home::Memory => store.make_base().unwrap(),
            11 if home != Home::Memory => {
                held.clear();
                drop(store);
                if let (Home::Files(path), 0) = (&home, random.below(3)) {
                    forget(path);
                }
                store = Store::open(options(home.clone())).unwrap();
                assert_eq!(store.check().unwrap().problems(), [""; 0]);
            }
            12 if home == Home::Memory => {
                store = Store::from_mark(&store.mark().unwrap(), &options(Home::Memory));
            }
            _ => {}
        }
        for (snapshot, content) in &held {
            agree(snapshot, content, &mut random);
        }
    }
    let snapshot = store.snapshot();
    assert_eq!(all(&snapshot, b"R").into_iter().collect::<Content>(), model);
    assert_derived(&snapshot);
}

#[test]
fn store_in_memory_is_a_map_with_a_past() {
    (0..seeds()).for_each(|seed| history(Home::Memory, seed + 1));
}

#[test]
fn store_in_files_is_a_map_with_a_past() {
    for seed in 0..seeds() / 3 {
        let home = tempfile::tempdir().unwrap();
        history(Home::Files(home.path().join("data")), seed + 1);
    }
}
