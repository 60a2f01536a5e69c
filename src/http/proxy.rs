//! A part of a team's API that has not moved yet: what lies below a prefix is another server's to answer.

use std::error::Error as _;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use http::header::{
    CONNECTION, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

use crate::app::App;
use crate::config::Upstream;
use crate::domain::settings::TrustedProxy;
use crate::http::error::Envelope;
use crate::http::extract;
use crate::http::front::{REQUEST_ID, TRACEPARENT};
use crate::http::health::PROXY_HEADERS;
use crate::http::neighbours::Neighbours;
use crate::telemetry::trip;

/// Longest silence within an answer. The answer's beginning has the time of any request.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Times a request may be passed on by one of us: more is a circle.
const HOP_LIMIT: usize = 3;

const NAME: &str = "holdall";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// What is said between neighbours only.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Marks an answer that another server gave: it goes out as it is, errors included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Foreign;

/// The servers that we pass requests on to.
pub(super) struct Proxy {
    app: App,
    neighbours: Neighbours,
    /// How callers came to us.
    proto: HeaderValue,
    /// Longest prefix first.
    upstreams: Vec<Upstream>,
}

impl Proxy {
    pub fn new(app: &App) -> Self {
        let mut upstreams = app.upstreams().to_vec();
        upstreams.sort_by_key(|upstream| std::cmp::Reverse(upstream.prefix.len()));
        let proto = HeaderValue::from_static(if app.is_https() { "https" } else { "http" });
        Self { app: app.clone(), neighbours: Neighbours::default(), proto, upstreams }
    }

    /// The server that answers `path`, if one does.
    pub fn find(&self, path: &str) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| {
            path.strip_prefix(&upstream.prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Passes a request on and hands back what comes, as it comes.
    pub async fn forward(&self, upstream: &Upstream, mut request: Request) -> Response {
        if leads_out(request.uri().path()) {
            let words = "The path has dot segments or a NUL and is not passed on.";
            return Envelope::of_status(StatusCode::BAD_REQUEST).saying(words).into_response();
        }
        unforge(request.headers_mut(), &self.app.settings().trusted_proxy);
        let Some(mut request) = addressed(request, upstream) else {
            return Envelope::of_status(StatusCode::BAD_REQUEST).into_response();
        };
        request.headers_mut().entry(FORWARDED_PROTO).or_insert_with(|| self.proto.clone());
        if hops(request.headers()) > HOP_LIMIT {
            tracing::warn!(prefix = upstream.prefix, "a request was passed on in a circle");
            return Envelope::of_status(StatusCode::BAD_GATEWAY).into_response();
        }
        match self.neighbours.ask(&upstream.server(), request).await {
            Ok(response) => {
                let (mut parts, body) = response.into_parts();
                strip(&mut parts.headers);
                parts.extensions.insert(Foreign);
                let pieces = patient(Body::new(body).into_data_stream());
                Response::from_parts(parts, Body::from_stream(pieces))
            }
            Err(error) => {
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                let server = upstream.authority.as_str();
                tracing::warn!(server, cause, "{server} did not answer: {error}");
                Envelope::of_status(StatusCode::BAD_GATEWAY).into_response()
            }
        }
    }
}

/// Whether a server that decodes `path` may look outside the prefix. Some servers take a backslash
/// for a slash, and some cut off what follows a semicolon.
fn leads_out(path: &str) -> bool {
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    let decoded = extract::segment(path);
    decoded.contains('\0') || decoded.split(['/', '\\']).any(is_dots)
}

/// The request as it goes on: to the other address, with what the other server should know.
fn addressed(mut request: Request, upstream: &Upstream) -> Option<Request> {
    let uri = request.uri();
    let rest = uri.path().strip_prefix(&upstream.prefix)?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let slash = if upstream.path.is_empty() && rest.is_empty() { "/" } else { "" };
    let path = format!("{}{rest}{slash}{query}", upstream.path);
    // HTTP/2 names the host in the address, HTTP/1 in a header.
    let host = match uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => request.headers().get(HOST).cloned(),
    };
    *request.uri_mut() = path.parse::<PathAndQuery>().ok()?.into();
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    strip(headers);
    headers.insert(HOST, HeaderValue::from_str(upstream.host()).ok()?);
    headers.remove(EXPECT);
    if let Some(host) = host {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
    trip::with(|trip| introduce(headers, trip));
    headers.append(VIA, HeaderValue::from_static("1.1 holdall"));
    Some(request)
}

/// Removes what only a proxy may say of a caller, unless the settings trust one. The chain of
/// addresses stays: its last entry is ours, and everybody knows that the others may be invented.
fn unforge(headers: &mut HeaderMap, trusted: &TrustedProxy) {
    let is_forged = |name: &HeaderName| {
        let is = |known: &str| name.as_str().eq_ignore_ascii_case(known);
        // Servers that speak CGI make the same variable of `X_Forwarded_Host`.
        let plain = name.as_str().replace('_', "-");
        if plain.starts_with("x-forwarded-") {
            return name != FORWARDED_FOR && (trusted.headers.is_empty() || !is(&plain));
        }
        let names_caller = PROXY_HEADERS.iter().any(|known| plain.eq_ignore_ascii_case(known));
        (names_caller || plain == "forwarded") && !trusted.headers.iter().any(|known| is(known))
    };
    let forged: Vec<HeaderName> = headers.keys().filter(|name| is_forged(name)).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// Says whose request this is, and under which name it stands in our log.
fn introduce(headers: &mut HeaderMap, trip: &trip::Trip) {
    let mut say = |name, value: Option<HeaderValue>| {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    };
    say(REQUEST_ID, HeaderValue::from_str(trip.id()).ok());
    say(TRACEPARENT, HeaderValue::from_bytes(&trip.traceparent()).ok());
    // Some proxies add a line of their own rather than to the line that is there.
    let before = headers.get_all(FORWARDED_FOR);
    let mut chain: Vec<&str> = before.iter().filter_map(|value| value.to_str().ok()).collect();
    let peer = trip.peer().to_string();
    chain.push(&peer);
    let chain = chain.join(", ");
    if let Ok(chain) = HeaderValue::try_from(chain) {
        headers.insert(FORWARDED_FOR, chain);
    }
}

/// Removes what the two ends of one connection say to each other.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn hops(headers: &HeaderMap) -> usize {
    let said = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok());
    said.flat_map(|value| value.split(',')).filter(|hop| hop.trim().ends_with(NAME)).count()
}

/// The same pieces, ending in an error when none comes for too long.
fn patient<S>(
    pieces: S,
) -> impl Stream<Item = Result<S::Ok, Box<dyn std::error::Error + Send + Sync>>>
where
    S: futures_util::TryStream<Error = axum::Error> + Stream<Item = Result<S::Ok, axum::Error>>,
    S: Send + 'static,
{
    let pieces: Pin<Box<S>> = Box::pin(pieces);
    stream::try_unfold(pieces, |mut pieces| async move {
        match tokio::time::timeout(SILENCE_LIMIT, pieces.next()).await {
            Ok(Some(piece)) => Ok(Some((piece?, pieces))),
            Ok(None) => Ok(None),
            Err(late) => Err(late.into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_says_who_called() {
        let names = [
            "x-forwarded-for",
            "x-forwarded-host",
            "x_forwarded_proto",
            "forwarded",
            "x-real-ip",
            "cf-connecting-ip",
            "x-other",
        ];
        let check = |trusted: &[&str], stay: &[&str]| {
            let value = HeaderValue::from_static("x");
            let mut headers: HeaderMap = names
                .map(|name| (HeaderName::from_static(name), value.clone()))
                .into_iter()
                .collect();
            let trusted = trusted.iter().map(|name| (*name).to_owned()).collect();
            unforge(&mut headers, &TrustedProxy { headers: trusted, ..TrustedProxy::default() });
            let left: Vec<&str> =
                names.into_iter().filter(|name| headers.contains_key(*name)).collect();
            assert_eq!(left, stay);
        };
        check(&[], &["x-forwarded-for", "x-other"]);
        let by_proxy = ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "x-other"];
        check(&["X-Real-IP"], &by_proxy);
    }

    #[test]
    fn only_dots_and_nul_lead_out() {
        for path in [
            "/old/..",
            "/old/../x",
            "/old/./x",
            "/old/%2e%2E/x",
            "/old/.%2e/x",
            "/old/..%2fx",
            "/old/x%2f..",
            "/old/..\\x",
            "/old/x%5c..%5Cy",
            "/old/..;a=b/x",
            "/old/x%00.js",
        ] {
            assert!(leads_out(path), "{path}");
        }
        for path in ["/", "/old//x", "/old/a%2fb", "/old/a..b/...", "/old/.git", "/old/%252e%252e"]
        {
            assert!(!leads_out(path), "{path}");
        }
    }
}
