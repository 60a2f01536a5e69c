//! `wait`: returns when a server answers, or when patience ends.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::Result;
use crate::cli::client::{Probe, Server};
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::config::duration;

/// Between two looks: short beside any start, long beside the cost of a look.
const PAUSE: Duration = Duration::from_millis(20);
/// One look may take this long before the next one.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub struct Wait {
    /// Wait until the server can serve (/health/ready), not only until it answers (/health/live).
    #[arg(long)]
    ready: bool,
    /// Give up after this time, with exit code 1.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// Over https, take any certificate.
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    flags: Flags,
}

impl Wait {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        let server = Server::of(&self.flags, self.insecure)?;
        let (probe, state, lack) = match self.ready {
            true => (Probe::Ready, "is ready", "not ready"),
            false => (Probe::Live, "answers", "no answer"),
        };
        let begun = Instant::now();
        loop {
            let left = self.timeout.saturating_sub(begun.elapsed()).min(LOOK);
            let last = match server.look(probe, left.max(PAUSE)) {
                Ok(who) => return Ok(writeln!(out, "{who} {state}")?),
                Err(last) => last,
            };
            if begun.elapsed() + PAUSE >= self.timeout {
                let waited = begun.elapsed().as_secs_f32();
                let words = format!("{lack} after {waited:.1} s: {last:#}");
                return Err(Failure::failed(words));
            }
            thread::sleep(PAUSE);
        }
    }
}
