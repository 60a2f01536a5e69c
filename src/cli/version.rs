//! `version`: which version this is, for people and for programs.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::cli::Result;

#[derive(Debug, Args)]
pub struct Version {
    /// Print one JSON object: version, commit, dirty, date, features.
    #[arg(long)]
    json: bool,
}

impl Version {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        let number = env!("CARGO_PKG_VERSION");
        let commit = option_env!("HOLDALL_COMMIT").filter(|commit| !commit.is_empty());
        let date = option_env!("HOLDALL_DATE").filter(|date| !date.is_empty());
        let dirty = option_env!("HOLDALL_DIRTY") == Some("true");
        if self.json {
            let version = json!({
                "version": number,
                "commit": commit,
                "dirty": dirty,
                "date": date,
                "features": ["files", "memory"],
            });
            writeln!(out, "{version}")?;
            return Ok(());
        }
        write!(out, "holdall {number}")?;
        if let Some(commit) = commit {
            let changed = if dirty { ", with changes" } else { "" };
            write!(out, " ({commit}{changed}")?;
            match date {
                Some(date) => write!(out, ", {date})")?,
                None => write!(out, ")")?,
            }
        }
        writeln!(out)?;
        Ok(())
    }
}
