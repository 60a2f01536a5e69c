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

/// What a check found: details, or why it failed with them.
type Outcome = Result<Value, (Value, String)>;

/// One thing to check.
struct Check {
    name: &'static str,
    /// Without it nothing can be answered, so the answer is "down" and not "degraded".
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
    let outcomes =
        CHECKS.iter().enumerate().map(|(at, check)| outcome(app, running, at, check.run));
    let outcomes = futures_util::future::join_all(outcomes).await;
    let mut condition = Condition::Up;
    let mut report = Map::new();
    for (check, outcome) in CHECKS.iter().zip(outcomes) {
        let entry = match outcome {
            Ok(details) => json!({ "status": "UP", "details": details }),
            Err((details, error)) => {
                let found = if check.is_vital { Condition::Down } else { Condition::Degraded };
                condition = condition.max(found);
                json!({ "status": "DOWN", "details": details, "error": error })
            }
        };
        report.insert(check.name.to_owned(), entry);
    }
    (condition, report)
}

async fn outcome(app: &App, running: &Running, at: usize, run: fn(&App) -> Outcome) -> Outcome {
    let late = || Err((json!({}), format!("no answer within {} s", CHECK_TIME.as_secs())));
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
        Ok(Err(_panic)) => Err((json!({}), "the check itself failed".to_owned())),
        Err(_) => late(),
    }
}

fn database(app: &App) -> Outcome {
    match app.store().snapshot().get(ANY_KEY) {
        Ok(_) => Ok(json!({ "home": app.home_name() })),
        Err(error) => {
            tracing::error!(%error, "the store does not answer");
            Err((json!({}), "the store does not answer".to_owned()))
        }
    }
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
        return Err((json!({}), format!("the {what} can't be measured")));
    };
    let details = json!({
        "total": share.total,
        "used": share.used,
        "free": share.free(),
        "percent": share.percent(),
    });
    if share.percent() >= NEARLY_FULL_PERCENT {
        return Err((details, format!("the {what} is {} % full", share.percent())));
    }
    Ok(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_full_is_wrong_and_says_how_full() {
        assert!(share(Some(Share { used: 89, total: 100 }), "disk").is_ok());
        let (details, error) = share(Some(Share { used: 90, total: 100 }), "disk").unwrap_err();
        assert_eq!((&details["percent"], &details["free"]), (&json!(90.0), &json!(10)));
        assert_eq!(error, "the disk is 90 % full");
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
