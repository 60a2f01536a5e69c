//! The small HTTP client of the commands that ask a server how it is.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::config::Config;

/// The answer of a probe is a few hundred bytes.
const ANSWER_LIMIT_BYTES: u64 = 1 << 20;

/// Where the server is that these settings speak of.
pub fn base_url(config: &Config) -> String {
    match &config.url {
        Some(url) => url.clone(),
        None => format!("http://{}", reachable(config.listen)),
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
pub fn status(base_url: &str, path: &str, patience: Duration) -> Result<u16> {
    let begun = Instant::now();
    let url: http::Uri = base_url.parse().context("not a URL")?;
    let host = url.authority().context("a URL without a host")?.as_str();
    let named = if url.port_u16().is_some() { host.to_owned() } else { format!("{host}:80") };
    let address = named.to_socket_addrs()?.next().context("the host has no address")?;
    let left = || patience.checked_sub(begun.elapsed()).filter(|left| !left.is_zero());
    let mut stream = TcpStream::connect_timeout(&address, left().context("took too long")?)?;
    stream.set_write_timeout(left())?;
    stream.set_read_timeout(Some(left().context("took too long")?))?;
    let prefix = url.path().trim_end_matches('/');
    write!(stream, "GET {prefix}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
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
