//! `log-level`: tells or changes what a running server writes to its log.

use std::io::Write;

use clap::Args;

use crate::cli::Result;
use crate::cli::control::{self, Order};
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::telemetry::logs;

#[derive(Debug, Args)]
pub struct LogLevel {
    /// error, warn, info, debug, trace or off; parts of the program may differ, as in
    /// `info,holdall::store=debug`. Without it, the level in force is printed.
    level: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

impl LogLevel {
    pub fn run(self, out: &mut dyn Write) -> Result {
        if let Some(level) = &self.level {
            logs::check_level(level).map_err(|error| Failure::Refused(error.into()))?;
        }
        self.flags.refuse_url()?;
        let data = self.flags.load_to_ask()?.data;
        match control::ask(&data, &Order::LogLevel { level: self.level })? {
            Some(words) => Ok(writeln!(out, "{words}")?),
            None => Err(Failure::failed(control::why_nobody(&data))),
        }
    }
}

/// What the server does about it.
pub fn set(level: Option<&str>, door: &str) -> Result<String> {
    let Some(logs) = logs::current() else {
        return Err(Failure::failed("this server has no log"));
    };
    if let Some(level) = level {
        let user = format!("cli:{door}");
        let say = || tracing::info!(user.name = user, "the log level is {level} now");
        logs.set_level(level, say).map_err(|error| Failure::Refused(error.into()))?;
    }
    Ok(logs.level())
}
