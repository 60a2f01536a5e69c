//! The side door: a file per command. The doc comments of the commands are the help.

use std::io::{self, ErrorKind, StdoutLock, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub mod admin;
mod bind;
mod client;
mod commands;
mod completions;
mod config;
mod control;
mod definitions;
mod erase;
mod exec;
mod failure;
mod flags;
mod group;
mod healthcheck;
mod keys;
mod log_level;
mod password;
mod schema;
mod scratch;
mod seed;
mod serve;
mod stop;
mod store;
mod surroundings;
mod types;
mod version;
mod wait;
mod watchdog;

use crate::config::closest;
use failure::Failure;

type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// The whole staging stack in one binary: single-page application, JSON API, accounts, data.
///
/// `holdall serve` runs it; it needs no configuration, no account and nothing else installed.
/// Whatever is not said has a default that is right for a developer's machine.
#[derive(Debug, Parser)]
#[command(name = "holdall", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0      done
  1      failed while running
  2      refused before touching anything: line, settings, a locked directory, a newer store
  70     the store must stop: its disk can no longer be trusted
  128+n  ended at once by signal n, the second one that asked a server to stop

`holdall help COMMAND` says more about each command.";

/// What those commands want to know that are not about all settings. They take the others too, which
/// may stand in a script's line, but nobody has to read about them.
const CONCERNS: [(&str, &[&str]); 9] = [
    ("admin", &["data"]),
    ("store", &["data"]),
    ("schema", &["data", "schema", "schema_allow_data_loss"]),
    ("erase", &["data"]),
    ("types", &["data", "schema"]),
    ("keys", &["data"]),
    ("healthcheck", &["data", "url", "listen", "tls", "tls_cert", "tls_key"]),
    ("log-level", &["data"]),
    ("wait", &["data", "url", "listen", "tls", "tls_cert", "tls_key"]),
];

/// What `exec` refuses or decides itself, and what only matters to a server that others reach or that
/// ends in order.
const NOT_OF_EXEC: [&str; 6] =
    ["data", "store", "url", "metrics.listen", "shutdown.delay", "shutdown.deadline"];

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Serve),
    /// Run a command beside a throw-away instance: `holdall exec -- npm test`.
    Exec(exec::Exec),
    /// Create superusers and change their passwords.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Look after the data directory: check it, make its state anew.
    #[command(subcommand)]
    Store(store::Command),
    /// Collections as code: what files would change, make it so, write them.
    #[command(subcommand)]
    Schema(schema::Command),
    /// Erase people, or other records, for good.
    ///
    /// Deletes records with all that goes with them, and then the history: nothing of their values
    /// stays in the data directory. Works beside a running server too.
    Erase(erase::Erase),
    /// Print the collections as types of a programming language.
    #[command(subcommand)]
    Types(types::Command),
    /// Rotate the keys that tokens are signed with.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Ask a running server whether it is ready; for images that have no curl.
    ///
    /// With --data, the server that holds this directory, whatever its port; with --url or --listen,
    /// the one at this address.
    Healthcheck(healthcheck::Healthcheck),
    /// Tell or change what a running server writes to its log.
    LogLevel(log_level::LogLevel),
    /// Wait until a server answers.
    ///
    /// With --data, the server that holds this directory, whatever its port; with --url or --listen,
    /// the one at this address.
    Wait(wait::Wait),
    /// Look at the settings: what is in force, whether it would do, what there is.
    #[command(subcommand)]
    Config(config::Command),
    /// Print a script that completes commands and flags in a shell.
    Completions(completions::Completions),
    /// Print the reference of all commands, as Markdown.
    Commands,
    /// Print which version this is.
    Version(version::Version),
}

/// Reads the line, runs the command, and returns the exit code.
pub fn main() -> ExitCode {
    let read = command().try_get_matches().and_then(|line| Cli::from_arg_matches(&line));
    let cli = match read {
        Ok(cli) => cli,
        Err(error) => return not_understood(error),
    };
    let mut out = Out { to: io::stdout().lock(), is_left: false };
    let done = cli.run(&mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        Ok(code) => code,
        // Whoever was reading us has read enough: `holdall config show | head -1`.
        Err(_) if out.is_left => ExitCode::SUCCESS,
        Err(failure) => {
            // A closed stderr is no reason to panic.
            let _ = writeln!(io::stderr(), "holdall: {failure}");
            failure.exit_code()
        }
    }
}

/// Standard output, and whether whoever read it has left. That a server hung up is told by the same
/// error, and means something else.
struct Out {
    to: StdoutLock<'static>,
    is_left: bool,
}

impl Out {
    fn note<T>(&mut self, written: io::Result<T>) -> io::Result<T> {
        let left = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
        self.is_left |= written.as_ref().err().is_some_and(left);
        written
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        self.note(flushed)
    }
}

/// Help is no error; a line that is not understood is one, and `exec` has a code of its own for it.
fn not_understood(mut error: clap::Error) -> ExitCode {
    for (said, meant) in [
        (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
    ] {
        if !is_close(error.get(said), error.get(meant)) {
            error.remove(meant);
        }
    }
    let _ = error.print();
    let is_exec = std::env::args_os().nth(1).is_some_and(|word| word == "exec");
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if is_exec => ExitCode::from(exec::NOT_STARTED),
        _ => ExitCode::from(2),
    }
}

/// clap finds names alike that nobody would take for each other.
fn is_close(said: Option<&ContextValue>, meant: Option<&ContextValue>) -> bool {
    let Some(ContextValue::String(said)) = said else { return true };
    let is_close = |meant: &String| {
        closest::is_close(said.trim_start_matches('-'), meant.trim_start_matches('-'))
    };
    match meant {
        Some(ContextValue::String(meant)) => is_close(meant),
        Some(ContextValue::Strings(meant)) => meant.iter().any(is_close),
        _ => true,
    }
}

/// All commands, each with the settings that concern it.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| {
        if command.get_name() == "exec" {
            return flags::hide(&NOT_OF_EXEC, command);
        }
        let concern = CONCERNS.iter().find(|(name, _)| *name == command.get_name());
        match concern {
            Some((_, settings)) => flags::show_only(settings, command),
            None => command,
        }
    })
}

impl Cli {
    fn run(self, out: &mut dyn Write) -> Result<ExitCode> {
        match self.command {
            Command::Serve(serve) => serve.run()?,
            Command::Exec(exec) => return exec.run(),
            Command::Admin(admin) => admin.run(out)?,
            Command::Store(store) => store.run(out)?,
            Command::Schema(schema) => schema.run(out)?,
            Command::Erase(erase) => erase.run(out)?,
            Command::Types(types) => types.run(out)?,
            Command::Keys(keys) => keys.run(out)?,
            Command::Healthcheck(healthcheck) => healthcheck.run(out)?,
            Command::LogLevel(log_level) => log_level.run(out)?,
            Command::Wait(wait) => wait.run(out)?,
            Command::Config(config) => config.run(out)?,
            Command::Completions(completions) => completions.run(out)?,
            Command::Commands => commands::run(out)?,
            Command::Version(version) => version.run(out)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
