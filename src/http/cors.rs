//! Who may call from a browser: the CORS headers of answers and preflights.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE");
const ANY: HeaderValue = HeaderValue::from_static("*");
/// Seconds that a browser may remember a preflight: a day, what Firefox allows at most.
const REMEMBER_SECONDS: HeaderValue = HeaderValue::from_static("86400");

/// Answers a preflight; `None` for any other request.
pub(super) fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let out = response.headers_mut();
    out.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    out.insert(ACCESS_CONTROL_MAX_AGE, REMEMBER_SECONDS);
    if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        out.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    Some(response)
}

/// Says on an answer whether `origin` may read it. No origins configured: everybody may.
pub(super) fn allow(out: &mut HeaderMap, origin: &HeaderValue, origins: &[String]) {
    out.append(VARY, HeaderValue::from_static("Origin"));
    if origins.is_empty() || origins.iter().any(|allowed| allowed == "*") {
        out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    } else if origins.iter().any(|allowed| matches(allowed, origin.as_bytes())) {
        out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}

/// `https://*.example.org` allows every subdomain; anything else must be the origin itself.
fn matches(allowed: &str, origin: &[u8]) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else { return false };
    let allowed = allowed.trim_end_matches('/');
    match allowed.split_once("*.") {
        Some((scheme, domain)) => origin
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_suffix(domain))
            .and_then(|rest| rest.strip_suffix('.'))
            .is_some_and(|label| {
                !label.is_empty()
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
            }),
        None => allowed.eq_ignore_ascii_case(origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_match_exactly_or_as_subdomains() {
        assert!(matches("https://app.example.org", b"https://app.example.org"));
        assert!(matches("https://app.example.org/", b"https://app.example.org"));
        assert!(!matches("https://app.example.org", b"http://app.example.org"));
        assert!(!matches("https://app.example.org", b"https://app.example.org.evil.net"));
        assert!(matches("https://*.example.org", b"https://a.b.example.org"));
        assert!(!matches("https://*.example.org", b"https://example.org"));
        assert!(!matches("https://*.example.org", b"https://evilexample.org"));
        assert!(!matches("https://*.example.org", b"https://evil.net/.example.org"));
        assert!(!matches("https://*.example.org", b"\xff"));
    }

    #[test]
    fn stranger_origins_get_no_permission() {
        let mut out = HeaderMap::new();
        let origin = HeaderValue::from_static("https://evil.net");
        allow(&mut out, &origin, &["https://app.example.org".to_owned()]);
        assert!(!out.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(out[VARY], "Origin");
    }
}
