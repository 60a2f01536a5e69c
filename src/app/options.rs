//! What an app is opened with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::app::Keys;
use crate::app::Limits;
use crate::clock::Clock;
use crate::config::Admin;
use crate::config::Upstream;
use crate::store::{Home, OnFatal, Progress};

/// What an app is opened with. The default is a throw-away instance.
#[derive(Clone)]
pub struct Options {
    pub home: Home,
    pub clock: Clock,
    pub limits: Limits,
    /// Origins that browsers may call from; empty means any.
    pub origins: Vec<String>,
    /// The folder of the site at `/`.
    pub public: Option<PathBuf>,
    /// Callers come over TLS that ends here.
    pub is_https: bool,
    /// Where paths go that have not moved here yet.
    pub upstreams: Vec<Upstream>,
    /// The metrics have a listener of their own.
    pub metrics_apart: bool,
    /// Not ready on any failed check, not only when nothing can be answered.
    pub strict_readiness: bool,
    /// What seals, and what signs tokens.
    pub keys: Keys,
    /// The superuser that there is to be.
    pub admin: Option<Admin>,
    /// Told why, when the store may not go on: the process should end with exit code 70.
    pub on_fatal: OnFatal,
    /// Told how far opening the store is.
    pub progress: Progress,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            home: Home::Memory,
            clock: Clock::default(),
            limits: Limits::default(),
            origins: Vec::new(),
            public: None,
            is_https: false,
            upstreams: Vec::new(),
            metrics_apart: false,
            strict_readiness: false,
            keys: Keys::default(),
            admin: None,
            on_fatal: Arc::new(|_| {}),
            progress: Progress::default(),
        }
    }
}

/// A site that is not there would only be missed by visitors.
pub fn check_site(public: Option<&Path>) -> anyhow::Result<()> {
    if let Some(public) = public {
        std::fs::read_dir(public)
            .with_context(|| format!("cannot serve the site in {}", public.display()))?;
    }
    Ok(())
}
