//! `serve`: runs the server until it is told to stop.

use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::app::{App, Keys, Limits, Options};
use crate::cli::Result;
use crate::cli::bind::bind;
use crate::cli::control::Desk;
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::cli::schema;
use crate::cli::stop::Stop;
use crate::cli::surroundings;
use crate::config::{self, Config, LogFormat};
use crate::http::serve::{self, Door};
use crate::http::tls::{Source, Tls};
use crate::store::{Home, OpenError, directory};
use crate::telemetry::line::Format;
use crate::telemetry::logs;
use crate::telemetry::process::{max_files, raise_max_files};

/// Exit code of a store that must stop.
pub const HALTED: i32 = 70;
/// Files that are open beside connections: the store, the logs, the control socket, the site's.
const OWN_FILES: usize = 128;
/// A few dozen people with a browser each need more.
const FEW_CONNECTIONS: usize = 256;

const AFTER_HELP: &str = "\
Signals:
  SIGTERM, SIGINT, SIGQUIT  say not ready, finish what is under way, flush the store, end with 0;
                            a second one ends at once, with 128 and its number
  SIGHUP                    the same, but never at once; nothing under nohup
  SIGUSR1, SIGUSR2          nothing but a line in the log: there are no log files to reopen";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Serve {
    /// Write {"url","pid","version"} to this file once requests are answered; with
    /// --metrics-listen, "metrics_url" too. It goes when the server stops.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    pub fn run(&self) -> Result {
        let config = self.flags.load_with_data()?;
        start_logs(&config)?;
        for notice in &config.notices {
            tracing::info!("{notice}");
        }
        for doubt in surroundings::doubts(&config) {
            tracing::warn!("{doubt}");
        }
        raise_max_files();
        let runtime = runtime(&config)?;
        let served = runtime.block_on(self.serve(&config));
        runtime.shutdown_background();
        flush_logs();
        served
    }

    async fn serve(&self, config: &Config) -> Result {
        let mut stop = Stop::listen()?;
        surroundings::check(config)?;
        if let Some(path) = &self.ready_file {
            check_ready_file(path)?;
        }
        let tls = tls(config)?;
        let listener = bind(config.listen)?;
        let address = listener.local_addr()?;
        let metrics = match config.metrics_listen {
            Some(address) => Some(bind(address)?),
            None => None,
        };
        let metrics_address = metrics.as_ref().map(TcpListener::local_addr).transpose()?;
        let addresses = Addresses {
            url: url(address, config.tls.is_some()),
            metrics: metrics_address.map(|address| format!("{}/metrics", url(address, false))),
        };
        let options = options(config);
        let desk = Arc::new(Mutex::new(early_desk(config)));
        let leave = {
            let (desk, ready_file) = (desk.clone(), self.ready_file.clone());
            move || {
                drop(desk.lock().unwrap_or_else(PoisonError::into_inner).take());
                if let Some(path) = &ready_file {
                    remove_ready_file(path);
                }
            }
        };
        let opened = |app: &App| {
            if let Some(listener) = metrics {
                let served = serve::run_metrics(listener, app.clone(), std::future::pending());
                tokio::spawn(async move {
                    if let Err(error) = served.await {
                        tracing::error!(cause = format!("{error:#}"), "metrics are not served");
                    }
                });
            }
            let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(directory) = app.directory() {
                *desk = desk.take().filter(Desk::is_found).or_else(|| {
                    let opened = Desk::take_over(directory);
                    let warn = |error: &_| {
                        tracing::warn!(%error, "commands cannot reach this server: {error}");
                    };
                    opened.inspect_err(warn).ok()
                });
            }
            if let Some(desk) = &*desk {
                desk.lead_to(app);
            }
            announce(config, &addresses);
            match &self.ready_file {
                Some(path) => write_ready_file(path, &addresses),
                None => Ok(()),
            }
        };
        let limits = options.limits.clone();
        let progress = options.progress.clone();
        let door = Door::with_tls(listener, tls);
        let settings = config.clone();
        let open = move || open(options, &settings);
        serve::run_opening(door, limits, progress, open, opened, stop.asked(leave.clone()))
            .await
            .map_err(why_not_opened)?;
        leave();
        tracing::info!("stopped");
        Ok(())
    }
}

/// Where callers come in, by ports that the kernel may have chosen.
struct Addresses {
    url: String,
    /// Of the metrics, where they have a listener of their own.
    metrics: Option<String>,
}

/// Where commands hear that the server lives while it opens its store, which may take its time. Where
/// another process has the directory, the commands are that one's; where there is none yet, nobody
/// has to wait.
fn early_desk(config: &Config) -> Option<Desk> {
    let is_free = config.store == config::Home::Files
        && config.data.is_dir()
        && directory::holder(&config.data).is_none();
    is_free.then(|| Desk::open(&config.data).ok()).flatten()
}

pub fn runtime(config: &Config) -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads)
        .enable_all()
        .build()
        .context("cannot start the worker threads")?;
    Ok(runtime)
}

pub fn flush_logs() {
    if let Some(logs) = logs::current() {
        logs.flush();
    }
}

