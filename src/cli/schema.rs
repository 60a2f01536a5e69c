//! `schema`: collections as files, held against those of a server, or made them.

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::app::App;
use crate::cli::Result;
use crate::cli::admin::{self, in_words};
use crate::cli::control::{self, Order};
use crate::cli::definitions::{self, Definition};
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::config::Config;
use crate::domain::Error;
use crate::domain::collections;
use crate::domain::collections::blueprint::{self, Outcome, Plan};
use crate::domain::schema::Schema;
use crate::domain::typescript;

/// Shown where a plan would lose data.
const HOW_TO_LOSE: &str = "If that is meant, allow it with --schema-allow-data-loss or \
                           HOLDALL_SCHEMA_ALLOW_DATA_LOSS=true";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print what applying the files would change.
    Diff(Diff),
    /// Write the collections as JSON: a file for each into a directory, or all to standard output.
    Export(Export),
    /// Make the collections what the files say. What they don't list is dropped, unless that would
    /// lose data. The system's own collections, and users, stay when they are not listed.
    Apply(Apply),
}

#[derive(Debug, Args)]
pub struct Diff {
    /// A file, or a directory of `.json` files [default: the setting `schema`].
    path: Option<PathBuf>,
    /// End with exit code 1 when there are differences; 2 when that could not be found out.
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The directory to write to. Files of collections that are no more are removed.
    directory: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub struct Apply {
    /// A file, or a directory of `.json` files [default: the setting `schema`].
    path: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

impl Command {
    pub fn run(&self, out: &mut dyn Write) -> Result {
        match self {
            Self::Diff(Diff { path, exit_code, flags }) => {
                let config = flags.load_with_data()?;
                // 1 says that there are differences, and nothing else; nothing was touched.
                let plan =
                    change(&config, path.as_ref(), true).map_err(|failure| match failure {
                        Failure::Failed(cause) => Failure::Refused(cause),
                        other => other,
                    })?;
                tell(&plan, "the schema is as the files say", out)?;
                if *exit_code && !plan.lines.is_empty() {
                    return Err(Failure::failed("the schema is not as the files say"));
                }
                Ok(())
            }
            Self::Export(Export { directory, flags }) => {
                let definitions = exported(&flags.load_with_data()?)?;
                match directory {
                    Some(directory) => {
                        for line in definitions::write(directory, &definitions)? {
                            writeln!(out, "{line}")?;
                        }
                    }
                    None => {
                        let listed = definitions.into_iter().map(Value::Object);
                        writeln!(out, "{:#}", Value::Array(listed.collect()))?;
                    }
                }
                Ok(())
            }
            Self::Apply(Apply { path, flags }) => {
                let config = flags.load_with_data()?;
                let plan = change(&config, path.as_ref(), false)?;
                tell(&plan, "the schema is as the files say already", out)
            }
        }
    }
}

fn tell(plan: &Plan, unchanged: &str, out: &mut dyn Write) -> Result {
    if plan.lines.is_empty() {
        writeln!(out, "{unchanged}")?;
    }
    for line in &plan.lines {
        writeln!(out, "{line}")?;
    }
    for loss in &plan.losses {
        writeln!(out, "! {loss}")?;
    }
    Ok(())
}

/// Applies the files, or only finds out what that would change: at the server that runs, or else on
/// its data directory.
fn change(config: &Config, path: Option<&PathBuf>, dry: bool) -> Result<Plan> {
    let Some(path) = path.or(config.schema.as_ref()) else {
        let words = "say which files: a path, --schema or HOLDALL_SCHEMA";
        return Err(Failure::refused(words));
    };
    let definitions = definitions::read(path)?;
    let may_lose = config.schema_allow_data_loss;
    let order = Order::ApplySchema { definitions: definitions.clone(), may_lose, dry };
    if let Some(words) = control::ask(&config.data, &order)? {
        let told: (Vec<String>, Vec<String>) =
            serde_json::from_str(&words).map_err(anyhow::Error::new)?;
        return Ok(Plan { lines: told.0, losses: told.1 });
    }
    on_files(config, |app| apply(app, &definitions, may_lose, dry))
}

fn exported(config: &Config) -> Result<Vec<Definition>> {
    match control::ask(&config.data, &Order::ExportSchema)? {
        Some(words) => Ok(serde_json::from_str(&words).map_err(anyhow::Error::new)?),
        None => on_files(config, export),
    }
}

/// Does `work` on a data directory that is there and that no server has open.
pub fn on_files<T>(config: &Config, work: impl FnOnce(&App) -> Result<T>) -> Result<T> {
    if !config.data.join("FORMAT").exists() {
        let words = format!("there is no store in {}", config.data.display());
        return Err(Failure::refused(words));
    }
    admin::work(config, work)
}

/// The collections of `app` that are the team's own.
pub fn export(app: &App) -> Result<Vec<Definition>> {
    let request = app.operator("schema");
    app.glance(|read| collections::export(read, &request.caller)).map_err(in_words)
}

/// The collections of `app`, as TypeScript.
pub fn types(app: &App) -> Result<String> {
    let schema = app.glance(|read| Schema::load(read)).map_err(in_words)?;
    Ok(typescript::print(&schema))
}

/// Makes the collections of `app` what `definitions` say, or only finds out what that would change.
/// Refused as a whole where it would lose data that nobody allowed it to lose.
pub fn apply(app: &App, definitions: &[Definition], may_lose: bool, dry: bool) -> Result<Plan> {
    let request = app.operator("schema");
    let planned = RefCell::new(Plan::default());
    let undone = || Error::Bad("nothing was to be done".to_owned());
    let applied = app.store().write(|tx| {
        let may_lose = may_lose || dry;
        let outcome = blueprint::apply(tx, &request.caller, definitions, may_lose, request.now_ms)?;
        let lost = matches!(outcome, Outcome::WouldLose(_));
        let (Outcome::Done(plan) | Outcome::WouldLose(plan)) = outcome;
        let losses = plan.losses.join(", ");
        planned.replace(plan);
        match (lost, dry) {
            (true, _) => Err(Error::Bad(format!("{losses}. {HOW_TO_LOSE}"))),
            (false, true) => Err(undone()),
            (false, false) => Ok(()),
        }
    });
    match applied {
        Ok(()) => {
            let problems = app.settle_all_indexes().map_err(in_words)?;
            let refused = "some records are alike in a new unique index, which was dropped again";
            problems.check(refused).map_err(in_words)?;
            Ok(planned.into_inner())
        }
        Err(Error::Bad(words)) if dry && words == undone().to_string() => Ok(planned.into_inner()),
        Err(error) => {
            let cause = in_words(error).into_cause();
            Err(Failure::Refused(cause.context("the schema was left as it is")))
        }
    }
}

/// Applies the files that the settings name, before anything is served.
pub fn at_start(app: &App, config: &Config) -> Result {
    let Some(path) = &config.schema else { return Ok(()) };
    let definitions = definitions::read(path)?;
    let plan = apply(app, &definitions, config.schema_allow_data_loss, false)?;
    let path = path.display();
    if plan.lines.is_empty() {
        tracing::info!("the schema is as {path} says already");
    }
    for line in &plan.lines {
        tracing::info!("schema: {line}");
    }
    for loss in &plan.losses {
        tracing::warn!("schema: {loss}");
    }
    Ok(())
}
