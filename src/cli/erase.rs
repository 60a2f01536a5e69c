//! `erase`: people, or other records, for good.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cli::Result;
use crate::cli::admin::in_words;
use crate::cli::control::{self, Order};
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::cli::schema::on_files;
use crate::config;
use crate::config::Config;
use crate::domain::erase::{self, Named};
use crate::store;
use crate::store::Store;
use crate::store::directory;

/// A server copies all of its data before it answers.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What lies in a data directory and is neither the store's nor a stranger's.
const OURS: [&str; 4] = ["control.sock", "holdall.toml", "instance-secret", "lost+found"];

const COPIES: &str =
    "Backups and copies that were made of this directory still have them: erase them too.";

#[derive(Debug, Args)]
pub struct Erase {
    /// The collection, by name or id.
    collection: String,
    /// Ids of records, or addresses of accounts in whatever case.
    #[arg(required = true)]
    who: Vec<String>,
    /// Don't ask. Needed where there is no terminal to answer at.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    flags: Flags,
}

/// What an erasure takes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    records: Vec<Named>,
    /// How many go in all, by collection.
    counts: BTreeMap<String, u64>,
}

impl Erase {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        let config = self.flags.load_with_data()?;
        let (planned, _) = self.carry_out(&config, self.who.clone(), true)?;
        self.announce(&planned, out)?;
        self.confirm()?;
        // Who was shown goes, whatever address they have by now.
        let ids = planned.records.into_iter().map(|record| record.id).collect();
        let (taken, by_server) = self.carry_out(&config, ids, false)?;
        if !by_server {
            renew_state(&config)?;
        }
        report(&taken, by_server, out)?;
        warn_of_copies(&config, out)
    }

    /// Erases, or only finds out what would go: at the server that runs, which is told by the second
    /// answer, or else on its data directory.
    fn carry_out(&self, config: &Config, who: Vec<String>, dry: bool) -> Result<(Taken, bool)> {
        let collection = self.collection.clone();
        let order = Order::EraseRecords { collection, who: who.clone(), dry };
        if let Some(words) = control::ask_patiently(&config.data, &order, PATIENCE)? {
            return Ok((serde_json::from_str(&words).map_err(anyhow::Error::new)?, true));
        }
        if config.store == config::Home::Memory {
            let words = "a store in memory has nothing on disk; records are deleted by its API";
            return Err(Failure::refused(words));
        }
        let taken = on_files(config, |app| erase(app, "erase", &self.collection, &who, dry))?;
        Ok((taken, false))
    }

    fn announce(&self, planned: &Taken, out: &mut dyn Write) -> Result {
        writeln!(out, "To be erased for good:")?;
        for record in &planned.records {
            let email = match &record.email[..] {
                "" => String::new(),
                email => format!(" ({email})"),
            };
            writeln!(out, "  {} {}{email}", self.collection, record.id)?;
        }
        writeln!(out, "with all that goes with them, in all {}", counted(&planned.counts))?;
        writeln!(out, "and all history before now: the journal, and older bases")?;
        Ok(out.flush()?)
    }

    fn confirm(&self) -> Result {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::refused("nothing was erased: say --yes if that is meant"));
        }
        let mut terminal = io::stderr();
        write!(terminal, "Erase for good? [y/N] ")?;
        terminal.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if is_yes(&answer) { Ok(()) } else { Err(Failure::refused("nothing was erased")) }
    }
}

/// Erases records of `collection`, or only finds out what would go. Before that it finishes what an
/// earlier one had to leave.
pub fn erase(app: &App, door: &str, collection: &str, who: &[String], dry: bool) -> Result<Taken> {
    let refused = |error| Failure::Refused(in_words(error).into_cause());
    let store = app.store();
    if store.is_unscrubbed() {
        store.scrub(|| Ok::<_, store::Error>(())).map_err(anyhow::Error::new)?;
    }
    let records = app.glance(|read| erase::find(read, collection, who)).map_err(refused)?;
    let ids: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
    let request = app.operator(door);
    let delete = |tx: &mut store::Tx| erase::erase(tx, &request, collection, &ids);
    // What is refused is refused here, before anything is touched.
    let rehearsed = (0..Store::TRIES).find_map(|_| store.attempt(delete).rehearsed());
    let counts = rehearsed.unwrap_or(Err(store::Error::Conflict.into())).map_err(refused)?;
    if dry {
        return Ok(Taken { records, counts });
    }
    let counts = store.scrub(|| store.write(delete)).map_err(in_words)?;
    tracing::info!("{} were erased, and the history before", counted(&counts));
    Ok(Taken { records, counts })
}

/// Opens the files once more: that makes the state anew, whose free space has what was erased.
fn renew_state(config: &Config) -> Result {
    on_files(config, |app| match app.store().has_unscrubbed_state() {
        false => Ok(()),
        true => Err(Failure::failed("erased, but not yet from the free space of the state")),
    })
}

fn report(taken: &Taken, by_server: bool, out: &mut dyn Write) -> Result {
    writeln!(out, "erased: {}", counted(&taken.counts))?;
    let words = match by_server {
        true => {
            "Journal and bases have nothing of it any more; the free space of the state is cleared \
             when the server starts next."
        }
        false => "Nothing of it is left in the data directory.",
    };
    Ok(writeln!(out, "{words}")?)
}

fn warn_of_copies(config: &Config, out: &mut dyn Write) -> Result {
    writeln!(out, "{COPIES}")?;
    let mut strangers = directory::strangers(&config.data)?;
    strangers.retain(|name| !OURS.contains(&&name[..]));
    if !strangers.is_empty() {
        writeln!(out, "Not looked into, though it is in there: {}", strangers.join(", "))?;
    }
    Ok(())
}

/// `2 of posts, 1 of users`
fn counted(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} of {name}")).collect();
    counts.join(", ")
}

fn is_yes(answer: &str) -> bool {
    matches!(&answer.trim().to_lowercase()[..], "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (answer, expected) in [("y\n", true), ("YES", true), ("", false), ("\n", false)] {
            assert_eq!(is_yes(answer), expected, "{answer:?}");
        }
        assert!(!is_yes("yesterday") && !is_yes("no"));
    }
}
