//! Indexes of large collections are made on a thread of their own, whoever waits for them.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::app::App;
use crate::domain::collections::build::{self, Step};
use crate::domain::collections::{self, Ahead};
use crate::domain::schema::{Collection, Schema};
use crate::domain::{Error, Problems, Result, indexes};
use crate::store::{self, Tx};

/// Pause after too many conflicts in a row, or while the disk is full.
const PAUSE: Duration = Duration::from_millis(200);
/// Time between two lines in the log.
const SILENCE: Duration = Duration::from_secs(5);

impl App {
    /// Makes and drops what collection `number` has pending, and returns what forbids an index.
    /// Goes on if nobody waits any more.
    pub async fn settle_indexes(&self, number: u32) -> Result<Problems> {
        let (sender, receiver) = oneshot::channel();
        let app = self.clone();
        let work = move || drop(sender.send(app.make_indexes(number)));
        let thread = thread::Builder::new().name("indexes".to_owned()).spawn(work);
        thread.map_err(|error| Error::Broken(error.to_string()))?;
        receiver.await.map_err(|_| Error::Broken("making an index panicked".to_owned()))?
    }

    /// Makes what `begin` begins ahead of `change`, and only then that: if either cannot be, nothing
    /// of both stays.
    pub async fn ahead_of<T>(
        &self,
        change: impl Future<Output = Result<T>>,
        begin: impl Fn(&mut Tx) -> Result<Vec<Ahead>> + Send + 'static,
        refuse: impl Fn(&Collection, Problems) -> Result<()>,
        now_ms: i64,
    ) -> Result<T> {
        let ahead = self.write(begin).await?;
        let done = match self.arrived(&ahead, refuse).await {
            Ok(()) => change.await,
            Err(refusal) => Err(refusal),
        };
        if done.is_err() {
            for Ahead { before, .. } in ahead {
                if let Err(error) = self.take_back(before, now_ms).await {
                    tracing::warn!(%error, "an index of a refused change stays: {error}");
                }
            }
        }
        done
    }

    async fn arrived(
        &self,
        ahead: &[Ahead],
        refuse: impl Fn(&Collection, Problems) -> Result<()>,
    ) -> Result<()> {
        for Ahead { now, .. } in ahead {
            refuse(now, self.settle_indexes(now.number).await?)?;
        }
        Ok(())
    }

    async fn take_back(&self, before: Arc<Collection>, now_ms: i64) -> Result<()> {
        let number = before.number;
        self.write(move |tx| collections::take_back(tx, &before, now_ms)).await?;
        self.settle_indexes(number).await.map(drop)
    }

    /// Makes and drops what all collections have pending, and returns what forbids an index.
    pub fn settle_all_indexes(&self) -> Result<Problems> {
        let mut problems = Problems::new();
        let schema = self.glance(|read| Schema::load(read))?;
        for collection in schema.collections().filter(|collection| !collection.pending.is_empty()) {
            problems.merge(self.make_indexes(collection.number)?);
        }
        Ok(problems)
    }

    /// Goes on with what a process that ended left unfinished.
    pub(super) fn resume_indexes(&self) -> Result<()> {
        let schema = self.glance(|read| Schema::load(read))?;
        for collection in schema.collections().filter(|collection| !collection.pending.is_empty()) {
            let (app, number) = (self.clone(), collection.number);
            let work = move || match app.make_indexes(number) {
                Ok(problems) if problems.is_empty() => {}
                Ok(_) => tracing::warn!("an index was dropped: records that it forbids are there"),
                Err(error) => tracing::warn!(%error, "an index is not made before the next start"),
            };
            let thread = thread::Builder::new().name("indexes".to_owned()).spawn(work);
            thread.map_err(|error| Error::Broken(error.to_string()))?;
        }
        Ok(())
    }

    fn make_indexes(&self, number: u32) -> Result<Problems> {
        let mut problems = Problems::new();
        let (mut slices, mut said) = (0_u64, Instant::now());
        loop {
            let next = self.patiently(|| self.0.store.write(|tx| build::step(tx, number)))?;
            match next {
                Step::Done => return Ok(problems),
                Step::More => slices += 1,
                Step::Look(index) => {
                    let found = self.glance(|read| {
                        let schema = Schema::load(read)?;
                        let Some(collection) = schema.by_number(number) else { return Ok(None) };
                        indexes::duplicate(read, collection, &index)
                    })?;
                    let told = self.patiently(|| {
                        let found = found.as_deref();
                        self.0.store.write(|tx| build::conclude(tx, number, &index, found))
                    })?;
                    problems.merge(told.unwrap_or_default());
                }
            }
            if said.elapsed() >= SILENCE {
                said = Instant::now();
                tracing::info!(
                    collection = number,
                    slices,
                    "an index is being made: slice {slices}"
                );
            }
        }
    }

    /// Waits where trying again later may help.
    fn patiently<T>(&self, write: impl Fn() -> Result<T>) -> Result<T> {
        loop {
            match write() {
                Err(Error::Store(store::Error::Conflict)) => {}
                Err(Error::Store(store::Error::ReadOnly(_))) if self.0.store.stats().read_only => {}
                done => return done,
            }
            thread::sleep(PAUSE);
        }
    }
}
