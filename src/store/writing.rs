//! How a rule becomes a commit: tried on a snapshot, queued, and tried again if it lost.

use std::sync::Arc;

use crate::store::Error;
use crate::store::Result;
use crate::store::commit::{Job, Party, Request, Seat, Signal, Verdict, Waiter};
use crate::store::home::Store;
use crate::store::shared::Shared;
use crate::store::tx::{Ended, Tx};

/// Most runs of a rule on a snapshot before its writer is told that others are always quicker.
const TRIES: usize = 5;
/// The same for a thread whose rule cannot be run inside the commit.
const THREAD_TRIES: usize = 100;

/// A rule that was run, and what it wants to write. Dropped, it has written nothing.
pub struct Attempt<R, T, E> {
    shared: Arc<Shared>,
    rule: R,
    /// `None`: the rule has to be run again.
    answer: Option<Result<T, E>>,
    /// `None`: there is nothing to write.
    ended: Option<Ended>,
}

/// The duty to commit what is queued. It takes the time of a sync or more; whoever drops it does
/// the same there and then.
#[must_use]
pub struct Lead(Arc<Shared>);

impl Drop for Lead {
    fn drop(&mut self) {
        self.0.lead();
    }
}

/// What became of an attempt.
pub enum Outcome<R, T, E> {
    /// Committed and durable, or refused and nothing written.
    Done(Result<T, E>),
    /// Nothing was written: run this rule again, on a new snapshot.
    Again(R),
}

impl Store {
    /// Runs `rule` and commits what it wrote; returns when that is durable. An error writes nothing.
    pub fn write<T, E: From<Error>>(&self, rule: impl Fn(&mut Tx) -> Result<T, E>) -> Result<T, E> {
        for _ in 0..THREAD_TRIES {
            self.shared.wait_for_room()?;
            let mut tx = Tx::attempt(&self.shared);
            let answer = rule(&mut tx);
            let ended = tx.end();
            if ended.failed.is_some() {
                continue;
            }
            if answer.is_err() || ended.batch.is_empty() {
                return answer;
            }
            let waiter = Arc::new(Waiter::default());
            match wait(&self.shared, ended.request(Party::Thread(Seat::new(&waiter))), &waiter) {
                Verdict::Committed | Verdict::Declined => return answer,
                Verdict::Failed(error) => return Err(error.into()),
                Verdict::Again => {}
            }
        }
        Err(Error::Conflict.into())
    }

    /// Runs `rule` on a snapshot. What it wants to write is committed by [`Attempt::submit`], so
    /// that the thread's place among the workers can be given up first.
    pub fn attempt<R, T, E>(&self, rule: R) -> Attempt<R, T, E>
    where
        R: Fn(&mut Tx) -> Result<T, E>,
        E: From<Error>,
    {
        if let Err(error) = self.shared.wait_for_room() {
            let (shared, answer) = (self.shared.clone(), Some(Err(error.into())));
            return Attempt { shared, rule, answer, ended: None };
        }
        self.tried(rule, Tx::attempt(&self.shared))
    }

    /// As `attempt`, for a thread that must not wait: a rule that reads more than a few entries has
    /// to be run again, as has any while there is no room for writes.
    pub fn attempt_at_a_glance<R, T, E>(&self, rule: R) -> Attempt<R, T, E>
    where
        R: Fn(&mut Tx) -> Result<T, E>,
    {
        if !self.shared.has_room() {
            return Attempt { shared: self.shared.clone(), rule, answer: None, ended: None };
        }
        self.tried(rule, Tx::glance(&self.shared))
    }

    fn tried<R, T, E>(&self, rule: R, mut tx: Tx) -> Attempt<R, T, E>
    where
        R: Fn(&mut Tx) -> Result<T, E>,
    {
        let answer = rule(&mut tx);
        let ended = tx.end();
        let shared = self.shared.clone();
        if ended.failed.is_some() {
            return Attempt { shared, rule, answer: None, ended: None };
        }
        let ended = (answer.is_ok() && !ended.batch.is_empty()).then_some(ended);
        Attempt { shared, rule, answer: Some(answer), ended }
    }

    /// How often a rule is worth running on a new snapshot.
    pub const TRIES: usize = TRIES;
}

impl<R, T, E> Attempt<R, T, E> {
    /// What the rule answers, if that counts; nothing is written. `None`: run it again.
    pub fn rehearsed(self) -> Option<Result<T, E>> {
        self.answer
    }
}

impl<R, T, E> Attempt<R, T, E>
where
    R: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    /// Queues the commit, and calls `done` when that is durable or failed, from whichever thread leads
    /// then: it must not block. Whoever is handed the lead has to take it to a thread that may wait.
    pub fn submit(self, done: impl FnOnce(Outcome<R, T, E>) + Send + 'static) -> Option<Lead> {
        let Some(ended) = self.ended else {
            done(match self.answer {
                Some(answer) => Outcome::Done(answer),
                None => Outcome::Again(self.rule),
            });
            return None;
        };
        let work = Work { rule: self.rule, answer: self.answer, done };
        let request = ended.request(Party::Job(Box::new(work)));
        match self.shared.enqueue(request) {
            Ok(true) => Some(Lead(self.shared)),
            Ok(false) => None,
            Err(refused) => {
                if let Party::Job(job) = refused {
                    job.finish(Verdict::Failed(queue_full()));
                }
                None
            }
        }
    }
}

impl Ended {
    fn request(self, party: Party) -> Request {
        let Self { view, batch, bytes, reads, .. } = self;
        Request { view, reads, batch, bytes, party }
    }
}

struct Work<R, T, E, D> {
    rule: R,
    answer: Option<Result<T, E>>,
    done: D,
}

impl<R, T, E, D> Job for Work<R, T, E, D>
where
    R: Fn(&mut Tx) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
    D: FnOnce(Outcome<R, T, E>) + Send,
{
    fn again(&mut self, tx: &mut Tx) -> bool {
        let answer = self.answer.insert((self.rule)(tx));
        answer.is_ok()
    }

    fn finish(self: Box<Self>, verdict: Verdict) {
        let Self { rule, answer, done } = *self;
        done(match (verdict, answer) {
            (Verdict::Committed | Verdict::Declined, Some(answer)) => Outcome::Done(answer),
            (Verdict::Failed(error), _) => Outcome::Done(Err(error.into())),
            (Verdict::Again | Verdict::Committed | Verdict::Declined, _) => Outcome::Again(rule),
        });
    }
}

fn wait(shared: &Arc<Shared>, request: Request, waiter: &Waiter) -> Verdict {
    match shared.enqueue(request) {
        Ok(true) => shared.lead(),
        Ok(false) => {}
        Err(_) => return Verdict::Failed(queue_full()),
    }
    loop {
        match waiter.wait() {
            Signal::Lead => shared.lead(),
            Signal::Done(verdict) => return verdict,
        }
    }
}

fn queue_full() -> Error {
    Error::ReadOnly("too many writes are waiting".to_owned())
}
