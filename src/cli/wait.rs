//! `wait`: returns when a server answers, or when patience ends.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::cli::{Result, client};
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
    #[command(flatten)]
    flags: Flags,
}

impl Wait {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        let url = client::base_url(&self.flags.load()?);
        let path = if self.ready { "/health/ready" } else { "/health/live" };
        let begun = Instant::now();
        loop {
            let left = self.timeout.saturating_sub(begun.elapsed()).min(LOOK);
            let last = match client::status(&url, path, left.max(PAUSE)) {
                Ok(200) => return Ok(writeln!(out, "{url} is ready")?),
                Ok(status) => format!("it answered {status}"),
                Err(error) => format!("{error:#}"),
            };
            if begun.elapsed() + PAUSE >= self.timeout {
                let waited = begun.elapsed().as_secs_f32();
                let words = format!("{url} was not ready after {waited:.1} s: {last}");
                return Err(Failure::failed(words));
            }
            thread::sleep(PAUSE);
        }
    }
}
