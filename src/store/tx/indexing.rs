//! Derived entries made and dropped slice by slice, beside traffic.

use bytes::Bytes;

use crate::store::Derived;
use crate::store::Order;
use crate::store::Range;
use crate::store::Read;
use crate::store::Result;
use crate::store::batch::Op;
use crate::store::keys;
use crate::store::layers;
use crate::store::tx::{Mode, Tx};

impl Tx {
    /// Derives what up to `limit` primary keys of `range` have under `derived`; what is there
    /// stays. Returns the last of these keys, `None` once all of the range is done.
    ///
    /// The derived entries of every write must be under way already, so that a key that was done
    /// stays so.
    pub fn derive(&mut self, derived: &[u8], range: Range, limit: usize) -> Result<Option<Bytes>> {
        let slice = self.slice(range, limit)?;
        self.note_op(
            Op::Derive {
                derived: Bytes::copy_from_slice(derived),
                from: slice.range.from.into(),
                until: slice.range.until.into(),
            },
            derived.len(),
        )?;
        for (key, value) in slice.entries {
            let mut fresh = self.derived(&key, Some(&value))?;
            fresh.entries.retain(|(key, _)| key.starts_with(derived));
            fresh.counts.clear();
            self.replace(Derived::default(), fresh);
        }
        Ok(slice.last)
    }

    /// Drops up to `limit` derived entries of `range`, which nothing derives any more. Returns the
    /// last of them, `None` once the range is empty.
    pub fn drop_derived(&mut self, range: Range, limit: usize) -> Result<Option<Bytes>> {
        debug_assert!(keys::is_derived(&range.from), "primary keys are deleted");
        let slice = self.slice(range, limit)?;
        let (from, until) = (slice.range.from.into(), slice.range.until.into());
        self.note_op(Op::Drop { from, until }, 0)?;
        self.batch.writes.extend(slice.entries.into_iter().map(|(key, _)| (key, None)));
        Ok(slice.last)
    }

    /// The first `limit` entries of a range, and the part of it that they are.
    fn slice(&self, mut range: Range, limit: usize) -> Result<Slice> {
        if self.mode == Mode::Rebuild {
            // Everything is derived at the end.
            return Ok(Slice { range, entries: Vec::new(), last: None });
        }
        let entries = self.scan(&range, Order::Forward, limit)?;
        let last = entries.last().filter(|_| entries.len() == limit).map(|(key, _)| key.clone());
        if let Some(last) = &last {
            range.until = layers::after(last);
        }
        Ok(Slice { range, entries, last })
    }
}

struct Slice {
    range: Range,
    entries: Vec<(Bytes, Bytes)>,
    last: Option<Bytes>,
}

#[cfg(test)]
mod tests {
    use crate::store::contract::{
        INDEX, all, assert_derived, commit, forget, in_files, options, put,
    };
    use crate::store::*;

    /// The index is kept, and nothing is there of what was before.
    fn emptied(store: &Store) {
        (0..30).for_each(|n| put(store, &format!("R{n:02}"), ["red", "blue"][n % 2]));
        store
            .write(|tx| {
                tx.put(keys::SCHEMA, "off")?;
                tx.rederive(&[INDEX], b"R")?;
                tx.put(keys::SCHEMA, "on")
            })
            .unwrap();
        assert!(all(&store.snapshot(), INDEX).is_empty());
    }

    /// Makes the next slice of seven; false once there are no more.
    fn slice(store: &Store) -> bool {
        let rule = |tx: &mut Tx| -> Result<bool> {
            let mut rest = Range::prefix(b"R");
            if let Some(done) = tx.get(b"done")? {
                rest.from = [&done[..], b"\0"].concat();
            }
            let done = tx.derive(INDEX, rest, 7)?;
            done.clone().map_or(Ok(()), |done| tx.put(b"done", done))?;
            Ok(done.is_some())
        };
        store.write(rule).unwrap()
    }

    fn write_beside(store: &Store, round: u32) {
        put(store, &format!("R{:02}", round * 3), "green");
        put(store, &format!("R{:02}", 29 - round), "red new");
        put(store, &format!("R1{round}+"), "blue");
        commit(store, move |tx| tx.delete(format!("R{:02}", 10 + round).as_bytes()));
    }

    #[test]
    fn index_made_in_slices_beside_writers_is_whole() {
        let home = tempfile::tempdir().unwrap();
        for store in [Store::open(options(Home::Memory)).unwrap(), in_files(home.path())] {
            emptied(&store);
            let mut round = 0;
            while slice(&store) {
                write_beside(&store, round);
                round += 1;
            }
            assert!(round >= 3);
            assert_derived(&store.snapshot());
        }
    }

    #[test]
    fn index_half_made_goes_on_in_a_state_made_anew() {
        let home = tempfile::tempdir().unwrap();
        for round in 0..4 {
            let store = in_files(home.path());
            if round == 0 {
                emptied(&store);
            }
            slice(&store);
            write_beside(&store, round);
            if round == 1 {
                store.make_base().unwrap();
            }
            drop(store);
            if round % 2 == 1 {
                forget(home.path());
            }
        }
        let store = in_files(home.path());
        while slice(&store) {}
        assert_derived(&store.snapshot());
        assert_eq!(store.check().unwrap().problems(), [""; 0]);
    }

    #[test]
    fn entries_are_dropped_in_slices() {
        let store = Store::open(options(Home::Memory)).unwrap();
        (0..30).for_each(|n| put(&store, &format!("R{n:02}"), "red"));
        store.write(|tx| tx.put(keys::SCHEMA, "off")).unwrap();
        let next = || store.write(|tx| tx.drop_derived(Range::prefix(INDEX), 8)).unwrap();
        let slices = std::iter::from_fn(next).count();
        assert_eq!(slices, 3);
        assert!(all(&store.snapshot(), INDEX).is_empty());
        assert_eq!(all(&store.snapshot(), b"R").len(), 30);
    }
}
