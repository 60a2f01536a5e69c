//! `url`: an absolute address of something on the web.

use crate::domain::fields::DomainOptions;
use crate::domain::fields::Problem;
use crate::domain::fields::email;

pub fn problem(options: &DomainOptions, text: &str) -> Option<Problem> {
    if text.is_empty() {
        return None;
    }
    let Some(host) = host(text) else {
        return Some(Problem::new("validation_invalid_url", "Must be a URL with its scheme."));
    };
    let refused = !super::domain_allowed(options, host);
    refused.then(|| {
        Problem::new("validation_url_domain_not_allowed", "The URL's domain is not allowed.")
    })
}

/// The host of an absolute URL (of a `mailto:` its domain), `None` if `text` is none.
pub fn host(text: &str) -> Option<&str> {
    if let Some(address) = text.strip_prefix("mailto:") {
        return email::is_email(address).then(|| address.rsplit('@').next()).flatten();
    }
    let (scheme, rest) = text.split_once("://")?;
    let named = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest.strip_prefix(':').unwrap_or(rest))
        }
        None => address.split_once(':').unwrap_or((address, "")),
    };
    let plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    let spelled = |letter: char| {
        letter.is_ascii_alphanumeric()
            || "-._".contains(letter)
            || !letter.is_ascii()
            || letter == ':'
    };
    let good = named
        && !host.is_empty()
        && host.chars().all(spelled)
        && !host.starts_with(['.', '-'])
        && !host.contains("..")
        && (port.is_empty() || port.parse::<u16>().is_ok())
        && text.chars().all(plain);
    good.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_need_a_scheme_and_a_host() {
        for (good, its_host) in [
            ("https://example.com", "example.com"),
            ("http://localhost:8090/a?b#c", "localhost"),
            ("ftp://user:pw@host.org/", "host.org"),
            ("http://[::1]:80/x", "::1"),
            ("mailto:a@example.com", "example.com"),
        ] {
            assert_eq!(host(good), Some(its_host), "{good}");
        }
        for bad in [
            "example.com",
            "http://",
            "://a",
            "http://a b",
            "http://a:x",
            "/a",
            "http://.a",
            "mailto:x",
        ] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }
}
