//! Why a command did not do what it should, and the exit code that says so.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::config;
use crate::store::OpenError;

/// The exit codes are documented: scripts rely on them.
#[derive(Debug)]
pub enum Failure {
    /// 1: failed while running.
    Failed(anyhow::Error),
    /// 2: refused before touching anything.
    Refused(anyhow::Error),
    /// 70: the store must stop.
    Halted(anyhow::Error),
    /// `exec` has codes of its own, since all others are its command's.
    Exec(anyhow::Error, u8),
}

impl Failure {
    pub fn refused(words: impl Into<String>) -> Self {
        Self::Refused(anyhow::Error::msg(words.into()))
    }

    pub fn failed(words: impl Into<String>) -> Self {
        Self::Failed(anyhow::Error::msg(words.into()))
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::from(1),
            Self::Refused(_) => ExitCode::from(2),
            Self::Halted(_) => ExitCode::from(70),
            Self::Exec(_, code) => ExitCode::from(*code),
        }
    }

    fn cause(&self) -> &anyhow::Error {
        match self {
            Self::Failed(cause) | Self::Refused(cause) | Self::Halted(cause) => cause,
            Self::Exec(cause, _) => cause,
        }
    }

    pub fn into_cause(self) -> anyhow::Error {
        match self {
            Self::Failed(cause) | Self::Refused(cause) | Self::Halted(cause) => cause,
            Self::Exec(cause, _) => cause,
        }
    }
}

/// The chain of causes on one line.
impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#}", self.cause())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        if error.is_refusal() { Self::Refused(error.into()) } else { Self::Halted(error.into()) }
    }
}
