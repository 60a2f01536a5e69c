//! The fuse box: joins the rooms, and is where rules meet the store.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use arc_swap::ArcSwap;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::auth::Safe;
use crate::auth::passwords::Hashing;
use crate::clock::Clock;
use crate::config::Upstream;
use crate::domain::bootstrap;
use crate::domain::derive;
use crate::domain::request::{Caller, Request};
use crate::domain::settings::Settings;
use crate::domain::{self, Error};
use crate::store;
use crate::store::{Home, Mark, Outcome, Snapshot, Store, Tx};
use crate::telemetry::process;
use crate::telemetry::trip;

mod builds;
mod checks;
pub mod lanes;
mod limits;
mod options;
mod phase;
mod signing;
mod start;
mod throttle;

pub use checks::Condition;
pub use lanes::Lanes;
pub use limits::Limits;
pub use options::{Options, check_site};
pub use phase::{Phase, Phases};
pub use signing::Keys;
pub use throttle::Throttle;

/// The store's cache gets this part of the memory that we may use: sled takes up to twice what it
/// is given, and a pod of 512 MiB has to hold more than that.
const CACHE_SHARE: u64 = 8;
/// Least and most bytes of it.
const CACHE_BYTES: (u64, u64) = (16 << 20, 256 << 20);
/// Records read lately get this part, and so do columns.
const RECORD_SHARE: u64 = 16;
/// Least and most bytes of either.
const RECORD_BYTES: (u64, u64) = (8 << 20, 256 << 20);

/// Stretches of indexes get this part of what records get.
const LEAF_PART: u64 = 4;

/// Everything a request may need. Cheap to clone; a process may hold several.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    store: Store,
    lanes: Lanes,
    clock: Clock,
    started_ms: i64,
    phases: Phases,
    safe: Arc<Safe>,
    /// As of the last change made here.
    settings: ArcSwap<Settings>,
    throttle: Throttle,
    checks: checks::Running,
    /// Where a throw-away instance returns to, see `start`.
    start: OnceLock<Mark>,
    options: Options,
}

impl App {
    /// Opens the store and everything that stands on it.
    pub fn open(options: Options) -> anyhow::Result<Self> {
        check_site(options.public.as_deref())?;
        let clock = options.clock.clone();
        let store = Store::open(store_options(&options))?;
        let safe = Arc::new(options.keys.safe(&options.home)?);
        let app = Self(Arc::new(Inner {
            store,
            safe,
            settings: ArcSwap::default(),
            throttle: Throttle::default(),
            lanes: Lanes::default(),
            started_ms: clock.now_ms(),
            clock,
            phases: Phases::default(),
            checks: checks::Running::default(),
            start: OnceLock::new(),
            options,
        }));
        signing::start(&app)?;
        app.furnish()?;
        app.reload_settings().context("cannot read the settings")?;
        app.resume_indexes().context("cannot go on with unfinished indexes")?;
        app.phases().enter(Phase::Serving);
        Ok(app)
    }

    /// Defines what a fresh store lacks, and the superuser that the settings name.
    fn furnish(&self) -> anyhow::Result<()> {
        let admin = self.0.options.admin.as_ref();
        let request = self.operator("start");
        let made = self.0.store.write(|tx| {
            let admin = admin.map(|admin| (admin.email.as_str(), &admin.password));
            bootstrap::bootstrap(tx, &request, admin)
        });
        let made = made.map_err(|error| anyhow::Error::msg(error.in_full()));
        if made.context("cannot make the collections and the superuser of a fresh store")? {
            tracing::info!("a superuser was created from the settings");
        }
        Ok(())
    }

    /// A request of whoever runs this process, by way of `door`.
    pub fn operator(&self, door: &str) -> Request {
        Request {
            caller: Caller::Operator(format!("cli:{door}")),
            now_ms: self.0.clock.now_ms(),
            hashing: Hashing::new(self.0.safe.passwords.clone()),
            ..Request::default()
        }
    }

