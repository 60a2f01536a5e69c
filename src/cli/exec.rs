//! `exec`: a throw-away instance for as long as one command runs.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio::process::Command;

use crate::app::App;
use crate::auth::random;
use crate::cli::bind::bind;
use crate::cli::control::Desk;
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::cli::group::{self, Signals};
use crate::cli::scratch::Scratch;
use crate::cli::watchdog::Watchdog;
use crate::cli::{Result, schema, seed, serve, surroundings};
use crate::config::secret::Secret;
use crate::config::{Admin, Config, Home, LogLevel};
use crate::http::serve::Door;

/// What CMD signs in with, unless the settings name another superuser.
const ADMIN_EMAIL: &str = "admin@example.com";
const PASSWORD_LENGTH: usize = 32;

/// Codes as those of env(1), nohup(1) and shells.
pub const NOT_STARTED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Exec {
    /// Create the records in `COLLECTION.json` or `.jsonl` of this directory; `10-COLLECTION.json`
    /// comes before `20-COLLECTION.json`.
    #[arg(long, value_name = "DIR")]
    seed: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// The command to run, and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

const AFTER_HELP: &str = "\
The instance keeps everything in memory, listens on a free port, and answers before CMD starts. CMD
finds HOLDALL_URL, HOLDALL_ADMIN_EMAIL and HOLDALL_ADMIN_PASSWORD in its environment, and its own
commands of Holdall, such as `holdall admin create`, find the instance by HOLDALL_DATA. Standard
output belongs to CMD alone; Holdall says warnings on standard error.

POST HOLDALL_URL/api/test/reset makes everything again what it was when CMD started, in no time.

With --schema, the instance has the collections in those files; --seed fills them.

Signals are passed on to the process group of CMD, and nothing of that group outlives Holdall.

Exit codes: that of CMD, 128+n when CMD ended by signal n, 125 when Holdall could not start, 126
when CMD cannot be executed, 127 when there is no such command.

Example:
  holdall exec -- npm test";

impl Exec {
    pub fn run(self) -> Result<ExitCode> {
        // Forks, so it comes before there is any other thread.
        let scratch = Scratch::new();
        let watchdog = Watchdog::start(scratch.path()).context("cannot start the watchdog");
        let watchdog = watchdog.map_err(|error| Failure::Exec(error, NOT_STARTED))?;
        let config = self.settings().map_err(not_started)?;
        serve::start_logs(&config).map_err(not_started)?;
        surroundings::check(&config).map_err(not_started)?;
        for doubt in surroundings::doubts(&config) {
            tracing::warn!("{doubt}");
        }
        let runtime = serve::runtime(&config).map_err(not_started)?;
        // The command is started by this thread, which lives as long as this process: the kernel
        // sends the death signal when the thread ends that started the command.
        let ended = runtime.block_on(self.serve_and_run(&config, watchdog, &scratch));
        runtime.shutdown_background();
        serve::flush_logs();
        ended
    }

    /// The settings, but for what makes an instance throw-away.
    fn settings(&self) -> Result<Config> {
        for key in ["store", "data"] {
            if self.flags.has(key) {
                let words =
                    format!("--{key} has no place here: a throw-away instance keeps nothing");
                return Err(Failure::refused(words));
            }
        }
        let mut flags = self.flags.clone();
        flags.set("store", "memory");
        if !flags.has("listen") {
            flags.set("listen", &format!("{}:0", Ipv4Addr::LOCALHOST));
        }
        let (mut config, found) = Config::load_with_origins(&flags.sources())?;
        // A line for each request is not what a test run wants to read.
        if found.text("log.level").is_none() && !config.debug {
            config.log_level = LogLevel::Warn;
        }
        debug_assert_eq!(config.store, Home::Memory);
        config.admin.get_or_insert_with(|| Admin {
            email: ADMIN_EMAIL.to_owned(),
            password: Secret::new(random::text(random::MIXED, PASSWORD_LENGTH)),
        });
        Ok(config)
    }

    async fn serve_and_run(
        &self,
        config: &Config,
        watchdog: Watchdog,
        scratch: &Scratch,
    ) -> Result<ExitCode> {
        let signals = Signals::listen().map_err(|error| not_started(error.into()))?;
        let listener = bind(config.listen).map_err(not_started)?;
        let address = listener.local_addr().map_err(|error| not_started(error.into()))?;
        let tls = serve::tls(config).map_err(not_started)?;
        let url = serve::url(address, tls.is_some());
        let door = Door::with_tls(listener, tls);
        let mut options = serve::options(config);
        options.keys.passwords_of_no_worth = true;
        let app = App::open(options).map_err(|error| not_started(error.into()))?;
        schema::at_start(&app, config).map_err(not_started)?;
        if let Some(directory) = &self.seed {
            seed::fill(&app, directory).map_err(not_started)?;
        }
        app.remember_start();
        // Where commands look for the server that they are to change: without it, CMD's would find
        // the files of whoever started it.
        let desk = scratch.is_there().then(|| Desk::open(scratch.path())).transpose();
        let desk = desk.map_err(|error| not_started(error.into()))?;
        if let Some(desk) = &desk {
            desk.lead_to(&app);
        }
        tokio::spawn(async move {
            if let Err(error) = crate::http::serve::run(door, app, std::future::pending()).await {
                tracing::error!(cause = format!("{error:#}"), "the server does not serve");
            }
        });

        let mut command = self.command(config, &url, scratch.path());
        let mut child = match group::start(&mut command, watchdog.guard()) {
            Ok(child) => child,
            Err(error) => {
                watchdog.dismiss();
                return Err(self.not_run(error));
            }
        };
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let group = group.context("the command has no process id").map_err(Failure::from)?;
        signals.pass_on_to(group);
        let status = group::wait(&mut child, group).await;
        group::end(group).await;
        watchdog.dismiss();
        Ok(group::exit_code(status?))
    }

    fn command(&self, config: &Config, url: &str, data: &Path) -> Command {
        let mut words = self.command.iter();
        let mut command = Command::new(words.next().cloned().unwrap_or_default());
        command.args(words).env("HOLDALL_URL", url).env("HOLDALL_DATA", data);
        if let Some(admin) = &config.admin {
            command.env("HOLDALL_ADMIN_EMAIL", &admin.email);
            command.env("HOLDALL_ADMIN_PASSWORD", admin.password.expose_text().unwrap_or_default());
            // Both would be a contradiction, if CMD runs Holdall.
            command.env_remove("HOLDALL_ADMIN_PASSWORD_FILE");
        }
        command
    }

    fn not_run(&self, error: std::io::Error) -> Failure {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => NOT_FOUND,
            _ => NOT_EXECUTABLE,
        };
        let name = self.command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
        Failure::Exec(anyhow::Error::new(error).context(format!("cannot run {name}")), code)
    }
}

fn not_started(failure: Failure) -> Failure {
    Failure::Exec(failure.into_cause(), NOT_STARTED)
}
