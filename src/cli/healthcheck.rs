//! `healthcheck`: one look at a running server, as an exit code.

use std::io::Write;
use std::time::Duration;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::cli::{Result, client};

/// Orchestrators give a probe a few seconds; a slower answer is no health.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Ask only whether the process answers (/health/live), not whether it can serve.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    flags: Flags,
}

impl Healthcheck {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        let url = client::base_url(&self.flags.load()?);
        let path = if self.live { "/health/live" } else { "/health/ready" };
        match client::status(&url, path, PATIENCE) {
            Ok(200) => Ok(writeln!(out, "{url} is well")?),
            Ok(status) => Err(Failure::failed(format!("{url}{path} answered {status}"))),
            Err(error) => Err(Failure::Failed(error.context(format!("cannot ask {url}{path}")))),
        }
    }
}