    /// Runs `rule` in a transaction and commits it; answers when that is durable.
    pub async fn write<T, R>(&self, rule: R) -> domain::Result<T>
    where
        T: Send + 'static,
        R: Fn(&mut Tx) -> domain::Result<T> + Send + 'static,
    {
        let mut rule = rule;
        for _ in 0..Store::TRIES {
            let place = self.0.lanes.writes.enter().await?;
            match self.attempt(place, rule).await? {
                Outcome::Done(answer) => return answer,
                Outcome::Again(lost) => rule = lost,
            }
        }
        Err(store::Error::Conflict.into())
    }

    /// As `write`, for rules that read and write a few records and never hash: they are run where
    /// the caller stands, and only whoever leads a commit goes elsewhere for it.
    pub async fn write_briefly<T, R>(&self, rule: R) -> domain::Result<T>
    where
        T: Send + 'static,
        R: Fn(&mut Tx) -> domain::Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let attempt = self.0.store.attempt_at_a_glance(rule);
        if let Some(lead) = attempt.submit(move |outcome| drop(sender.send(outcome))) {
            tokio::task::spawn_blocking(move || drop(lead));
        }
        match receiver.await.map_err(|_| Error::Broken("a rule panicked".to_owned()))? {
            Outcome::Done(answer) => answer,
            Outcome::Again(rule) => self.write(rule).await,
        }
    }

    /// Runs `rule` in a transaction and writes nothing: says what would be answered now.
    pub async fn rehearse<T, R>(&self, rule: R) -> domain::Result<T>
    where
        T: Send + 'static,
        R: Fn(&mut Tx) -> domain::Result<T> + Send + 'static,
    {
        let place = self.0.lanes.bulk.enter().await?;
        self.aside(place, move |app| {
            (0..Store::TRIES)
                .find_map(|_| app.0.store.attempt(&rule).rehearsed())
                .unwrap_or(Err(store::Error::TooOld.into()))
        })
        .await
    }

    /// Runs `rule` in its lane, leaves the lane, and waits for the commit outside of it.
    async fn attempt<T, R>(
        &self,
        place: lanes::Place,
        rule: R,
    ) -> domain::Result<Outcome<R, T, Error>>
    where
        T: Send + 'static,
        R: Fn(&mut Tx) -> domain::Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let app = self.clone();
        let trip = trip::current();
        tokio::task::spawn_blocking(move || {
            trip::within(trip, || {
                let attempt = app.0.store.attempt(rule);
                drop(place);
                // Nobody listens any more if the request was given up; it is committed all the same.
                // This thread may wait: it leads if it is asked to.
                drop(attempt.submit(move |outcome| drop(sender.send(outcome))));
            });
        });
        receiver.await.map_err(|_| Error::Broken("a rule panicked".to_owned()))
    }

    /// Runs `rule` on one snapshot: where the caller stands if memory knows the answer, else in the
    /// lane of reads; on a new one if that ended under it.
    pub async fn read<T, R>(&self, rule: R) -> domain::Result<T>
    where
        T: Send + 'static,
        R: Fn(&Snapshot) -> domain::Result<T> + Send + 'static,
    {
        if let Some(answer) = self.at_a_glance(&rule) {
            return answer;
        }
        let place = self.0.lanes.reads.enter().await?;
        self.aside(place, move |app| app.glance(rule)).await
    }

    /// `None` when the answer takes more than a glance.
    fn at_a_glance<T>(
        &self,
        rule: &impl Fn(&Snapshot) -> domain::Result<T>,
    ) -> Option<domain::Result<T>> {
        let glance = self.0.store.glance();
        let answer = rule(&glance);
        let ended = matches!(answer, Err(Error::Store(store::Error::TooOld)));
        (!ended && !glance.gave_up()).then_some(answer)
    }

    /// Runs `rule` on one snapshot where the caller stands: for a few point reads that memory
    /// answers, where the hop to a lane would cost more than the rule.
    pub fn glance<T>(&self, rule: impl Fn(&Snapshot) -> domain::Result<T>) -> domain::Result<T> {
        for _ in 1..Store::TRIES {
            match rule(&self.0.store.snapshot()) {
                Err(Error::Store(store::Error::TooOld)) => {}
                answer => return answer,
            }
        }
        rule(&self.0.store.snapshot())
    }

    /// Hashes a password, or whatever else takes a core for a while, in the lane of hashing.
    pub async fn hash<T, W>(&self, work: W) -> domain::Result<T>
    where
        T: Send + 'static,
        W: FnOnce() -> domain::Result<T> + Send + 'static,
    {
        let place = self.0.lanes.hashing.enter().await?;
        self.aside(place, move |_| work()).await
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Milliseconds since this app was opened.
    pub fn uptime_ms(&self) -> i64 {
        self.0.clock.now_ms() - self.0.started_ms
    }

    /// Passwords, tokens and what seals.
    pub fn safe(&self) -> &Arc<Safe> {
        &self.0.safe
    }

    /// What superusers set, for those who ask on every request; rules read the settings in their
    /// own snapshot.
    pub fn settings(&self) -> Arc<Settings> {
        self.0.settings.load_full()
    }

    /// Takes over settings that were changed.
    pub fn reload_settings(&self) -> domain::Result<()> {
        self.0.settings.store(self.glance(|read| Settings::load(read))?);
        Ok(())
    }

    /// Whose requests are too many.
    pub fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    pub fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    pub fn origins(&self) -> &[String] {
        &self.0.options.origins
    }

    /// Whether callers come over TLS that ends here.
    pub fn is_https(&self) -> bool {
        self.0.options.is_https
    }

    /// Where paths go that have not moved here yet.
    pub fn upstreams(&self) -> &[Upstream] {
        &self.0.options.upstreams
    }

    /// The folder of the site at `/`, where there is one.
    pub fn public(&self) -> Option<&Path> {
        self.0.options.public.as_deref()
    }

    pub fn has_metrics_apart(&self) -> bool {
        self.0.options.metrics_apart
    }

    /// Where the store keeps what it is told, in a word.
    pub fn home_name(&self) -> &'static str {
        match self.0.options.home {
            Home::Memory => "memory",
            Home::Files(_) => "files",
        }
    }

    /// The data directory, where there is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.0.options.home {
            Home::Memory => None,
            Home::Files(directory) => Some(directory),
        }
    }

    /// Says whether traffic may come, and what each check found.
    pub async fn readiness(&self) -> (Condition, Map<String, Value>) {
        let (mut condition, mut report) = checks::run(self, &self.0.checks).await;
        if self.0.options.strict_readiness && condition == Condition::Degraded {
            condition = Condition::Down;
        }
        if self.phases().now() != Phase::Serving {
            let why = json!({ "status": "DOWN", "details": {}, "error": "the server is stopping" });
            report.insert("shutdown".to_owned(), why);
            condition = Condition::Down;
        }
        (condition, report)
    }

    /// Where this app is in its life: starting, serving, draining.
    pub fn phases(&self) -> &Phases {
        &self.0.phases
    }

    /// Takes no more writes, and returns when all that was acknowledged is where it belongs.
    pub async fn close(&self) {
        let app = self.clone();
        let closed = tokio::task::spawn_blocking(move || app.0.store.close()).await;
        if closed.is_err() {
            tracing::error!("the store panicked while it was closed; the journal has everything");
        }
    }

    /// The one hop to a blocking thread. What is logged there still names its request.
    async fn aside<T, W>(&self, place: lanes::Place, work: W) -> domain::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&App) -> domain::Result<T> + Send + 'static,
    {
        let app = self.clone();
        let trip = trip::current();
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            trip::within(trip, || work(&app))
        });
        task.await.map_err(|panic| Error::Broken(panic.to_string()))?
    }
}

/// What the store is told, of what the app was told.
fn store_options(options: &Options) -> store::Options {
    let clock = options.clock.clone();
    let memory = process::memory().map_or(0, |memory| memory.total);
    let record_bytes = (memory / RECORD_SHARE).clamp(RECORD_BYTES.0, RECORD_BYTES.1);
    store::Options {
        clock: Arc::new(move || u64::try_from(clock.now_ms()).unwrap_or(0) * 1000),
        cache_bytes: (memory / CACHE_SHARE).clamp(CACHE_BYTES.0, CACHE_BYTES.1),
        record_bytes,
        leaf_bytes: record_bytes / LEAF_PART,
        column_bytes: usize::try_from(record_bytes).unwrap_or(usize::MAX),
        on_fatal: options.on_fatal.clone(),
        progress: options.progress.clone(),
        ..store::Options::new(options.home.clone(), Arc::new(derive::Derive))
    }
}
