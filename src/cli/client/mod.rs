//! The small HTTP client of the commands that ask a server how it is.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::cli::control::{self, Order};
use crate::cli::failure::Failure;
use crate::cli::flags::Flags;
use crate::config::{Config, Home, Tls};

mod trust;

pub use trust::Trust;

/// The answer of a probe is a few hundred bytes.
const ANSWER_LIMIT_BYTES: u64 = 1 << 20;

/// What a server may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Whether the process answers.
    Live,
    /// Whether it can serve.
    Ready,
}

/// How the server is reached that these settings speak of; by its socket where there are both ways.
#[derive(Debug)]
pub struct Server {
    /// The data directory that holds its control socket: finds it whatever its port, and needs no
    /// certificate.
    data: Option<PathBuf>,
    url: Option<String>,
    trust: Trust,
}

impl Probe {
    pub fn path(self) -> &'static str {
        match self {
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
        }
    }
}

impl Server {
    /// A directory on the line means whoever holds it, an address on the line whoever answers there.
    pub fn of(flags: &Flags, insecure: bool) -> Result<Self, Failure> {
        let config = flags.load_to_ask()?;
        let by_data = flags.has("data") && !flags.has("url");
        let by_address = config.url.is_some()
            || config.store == Home::Memory
            // Nobody has a certificate for the address that a server listens on.
            || flags.has("listen") && config.tls.is_none();
        // Whoever happens to have the default port is not meant by a directory.
        let has_address = !by_data || flags.has("listen");
        let url = has_address.then(|| url(&config));
        let cert = match config.tls {
            Some(Tls::Files { cert, .. }) => Some(cert),
            Some(Tls::SelfSigned) | None => None,
        };
        let data = (by_data || !by_address).then_some(config.data);
        Ok(Self { data, url, trust: Trust { insecure, cert } })
    }

    /// Looks once and returns who is well; an error says who is not, and what is amiss.
    pub fn look(&self, probe: Probe, patience: Duration) -> Result<String> {
        if let Some(data) = &self.data
            && let Some(asked) = self.look_inside(data, probe, patience)
        {
            let who = format!("the server in {}", data.display());
            return asked.with_context(|| format!("{who} is not well")).map(|()| who);
        }
        let Some(url) = &self.url else {
            let data = self.data.as_deref().unwrap_or(Path::new("."));
            bail!(control::why_nobody(data));
        };
        let asked = match status(url, probe.path(), &self.trust, patience) {
            Ok(200) => Ok(()),
            Ok(status) => Err(anyhow!("{} answered {status}", probe.path())),
            Err(error) => Err(error),
        };
        asked.with_context(|| format!("{url} is not well")).map(|()| url.clone())
    }

    /// Asks through the socket in `data`; `None` where the address has to be asked.
    fn look_inside(&self, data: &Path, probe: Probe, patience: Duration) -> Option<Result<()>> {
        let order = match probe {
            Probe::Live => Order::Live,
            Probe::Ready => Order::Ready,
        };
        match control::ask_within(data, &order, patience) {
            Ok(Some(_)) => Some(Ok(())),
            Ok(None) => None,
            Err(failure) => {
                let error = failure.into_cause();
                // Somebody else's server may still answer anybody at its address.
                (!is_denied(&error) || self.url.is_none()).then_some(Err(error))
            }
        }
    }
}

fn is_denied(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Where the settings say that the server is called.
fn url(config: &Config) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let listening = || format!("{scheme}://{}", reachable(config.listen));
    config.url.clone().unwrap_or_else(listening)
}

/// An address that a caller on this machine can use: nobody can call 0.0.0.0.
pub fn reachable(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    listen
}

/// Asks for `path` of `base_url` and returns the status, within `patience` in all.
fn status(base_url: &str, path: &str, trust: &Trust, patience: Duration) -> Result<u16> {
    let begun = Instant::now();
    let url: http::Uri = base_url.parse().context("not a URL")?;
    let authority = url.authority().context("a URL without a host")?;
    let is_https = url.scheme_str() == Some("https");
    let port = authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let host = authority.host().trim_matches(['[', ']']);
    let address = (host, port).to_socket_addrs()?.next().context("the host has no address")?;
    let left = || patience.checked_sub(begun.elapsed()).filter(|left| !left.is_zero());
    let stream = TcpStream::connect_timeout(&address, left().context("took too long")?)?;
    stream.set_write_timeout(left())?;
    stream.set_read_timeout(Some(left().context("took too long")?))?;
    let prefix = url.path().trim_end_matches('/');
    let request =
        format!("GET {prefix}{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    match is_https {
        true => converse(trust.seal(host, stream)?, &request),
        false => converse(stream, &request),
    }
}

fn converse(mut stream: impl Read + Write, request: &str) -> Result<u16> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // The status comes with the first bytes; the rest is read so that the server may finish.
    let read = stream.take(ANSWER_LIMIT_BYTES).read_to_end(&mut answer);
    match parse_status(&answer) {
        Some(status) => Ok(status),
        None => {
            read?;
            bail!("the answer is not HTTP")
        }
    }
}

fn parse_status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    line.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_calls_an_unspecified_address() {
        assert_eq!(reachable(([0, 0, 0, 0], 80).into()), ([127, 0, 0, 1], 80).into());
        assert_eq!(reachable("[::]:80".parse().unwrap()), "[::1]:80".parse().unwrap());
        assert_eq!(reachable(([10, 0, 0, 1], 80).into()), ([10, 0, 0, 1], 80).into());
    }

    #[test]
    fn socket_of_somebody_else_is_told_from_one_that_fails() {
        let failed = |kind| anyhow::Error::new(io::Error::from(kind)).context("cannot reach it");
        assert!(is_denied(&failed(io::ErrorKind::PermissionDenied)));
        assert!(!is_denied(&failed(io::ErrorKind::TimedOut)));
        assert!(!is_denied(&anyhow!("not ready")));
    }

    #[test]
    fn only_http_has_a_status() {
        assert_eq!(parse_status(b"HTTP/1.1 503 Service Unavailable\r\n"), Some(503));
        assert_eq!(parse_status(b"SSH-2.0-OpenSSH\r\n"), None);
        assert_eq!(parse_status(b""), None);
    }
}
