//! The start of a throw-away instance, and how it gets back there: tests share one and begin alike.

use crate::app::App;
use crate::domain::{self, Error, signing};

impl App {
    /// Remembers all there is now as what [`App::start_over`] returns to. Only an instance that
    /// keeps nothing on disk can; whether it can is returned.
    pub fn remember_start(&self) -> bool {
        self.0.store.mark().is_some_and(|mark| self.0.start.set(mark).is_ok())
    }

    /// Makes everything what it was when the start was remembered, in constant time. Tokens that
    /// are about stay good, as far as their accounts are there again.
    pub async fn start_over(&self) -> domain::Result<()> {
        let place = self.lanes().writes.enter().await?;
        self.aside(place, App::return_to_start).await
    }

    fn return_to_start(&self) -> domain::Result<()> {
        let start = self.0.start.get().ok_or(Error::NotFound("endpoint"))?;
        // The key may be younger than the start: it is made in the background.
        let keys = self.glance(|read| signing::kept(read))?;
        self.0.store.reset(start);
        if let Some(keys) = keys {
            self.0.store.write(|tx| signing::keep_again(tx, &keys))?;
        }
        self.reload_settings()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::store::Read;

    /// Ends the snapshot of a rule under it, as a full window would, on the first `ends` runs.
    fn ending(
        app: &App,
        ends: usize,
    ) -> (Arc<AtomicUsize>, impl Fn(&crate::store::Snapshot) -> domain::Result<bool> + Send + 'static)
    {
        let (app, runs) = (app.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = runs.clone();
        let rule = move |snapshot: &crate::store::Snapshot| {
            if runs.fetch_add(1, SeqCst) < ends {
                app.return_to_start()?;
            }
            Ok(snapshot.get(b"S")?.is_some())
        };
        (counted, rule)
    }

    #[tokio::test]
    async fn read_whose_snapshot_ended_is_run_again_on_a_new_one() {
        let app = App::open(Default::default()).unwrap();
        assert!(app.remember_start());
        let (runs, rule) = ending(&app, 2);

        assert!(app.read(rule).await.unwrap(), "the schema is there");
        assert_eq!(runs.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn read_whose_snapshots_all_end_says_so_in_the_end() {
        let app = App::open(Default::default()).unwrap();
        assert!(app.remember_start());
        let (runs, rule) = ending(&app, usize::MAX);

        let answer = app.read(rule).await;
        assert!(matches!(answer, Err(Error::Store(crate::store::Error::TooOld))), "{answer:?}");
        // Once at a glance, then in the lane.
        assert_eq!(runs.load(SeqCst), 1 + crate::store::Store::TRIES);
    }

    /// The second run of a rule holds everybody up: it gets 50 ms of a processor, then the rule
    /// starts again on a new snapshot, and after five of those somebody has to try later.
    #[tokio::test]
    async fn write_that_always_loses_ends_as_a_conflict_and_holds_nobody_up() {
        let app = App::open(Default::default()).unwrap();
        let (quicker, runs) = (app.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = runs.clone();
        let rule = move |tx: &mut crate::store::Tx| {
            tx.get(b"Dcontended")?;
            let run = runs.fetch_add(1, SeqCst);
            if run.is_multiple_of(2) {
                // On a snapshot; another writer is quicker.
                quicker.store().write(|tx| tx.put(b"Dcontended", run.to_string()))?;
                tx.put(b"Dmine", "1")?;
                return Ok(());
            }
            // In the commit, and too slow for it.
            loop {
                tx.get(b"Dcontended")?;
            }
        };
        let answer: domain::Result<()> = app.write(rule).await;
        let conflict = Error::Store(crate::store::Error::Conflict);
        assert_eq!(answer.unwrap_err().to_string(), conflict.to_string());
        assert_eq!(counted.load(SeqCst), 2 * crate::store::Store::TRIES);
        assert_eq!(app.store().snapshot().get(b"Dmine").unwrap(), None);
    }
}
