//! `healthcheck`: one look at a running server, as an exit code.

use std::io::Write;
use std::time::Duration;

use clap::Args;

use crate::cli::Result;
use crate::cli::client::{Probe, Server};
use crate::cli::flags::Flags;

/// Orchestrators give a probe a few seconds; a slower answer is no health.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Ask only whether the process answers (/health/live), not whether it can serve.
    #[arg(long)]
    live: bool,
    /// Over https, take any certificate.
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    flags: Flags,
}

impl Healthcheck {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        let server = Server::of(&self.flags, self.insecure)?;
        let probe = if self.live { Probe::Live } else { Probe::Ready };
        let who = server.look(probe, PATIENCE)?;
        Ok(writeln!(out, "{who} is well")?)
    }
}
