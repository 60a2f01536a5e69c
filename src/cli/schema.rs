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
use crate::domain::collections::blueprint::{self, Outcome, Plan};
use crate::domain::collections::{self, Ahead};
use crate::domain::schema::Schema;
use crate::domain::typescript;
use crate::store::Tx;

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
/// Refused as a whole where it would lose data that nobody allowed it to lose, or where some records
/// are alike in a new unique index.
pub fn apply(app: &App, definitions: &[Definition], may_lose: bool, dry: bool) -> Result<Plan> {
    let plan = write(app, definitions, may_lose || dry, true)?;
    if dry {
        return Ok(plan);
    }
    if plan.lines.is_empty() {
        return settle(app).map(|()| plan);
    }
    let request = app.operator("schema");
    let begin = |tx: &mut Tx| blueprint::ahead(tx, &request.caller, definitions, request.now_ms);
    let ahead = app.store().write(begin).map_err(in_words)?;
    let done = settle(app)
        .and_then(|()| write(app, definitions, may_lose, false))
        .and_then(|plan| settle(app).map(|()| plan));
    if done.is_err() {
        for Ahead { before, .. } in &ahead {
            let take_back = |tx: &mut Tx| collections::take_back(tx, before, request.now_ms);
            app.store().write(take_back).map_err(in_words)?;
        }
        app.settle_all_indexes().map_err(in_words)?;
    }
    done
}

fn settle(app: &App) -> Result {
    let problems = app.settle_all_indexes().map_err(in_words)?;
    problems.check("some records are alike in a new unique index").map_err(left_as_it_is)
}

/// Does what `definitions` say in one transaction, which is given up again if it is a rehearsal.
fn write(app: &App, definitions: &[Definition], may_lose: bool, rehearse: bool) -> Result<Plan> {
    let request = app.operator("schema");
    let planned = RefCell::new(Plan::default());
    let undone = || Error::Bad("nothing was to be done".to_owned());
    let applied = app.store().write(|tx| {
        let outcome = blueprint::apply(tx, &request.caller, definitions, may_lose, request.now_ms)?;
        let lost = matches!(outcome, Outcome::WouldLose(_));
        let (Outcome::Done(plan) | Outcome::WouldLose(plan)) = outcome;
        let losses = plan.losses.join(", ");
        planned.replace(plan);
        match (lost, rehearse) {
            (true, _) => Err(Error::Bad(format!("{losses}. {HOW_TO_LOSE}"))),
            (false, true) => Err(undone()),
            (false, false) => Ok(()),
        }
    });
    match applied {
        Ok(()) => Ok(planned.into_inner()),
        Err(Error::Bad(words)) if rehearse && words == undone().to_string() => {
            Ok(planned.into_inner())
        }
        Err(error) => Err(left_as_it_is(error)),
    }
}

fn left_as_it_is(error: Error) -> Failure {
    Failure::Refused(in_words(error).into_cause().context("the schema was left as it is"))
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
