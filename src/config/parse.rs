//! From what a person wrote to a typed value.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Environment, Home, LogFormat, LogLevel, Upstream};

/// A value, or what is wrong with it: the end of a sentence that starts with where it stands.
type Parsed<T> = Result<T, String>;

pub fn address(text: &str) -> Parsed<SocketAddr> {
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let text = named.as_deref().unwrap_or(text);
    text.parse().map_err(|_| {
        format!("`{text}` is not an address and port such as 127.0.0.1:8000 or [::1]:8000")
    })
}

pub fn port(text: &str) -> Parsed<u16> {
    text.parse().map_err(|_| format!("`{text}` is not a port (0 to 65535)"))
}

/// The spellings that shells, YAML and Python leave behind.
pub fn switch(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" | "" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// Nothing would mean the working directory, which nobody means by it.
pub fn path(text: &str) -> Parsed<PathBuf> {
    if text.is_empty() {
        Err("is empty; name a path, or leave it out".into())
    } else {
        Ok(text.into())
    }
}

/// The one way of TLS that needs no files.
pub fn tls(text: &str) -> Parsed<()> {
    match text {
        "self-signed" => Ok(()),
        _ => {
            Err("must be self-signed; for a certificate of your own set tls_cert and tls_key"
                .into())
        }
    }
}

pub fn environment(text: &str) -> Parsed<Environment> {
    match text.to_ascii_lowercase().as_str() {
        "dev" | "development" | "local" => Ok(Environment::Dev),
        "ci" | "test" | "testing" => Ok(Environment::Ci),
        "staging" | "stage" => Ok(Environment::Staging),
        "production" | "prod" => Ok(Environment::Production),
        _ => Err(format!("`{text}` is none of dev, ci, staging, production")),
    }
}

pub fn home(text: &str) -> Parsed<Home> {
    match text {
        "files" => Ok(Home::Files),
        "memory" => Ok(Home::Memory),
        "mysql" => Err("the mysql home is not in this version; use files".to_owned()),
        _ => Err(format!("`{text}` is neither files nor memory")),
    }
}

/// Our names, and those of Python's logging.
pub fn log_level(text: &str) -> Parsed<LogLevel> {
    match text.to_ascii_lowercase().as_str() {
        "trace" | "notset" => Ok(LogLevel::Trace),
        "debug" => Ok(LogLevel::Debug),
        "info" => Ok(LogLevel::Info),
        "warn" | "warning" => Ok(LogLevel::Warn),
        "error" | "critical" | "fatal" => Ok(LogLevel::Error),
        _ => Err(format!("`{text}` is none of trace, debug, info, warn, error")),
    }
}

pub fn log_format(text: &str) -> Parsed<Option<LogFormat>> {
    match text {
        "auto" => Ok(None),
        "json" => Ok(Some(LogFormat::Json)),
        "pretty" => Ok(Some(LogFormat::Pretty)),
        _ => Err(format!("`{text}` is none of auto, json, pretty")),
    }
}

/// A whole number of `least` to `most`.
pub fn count(least: usize, most: usize) -> impl Fn(&str) -> Parsed<usize> {
    move |text| {
        let number = text.parse().map_err(|_| format!("`{text}` is not a whole number"))?;
        if (least..=most).contains(&number) {
            return Ok(number);
        }
        Err(format!("{number} is not within {least} to {most}"))
    }
}

/// `30s`, `500ms`, `2m`, `1h`; a bare number is seconds.
pub fn duration(text: &str) -> Parsed<Duration> {
    let (number, unit) = split_unit(text);
    let unit_ms = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let number = number.parse::<u64>().ok().filter(|_| unit_ms > 0);
    number
        .and_then(|number| number.checked_mul(unit_ms))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is not a time such as 30s, 500ms or 2m"))
}

/// A time in which something has to be done: none would leave nothing that can be.
pub fn limit(text: &str) -> Parsed<Duration> {
    match duration(text)? {
        Duration::ZERO => Err(format!("`{text}` is no time at all; give it some, such as 30s")),
        time => Ok(time),
    }
}

/// `32MiB`, `64k`, or plain bytes. Every unit counts in 1,024.
pub fn size(text: &str) -> Parsed<usize> {
    let (number, unit) = split_unit(text);
    let unit_bytes: usize = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => 0,
    };
    let number = number.parse::<usize>().ok().filter(|_| unit_bytes > 0);
    if number == Some(0) {
        return Err(format!("`{text}` is too small; give it some bytes, such as 64KiB"));
    }
    number
        .and_then(|number| number.checked_mul(unit_bytes))
        .ok_or_else(|| format!("`{text}` is not a size such as 32MiB or 64KiB"))
}

pub fn threads(text: &str) -> Parsed<usize> {
    // More are a mistake in the unit.
    count(1, 512)(text)
}

/// Origins as browsers write them, `*`, or one `*.` at the front of a host.
pub fn origins(text: &str) -> Parsed<Vec<String>> {
    let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    origins
        .map(|origin| {
            // As it stands in an address line; browsers never send it.
            let origin = origin.strip_suffix('/').unwrap_or(origin);
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let host = host.map(|host| host.strip_prefix("*.").unwrap_or(host));
            let valid = host.is_some_and(|host| {
                !host.is_empty() && !host.contains(['/', '*', ' ', '@', '?', '#'])
            });
            if origin == "*" || valid {
                return Ok(origin.to_ascii_lowercase());
            }
            Err(format!("`{origin}` is not an origin such as https://app.example.org"))
        })
        .collect()
}

