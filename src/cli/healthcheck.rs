//! `healthcheck`: one look at a running server, as an exit code.

use std::io::Write;
use std::time::Duration;

use clap::Args;

use crate::cli::control::{self, Order};
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
        let config = self.flags.load()?;
        if config.tls.is_some() && config.url.is_none() {
            // No certificate is worth checking on the way to ourselves: the socket has none.
            return match control::ask(&config.data, &Order::Ready)? {
                Some(words) => Ok(writeln!(out, "{words}")?),
                None => {
                    Err(Failure::failed(format!("no server runs in {}", config.data.display())))
                }
            };
        }
        let url = client::base_url(&config);
        let path = if self.live { "/health/live" } else { "/health/ready" };
        match client::status(&url, path, PATIENCE) {
            Ok(200) => Ok(writeln!(out, "{url} is well")?),
            Ok(status) => Err(Failure::failed(format!("{url}{path} answered {status}"))),
            Err(error) => Err(Failure::Failed(error.context(format!("cannot ask {url}{path}")))),
        }
    }
}
