//! `store`: looks after the data directory, while no server has it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::cli::Result;
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::cli::serve::HALTED;
use crate::config;
use crate::domain::derive::Derive;
use crate::store::{Home, Options, Store};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check journal, base, and every record, index entry and count. Exit code 1 if anything is
    /// wrong, or was and had to be mended before it could be checked. Stop the server first.
    Check(Where),
    /// Make the state anew from base and journal, if those are sound. The old one is set aside, not
    /// deleted. Stop the server first.
    Rebuild(Where),
}

#[derive(Debug, Args)]
pub struct Where {
    #[command(flatten)]
    flags: Flags,
}

impl Command {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        match self {
            Self::Check(at) => check(&at.options()?, out),
            Self::Rebuild(at) => {
                let options = at.options()?;
                Store::forget_state(&options)?;
                writeln!(
                    out,
                    "the old state is set aside, as `state.old-1` in the data directory"
                )?;
                check(&options, out)
            }
        }
    }
}

impl Where {
    fn options(&self) -> Result<Options> {
        let config = self.flags.load_with_data()?;
        if config.store == config::Home::Memory {
            return Err(Failure::refused("a store in memory has no files to look after"));
        }
        let path: PathBuf = config.data.clone();
        // One that lost its marker is told so by whoever opens it.
        let is_there = |name: &str| path.join(name).try_exists();
        let parts = ["FORMAT", "journal", "state", "base"].map(is_there);
        if let Some(error) = parts.iter().find_map(|part| part.as_ref().err()) {
            return Err(Failure::refused(format!("cannot look into {}: {error}", path.display())));
        }
        if !parts.into_iter().any(|part| part.unwrap_or(false)) {
            return Err(Failure::refused(format!("there is no store in {}", path.display())));
        }
        Ok(Options {
            // A check changes no more than it has to.
            makes_bases: false,
            on_fatal: Arc::new(|cause| {
                eprintln!("error: {cause}");
                std::process::exit(HALTED);
            }),
            ..Options::new(Home::Files(path), Arc::new(Derive))
        })
    }
}

fn check(options: &Options, out: &mut dyn Write) -> Result {
    let store = Store::open(options.clone())?;
    let report = store.check().map_err(|error| Failure::failed(error.to_string()))?;
    store.close();
    writeln!(
        out,
        "{} groups of the journal, {} bases, {} keys, {} index entries and counts",
        report.groups, report.bases, report.keys, report.derived
    )?;
    let mended = store.mended();
    for problem in mended.as_deref().into_iter().chain(report.problems()) {
        writeln!(out, "wrong: {problem}")?;
    }
    Err(Failure::failed(match (&report.unreliable[..], &report.wrong[..], mended) {
        ([], [], _) if !report.damaged.is_empty() => {
            "a base is damaged, and the journal has everything: `holdall serve` makes a new base, \
             about a minute after its start"
        }
        ([], [], None) => return Ok(writeln!(out, "all is well")?),
        ([], [], Some(_)) => "the store was not sound; it is now",
        ([], _, _) => "the state is not sound; `holdall store rebuild` makes it anew",
        (_, [], _) => {
            "base and journal do not add up to the state, which has everything: `holdall serve` \
             makes a new base of it, about a minute after its start"
        }
        (_, _, _) => "neither the state nor base and journal are sound; restore a backup",
    }))
}
