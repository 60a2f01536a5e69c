//! Logs: what is said anywhere in the house becomes lines, for machines (JSON) or people.
//!
//! Process-wide. Every line has `timestamp`, `level`, `message`, `service`, `version`, and
//! `request_id` when it is said on behalf of a request, wherever that work is done.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::telemetry::line::{Access, Fields, Format};
use crate::telemetry::writer::Writer;

/// What other people's crates say below warnings is about themselves, not about us.
const OTHERS: &str = "hyper=warn,h2=warn,sled=warn,rustls=warn,tokio=warn";

static LOGS: OnceLock<Logs> = OnceLock::new();

/// The logs of this process.
pub struct Logs {
    writer: Writer,
    format: Format,
    level: Mutex<String>,
    /// Whether access lines, which say `info`, are wanted now.
    access: AtomicBool,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// A level or filter that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("no such log level: {0:?} (use error, warn, info, debug, trace, or target=level,…)")]
pub struct UnknownLevel(String);

/// Starts the logs of this process. The first caller decides; later ones change nothing.
pub fn start(
    format: Format,
    level: &str,
    out: Box<dyn Write + Send>,
) -> Result<&'static Logs, UnknownLevel> {
    let filter = filter(level)?;
    let access = AtomicBool::new(wants_access(&filter));
    let mut made = None;
    let logs = LOGS.get_or_init(|| {
        let (filter, handle) = reload::Layer::new(filter);
        made = Some(filter);
        let level = Mutex::new(level.to_owned());
        Logs { writer: Writer::start(out), format, level, access, filter: handle }
    });
    if let Some(filter) = made {
        // Fails only where a host program has its own subscriber, which then hears everything.
        let _ = tracing_subscriber::registry().with(filter).with(Lines).try_init();
    }
    Ok(logs)
}

/// Refuses a level that [`Logs::set_level`] would refuse.
pub fn check_level(level: &str) -> Result<(), UnknownLevel> {
    filter(level).map(drop)
}

/// The logs of this process, once started.
pub fn current() -> Option<&'static Logs> {
    LOGS.get()
}

impl Logs {
    /// Changes what is logged from now on. What `say` says at `info` is heard whatever the level
    /// was and will be: it explains a log that falls silent.
    pub fn set_level(&self, level: &str, say: impl FnOnce()) -> Result<(), UnknownLevel> {
        let wanted = filter(level)?;
        let unknown = |_| UnknownLevel(level.to_owned());
        self.filter.reload(filter("info")?).map_err(unknown)?;
        say();
        self.access.store(wants_access(&wanted), Ordering::Relaxed);
        self.filter.reload(wanted).map_err(unknown)?;
        *self.level.lock() = level.to_owned();
        Ok(())
    }

    /// The level as it was last set.
    pub fn level(&self) -> String {
        self.level.lock().clone()
    }

    /// Returns when everything said so far is written.
    pub fn flush(&self) {
        self.writer.flush();
    }
}

/// Writes the line of one answered request. Past the subscriber: it is most of all lines, and
/// its shape is known.
pub fn access(access: &Access<'_>) {
    let Some(logs) = LOGS.get() else { return };
    if logs.access.load(Ordering::Relaxed) {
        logs.format.access(access, |line| logs.writer.line(line));
    }
}

/// Whether anybody would read an access line now.
pub fn wants_access_lines() -> bool {
    LOGS.get().is_some_and(|logs| logs.access.load(Ordering::Relaxed))
}

fn filter(level: &str) -> Result<EnvFilter, UnknownLevel> {
    let level = level.trim();
    let known = |part: &str| {
        let level = part.rsplit('=').next().unwrap_or_default();
        ["error", "warn", "info", "debug", "trace", "off"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(level.trim()))
    };
    if !level.split(',').all(known) {
        return Err(UnknownLevel(level.to_owned()));
    }
    // What is said last wins, so that others can be asked for by name.
    let (first, rest) = level.split_once(',').unwrap_or((level, ""));
    let directives = if rest.is_empty() && !first.contains('=') {
        format!("{first},{OTHERS}")
    } else {
        format!("{OTHERS},{level}")
    };
    EnvFilter::try_new(directives).map_err(|_| UnknownLevel(level.to_owned()))
}

fn wants_access(filter: &EnvFilter) -> bool {
    Layer::<Registry>::max_level_hint(filter).is_none_or(|hint| hint >= Level::INFO)
}

/// Turns events into lines.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(logs) = LOGS.get() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        logs.format.event(event.metadata().level(), &fields, |line| logs.writer.line(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_are_understood_and_typing_errors_are_not() {
        for level in ["info", "DEBUG", "off", "info,holdall::store=debug", "sled=debug"] {
            assert!(filter(level).is_ok(), "{level}");
        }
        for level in ["", "loud", "info,holdall=loud", "verbose=3"] {
            assert!(filter(level).is_err(), "{level}");
        }
    }

    #[test]
    fn access_lines_are_for_those_who_asked_for_info() {
        assert!(wants_access(&filter("info").unwrap()));
        assert!(!wants_access(&filter("error").unwrap()));
    }
}
