//! The notice board: every setting, declared once.
//!
//! `settings` is the table; `gather` finds values in the file, the environment and on the line,
//! and remembers where; `resolve` makes a typed `Config` of them. Nothing else reads a variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub mod canonical;
pub mod closest;
mod file;
mod gather;
mod home;
mod legacy;
mod parse;
pub mod reference;
mod resolve;
pub mod secret;
pub mod secret_file;
pub mod settings;
mod strength;

pub use gather::{Found, Origin, Sources};
pub use home::instance_secret;
pub use parse::duration;
use secret::Secret;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the settings were refused. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{origin} is not a setting; {}`holdall config reference` lists all",
        closest.as_ref().map(|name| format!("did you mean {name}? ")).unwrap_or_default()
    )]
    Unknown { origin: String, closest: Option<String> },

    #[error("{origin}: {problem}")]
    Invalid { origin: Origin, problem: String },

    #[error("{path}: {problem}")]
    File { path: PathBuf, problem: String },

    #[error("{0}")]
    Conflict(String),
}

/// Where an instance is on its way to users. Decides how strict the defaults are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Dev,
    Ci,
    Staging,
    Production,
}

/// Where the journal lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    Files,
    Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}

/// Every setting in force, typed. Made by [`Config::load`].
#[derive(Debug, Clone)]
pub struct Config {
    pub environment: Environment,
    pub store: Home,
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub public: Option<PathBuf>,
    pub upstreams: Vec<Upstream>,
    /// Where the commands that speak to a server find it, unless it is `listen`.
    pub url: Option<String>,
    pub cors_origins: Vec<String>,
    pub log_level: LogLevel,
    /// `None`: pretty on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    pub debug: bool,
    pub threads: usize,
    /// `None`: one is made and kept in the data directory.
    pub instance_secret: Option<Secret>,
    pub admin: Option<Admin>,
    /// The claims `iss` and `aud` of tokens.
    pub jwt_issuer: Option<String>,
    pub jwt_audience: Option<String>,
    /// Files with the collections that there are to be.
    pub schema: Option<PathBuf>,
    pub schema_allow_data_loss: bool,
    pub limits: Limits,
    pub ready_strict: bool,
    pub metrics_listen: Option<SocketAddr>,
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// What a person should be told once logs are on: names passed over, and why.
    pub notices: Vec<String>,
}

/// Another server that answers what lies below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Starts with a slash and does not end with one; empty means everything.
    pub prefix: String,
    /// Host and port.
    pub authority: String,
    /// What stands there in place of the prefix.
    pub path: String,
}

impl Upstream {
    /// How it is called: without the port that everybody assumes.
    pub fn host(&self) -> &str {
        let host = self.authority.strip_suffix(":80").unwrap_or(&self.authority);
        host.strip_suffix(':').unwrap_or(host)
    }

    /// Where it listens: its port is 80 where the address names none.
    pub fn server(&self) -> String {
        let host = self.host();
        match host.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => host.to_owned(),
            _ => format!("{host}:80"),
        }
    }
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    SelfSigned,
    Files { cert: PathBuf, key: PathBuf },
}

/// The superuser that start-up makes sure of.
#[derive(Debug, Clone)]
pub struct Admin {
    pub email: String,
    pub password: Secret,
}

/// How much one client may ask, and how long it may take.
#[derive(Debug, Clone)]
pub struct Limits {
    pub connections: usize,
    pub header_bytes: usize,
    pub header_time: Duration,
    pub url_bytes: usize,
    pub body_bytes: usize,
    pub request_time: Duration,
    pub row_visits: u64,
    pub keep_alive: Duration,
    /// How long readiness says no before the door closes.
    pub shutdown_delay: Duration,
    /// How long requests may take to end after that.
    pub shutdown_deadline: Duration,
}

impl Default for Limits {
    /// What the table of settings says.
    fn default() -> Self {
        resolve::limits(&Found::default()).expect("a test parses every default of the table")
    }
}

impl Config {
    /// Finds every value, and refuses what is unknown, malformed, contradictory or weak.
    pub fn load(sources: &Sources) -> Result<Self> {
        resolve::resolve(&gather::gather(sources)?)
    }

    /// The same for a command that only asks a running server: where data would live is no concern
    /// of its.
    pub fn load_to_ask(sources: &Sources) -> Result<Self> {
        resolve::resolve(&gather::gather(sources)?.without_database())
    }

    /// The same, with what was found and where, for `config show`.
    pub fn load_with_origins(sources: &Sources) -> Result<(Self, Found)> {
        let found = gather::gather(sources)?;
        Ok((resolve::resolve(&found)?, found))
    }
}
