//! The small HTTP client of the commands that ask a server how it is.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cli::control::{self, Order};
use crate::cli::failure::Failure;
use crate::config::{Config, Tls};

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

/// How the server is reached that these settings speak of.
#[derive(Debug)]
pub struct Server {
    pub url: String,
    trust: Trust,
    /// Its data directory, where the way by the control socket is the better one: the server is
    /// ours, and no certificate is for the address that it listens on.
    data: Option<PathBuf>,
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
    pub fn of(config: &Config, insecure: bool) -> Self {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let is_ours = config.url.is_none();
        let cert = match &config.tls {
            Some(Tls::Files { cert, .. }) => Some(cert.clone()),
            Some(Tls::SelfSigned) | None => None,
        };
        Self {
            url: match &config.url {
                Some(url) => url.clone(),
                None => format!("{scheme}://{}", reachable(config.listen)),
            },
            trust: Trust { insecure, cert },
            data: (is_ours && config.tls.is_some() && !insecure).then(|| config.data.clone()),
        }
    }

    /// Looks once; an error says what is amiss.
    pub fn look(&self, probe: Probe, patience: Duration) -> Result<()> {
        if let Some(data) = &self.data {
            let order = match probe {
                Probe::Live => Order::Live,
                Probe::Ready => Order::Ready,
            };
            if control::ask_within(data, &order, patience).map_err(Failure::into_cause)?.is_some() {
                return Ok(());
            }
        }
        match status(&self.url, probe.path(), &self.trust, patience)? {
            200 => Ok(()),
            status => bail!("{}{} answered {status}", self.url, probe.path()),
        }
    }
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
    fn only_http_has_a_status() {
        assert_eq!(parse_status(b"HTTP/1.1 503 Service Unavailable\r\n"), Some(503));
        assert_eq!(parse_status(b"SSH-2.0-OpenSSH\r\n"), None);
        assert_eq!(parse_status(b""), None);
    }
}