/// `/prefix=http://host:port`, any number of them. What the program itself answers comes first.
pub fn upstreams(text: &str) -> Parsed<Vec<Upstream>> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let upstreams = entries.map(|entry| {
        upstream(entry).ok_or_else(|| {
            let entry = unsigned(entry);
            format!("`{entry}` is not a prefix and a server such as /legacy=http://127.0.0.1:5000")
        })
    });
    upstreams.collect()
}

fn upstream(entry: &str) -> Option<Upstream> {
    let (prefix, url) = entry.split_once('=')?;
    let path = prefix.parse::<http::uri::PathAndQuery>().ok()?;
    if !prefix.starts_with('/') || path.query().is_some() || prefix.contains("//") {
        return None;
    }
    let url: http::Uri = url.parse().ok()?;
    let authority = url.authority()?.as_str();
    if url.scheme_str() != Some("http") || url.query().is_some() || authority.contains('@') {
        return None;
    }
    let prefix = prefix.trim_end_matches('/').to_owned();
    // `http://host` and `http://host/` mean the same to most people: the path stays as it is.
    let path = match url.path() {
        "" | "/" => prefix.clone(),
        path => path.trim_end_matches('/').to_owned(),
    };
    Some(Upstream { prefix, authority: authority.to_owned(), path })
}

/// An address without the name and the password that it may hold.
fn unsigned(address: &str) -> String {
    let begin = address.find("//").map_or(0, |at| at + 2);
    let authority = address[begin..].split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => format!("{}…{}", &address[..begin], &address[begin + at..]),
        None => address.to_owned(),
    }
}

pub fn url(text: &str) -> Parsed<String> {
    match text.parse::<http::Uri>() {
        Ok(url) if url.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err(format!("`{}` holds a user, whom no command gives to the server", unsigned(text)))
        }
        Ok(url) if matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(format!("`{}` is not a URL such as http://127.0.0.1:8000", unsigned(text))),
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_without_a_port_listens_at_80() {
        for (authority, host, server) in [
            ("old", "old", "old:80"),
            ("old:80", "old", "old:80"),
            ("old:", "old", "old:80"),
            ("old:8080", "old:8080", "old:8080"),
            ("[::1]", "[::1]", "[::1]:80"),
            ("[::1]:81", "[::1]:81", "[::1]:81"),
        ] {
            let found = upstreams(&format!("/a=http://{authority}")).unwrap();
            assert_eq!((found[0].host(), &found[0].server()[..]), (host, server), "{authority}");
        }
    }

    #[test]
    fn passwords_in_addresses_are_neither_taken_nor_repeated() {
        for text in ["http://ann:hunter2@host", "https://ann:hunter2@host/x@y", "ann:hunter2@"] {
            let problem = url(text).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
        let problem = upstreams("/a=http://ann:hunter2@host:1/b").unwrap_err();
        assert!(problem.starts_with("`/a=http://…@host:1/b`"), "{problem}");
    }

    #[test]
    fn times_and_sizes_take_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("2 m"), Ok(Duration::from_secs(120)));
        assert!(duration("99999999999999999999s").is_err());
        assert!(duration("-1s").is_err());
        assert_eq!((duration("0"), limit("2s")), (Ok(Duration::ZERO), Ok(Duration::from_secs(2))));
        assert!(limit("0ms").is_err());
        assert_eq!(size("32MiB"), Ok(32 << 20));
        assert_eq!(size("64k"), Ok(64 << 10));
        assert!(size("0").is_err());
        assert!(size("99999999999999999G").is_err());
    }

    #[test]
    fn python_log_levels_are_understood() {
        assert_eq!(log_level("WARNING"), Ok(LogLevel::Warn));
        assert_eq!(log_level("CRITICAL"), Ok(LogLevel::Error));
        assert!(log_level("loud").is_err());
    }

    #[test]
    fn origins_are_whole_origins() {
        let listed = origins("https://app.example.org/, http://*.example.org:8080").unwrap();

        assert_eq!(listed, ["https://app.example.org", "http://*.example.org:8080"]);
        for wrong in ["example.org", "https://example.org/a", "https://a.*.org", "https://"] {
            assert!(origins(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn upstreams_are_prefixes_and_servers() {
        let read = |text| {
            upstreams(text).map(|found| {
                let parts = found.into_iter().map(|one| (one.prefix, one.authority, one.path));
                parts.collect::<Vec<_>>()
            })
        };
        let made = |prefix: &str, authority: &str, path: &str| {
            (prefix.to_owned(), authority.to_owned(), path.to_owned())
        };
        assert_eq!(
            read("/legacy=http://10.0.0.7:5000, /old/=http://host/new/"),
            Ok(vec![made("/legacy", "10.0.0.7:5000", "/legacy"), made("/old", "host", "/new")])
        );
        assert_eq!(read("/=http://[::1]:5173"), Ok(vec![made("", "[::1]:5173", "")]));
        for wrong in
            ["/a", "a=http://h", "/a=https://h", "/a=h:1", "/a=http://u:p@h", "/a?b=http://h"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
