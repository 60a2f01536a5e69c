//! Is everything there that answering takes? One list of checks, each with its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::store::Read;
use crate::telemetry::process::{self, Share};

/// How long a check may take: probes themselves are given 3 seconds.
const CHECK_TIME: Duration = Duration::from_secs(1);
/// Share of disk or memory, in percent, from which on a person should look.
const NEARLY_FULL_PERCENT: f64 = 90.0;
/// Any key does to see whether the store answers.
const ANY_KEY: &[u8] = b"S";

/// What a check found: details, or what is wrong.
type Outcome = Result<Value, Problem>;

/// What is wrong, and how much that matters.
struct Problem {
    condition: Condition,
    details: Value,
    error: String,
}

impl Problem {
    fn degraded(details: Value, error: impl Into<String>) -> Self {
        Self { condition: Condition::Degraded, details, error: error.into() }
    }

    /// Nothing can be answered.
    fn down(error: &str) -> Self {
        Self { condition: Condition::Down, details: json!({}), error: error.to_owned() }
    }
}

/// One thing to check.
struct Check {
    name: &'static str,
    /// Without an answer from it, nothing can be answered.
    is_vital: bool,
    run: fn(&App) -> Outcome,
}

/// Every check there is. A new part adds its line.
const CHECKS: [Check; 4] = [
    Check { name: "database", is_vital: true, run: database },
    Check { name: "cache", is_vital: false, run: cache },
    Check { name: "disk", is_vital: false, run: disk },
    Check { name: "memory", is_vital: false, run: memory },
];

/// Which checks are running now: one that hangs is not started again and again.
#[derive(Debug, Default, Clone)]
pub(super) struct Running(Arc<[AtomicBool; CHECKS.len()]>);

/// How an app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    Up,
    /// Answers, but something is wrong.
    Degraded,
    Down,
}

impl Condition {
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Degraded => "DEGRADED",
            Self::Down => "DOWN",
        }
    }
}

/// Runs every check, all at once, each for as long as it may.
pub(super) async fn run(app: &App, running: &Running) -> (Condition, Map<String, Value>) {
    let outcomes = (0..CHECKS.len()).map(|at| outcome(app, running, at));
    let outcomes = futures_util::future::join_all(outcomes).await;
    let mut condition = Condition::Up;
    let mut report = Map::new();
    for (check, outcome) in CHECKS.iter().zip(outcomes) {
        let entry = match outcome {
            Ok(details) => json!({ "status": "UP", "details": details }),
            Err(problem) => {
                condition = condition.max(problem.condition);
                json!({ "status": "DOWN", "details": problem.details, "error": problem.error })
            }
        };
        report.insert(check.name.to_owned(), entry);
    }
    (condition, report)
}

async fn outcome(app: &App, running: &Running, at: usize) -> Outcome {
    let Check { is_vital, run, .. } = CHECKS[at];
    let late = || {
        let words = format!("no answer within {} s", CHECK_TIME.as_secs());
        Err(if is_vital { Problem::down(&words) } else { Problem::degraded(json!({}), words) })
    };
    if running.0[at].swap(true, Ordering::AcqRel) {
        return late();
    }
    let (app, running) = (app.clone(), running.clone());
    let task = tokio::task::spawn_blocking(move || {
        let outcome = run(&app);
        running.0[at].store(false, Ordering::Release);
        outcome
    });
    match tokio::time::timeout(CHECK_TIME, task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_panic)) => Err(Problem::down("the check itself failed")),
        Err(_) => late(),
    }
}

fn database(app: &App) -> Outcome {
    let store = app.store();
    let details = json!({ "home": app.home_name() });
    if let Err(error) = store.snapshot().get(ANY_KEY) {
        tracing::error!(%error, "the store does not answer");
        return Err(Problem::down("the store does not answer"));
    }
    // Reads are served still.
    if let Some(cause) = store.broken() {
        tracing::error!(cause, "the store takes no writes until it is opened anew");
        return Err(Problem::degraded(details, "the store takes no writes"));
    }
    store.look_for_room();
    if store.stats().read_only {
        return Err(Problem::degraded(details, "the store takes no writes: the disk is full"));
    }
    Ok(details)
}

/// Caches are in this process: they are there when it is.
fn cache(_: &App) -> Outcome {
    Ok(json!({ "home": "memory" }))
}

fn disk(app: &App) -> Outcome {
    let Some(directory) = app.directory() else {
        return Ok(json!({ "home": app.home_name() }));
    };
    share(process::disk(directory), "disk")
}

fn memory(_: &App) -> Outcome {
    share(process::memory(), "memory")
}

fn share(share: Option<Share>, what: &str) -> Outcome {
    let Some(share) = share else {
        return Err(Problem::degraded(json!({}), format!("the {what} can't be measured")));
    };
    let details = json!({
        "total": share.total,
        "used": share.used,
        "free": share.free(),
        "percent": share.percent(),
    });
    if share.percent() >= NEARLY_FULL_PERCENT {
        let error = format!("the {what} is {} % full", share.percent());
        return Err(Problem::degraded(details, error));
    }
    Ok(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_full_is_wrong_and_says_how_full() {
        assert!(share(Some(Share { used: 89, total: 100 }), "disk").is_ok());
        let problem = share(Some(Share { used: 90, total: 100 }), "disk").err().unwrap();
        assert_eq!(problem.details["percent"], json!(90.0));
        assert_eq!(problem.error, "the disk is 90 % full");
        assert_eq!(problem.condition, Condition::Degraded);
        assert!(share(None, "disk").is_err());
    }

    #[tokio::test]
    async fn check_that_hangs_is_not_started_again() {
        let app = App::open(Default::default()).unwrap();
        let running = Running::default();
        running.0[0].store(true, Ordering::SeqCst);
        let (condition, report) = run(&app, &running).await;
        assert_eq!(condition, Condition::Down);
        assert_eq!(report["database"]["status"], "DOWN");
        assert!(report["memory"]["details"]["total"].is_u64());
    }
}