pub fn tls(config: &Config) -> Result<Option<Tls>> {
    let source = match &config.tls {
        None => return Ok(None),
        Some(config::Tls::SelfSigned) => Source::SelfSigned,
        Some(config::Tls::Files { cert, key }) => {
            Source::Files { cert: cert.clone(), key: key.clone() }
        }
    };
    Tls::load(source).map(Some).map_err(Failure::Refused)
}

pub fn start_logs(config: &Config) -> Result {
    let terminal = io::stderr().is_terminal();
    let format = match config.log_format {
        Some(LogFormat::Json) => Format::Json,
        Some(LogFormat::Pretty) => Format::Pretty { colour: terminal },
        None if terminal => Format::Pretty { colour: true },
        None => Format::Json,
    };
    logs::start(format, config.log_level.word(), Box::new(io::stderr()))
        .context("cannot start the logs")?;
    Ok(())
}

pub fn options(config: &Config) -> Options {
    Options {
        home: match config.store {
            config::Home::Memory => Home::Memory,
            config::Home::Files => Home::Files(config.data.clone()),
        },
        limits: limits(config),
        origins: config.cors_origins.clone(),
        public: config.public.clone(),
        metrics_apart: config.metrics_listen.is_some(),
        strict_readiness: config.ready_strict,
        is_https: config.tls.is_some(),
        upstreams: config.upstreams.clone(),
        admin: config.admin.clone(),
        keys: Keys {
            instance_secret: config.instance_secret.clone(),
            issuer: config.jwt_issuer.clone(),
            audience: config.jwt_audience.clone(),
            ..Keys::default()
        },
        on_fatal: Arc::new(|cause| {
            tracing::error!(cause, "the store must stop: {cause}");
            flush_logs();
            process::exit(HALTED);
        }),
        ..Options::default()
    }
}

/// A connection that no file descriptor is left for would only fail in the kernel.
fn limits(config: &Config) -> Limits {
    let limits = Limits::of(&config.limits);
    let open_files = usize::try_from(max_files()).unwrap_or(usize::MAX);
    let spare = open_files.saturating_sub(OWN_FILES);
    // Some more callers wait for their place.
    let connections = limits.connections.min((spare - spare / 16).max(1));
    if connections < limits.connections {
        let words = format!(
            "at most {connections} connections at once, as only {open_files} files may be open here; \
             raise that with `ulimit -n`, or LimitNOFILE= in a unit of systemd"
        );
        match connections < FEW_CONNECTIONS {
            true => tracing::warn!(connections, open_files, "{words}"),
            false => tracing::info!(connections, open_files, "{words}"),
        }
    }
    Limits { connections, ..limits }
}

/// Opens the app, with the collections that the settings name.
fn open(options: Options, config: &Config) -> anyhow::Result<App> {
    let app = App::open(options)?;
    schema::at_start(&app, config).map_err(|failure| {
        app.store().close();
        failure.into_cause()
    })?;
    Ok(app)
}

fn why_not_opened(error: anyhow::Error) -> Failure {
    match error.downcast::<OpenError>() {
        Ok(error) => error.into(),
        Err(error) => Failure::Refused(error),
    }
}

/// Says where what is: to people at a terminal, and in one line to everybody.
fn announce(config: &Config, Addresses { url, metrics }: &Addresses) {
    if !io::stderr().is_terminal() {
        tracing::info!(url, "serving at {url}");
        if let Some(url) = metrics {
            tracing::info!(url, "metrics are at {url}");
        }
        return;
    }
    let data = match config.store {
        config::Home::Memory => "in memory, gone when this stops".to_owned(),
        config::Home::Files => config.data.display().to_string(),
    };
    let metrics = metrics.as_ref().map(|url| format!("  Metrics  {url}\n")).unwrap_or_default();
    let _ = writeln!(
        io::stderr(),
        "\n  Holdall {version}\n\n  API      {url}/api/\n  Console  {url}/_/\n{metrics}  \
         Data     {data}\n",
        version = env!("CARGO_PKG_VERSION"),
    );
}

/// What a browser on this machine opens.
pub fn url(address: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    match address.ip().is_unspecified() {
        true => format!("{scheme}://127.0.0.1:{}", address.port()),
        false => format!("{scheme}://{address}"),
    }
}

/// Whoever waits for the file would wait in vain: better not to start. One that an earlier server
/// left says nothing of this one.
fn check_ready_file(path: &Path) -> Result {
    let beside = path.with_extension("tmp");
    fs::write(&beside, "")
        .and_then(|()| fs::remove_file(&beside))
        .and_then(|()| match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .with_context(|| format!("cannot write the ready file {}", path.display()))
        .map_err(Failure::Refused)
}

/// Nobody is ready any more; but the file may be another server's by now, which took over.
fn remove_ready_file(path: &Path) {
    let ready = fs::read(path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    if ready.is_some_and(|ready| ready["pid"] == process::id()) {
        let _ = fs::remove_file(path);
    }
}

/// Written beside and renamed, so that whoever waits for it never reads half of it.
fn write_ready_file(path: &Path, addresses: &Addresses) -> anyhow::Result<()> {
    let mut ready = json!({
        "url": addresses.url,
        "pid": process::id(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    if let Some(url) = &addresses.metrics {
        ready["metrics_url"] = json!(url);
    }
    let beside = path.with_extension("tmp");
    fs::write(&beside, ready.to_string())
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
