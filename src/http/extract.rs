//! What a request says besides its body: who asks, and everything that an access rule may know.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::Value;

use crate::app::App;
use crate::auth::passwords::Hashing;
use crate::domain::accounts::tokens;
use crate::domain::answer::Look;
use crate::domain::collections;
use crate::domain::request::{Caller, Headers, Lines, Request};
use crate::domain::{Error, Result};
use crate::http::throttle;
use crate::query::Budget;

/// Told to superusers whose address the settings don't list.
pub(super) const NOT_FROM_HERE: &str = "Superusers may not call from this address.";

/// The request as rules see it, its caller known. A token that is no good makes a guest.
pub struct Asked(pub Request);

impl FromRequestParts<App> for Asked {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let now_ms = app.clock().now_ms();
        Ok(Self(Request {
            caller: caller(app, &parts.headers, now_ms)?,
            method: parts.method.as_str().to_owned(),
            context: "default",
            query: query(&parts.uri),
            headers: Headers::of(Arc::new(Given(parts.headers.clone()))),
            body: Default::default(),
            now_ms,
            budget: Budget::of(app.limits().row_visits),
            hashing: Hashing::new(app.safe().passwords.clone()),
        }))
    }
}

/// The request of a superuser. Anybody else is turned away before the body is looked at.
pub struct Superuser(pub Request);

impl FromRequestParts<App> for Superuser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let Asked(request) = Asked::from_request_parts(parts, app).await?;
        collections::guard(&request.caller)?;
        Ok(Self(request))
    }
}

/// Who holds the token of these headers.
pub(super) fn caller(app: &App, headers: &HeaderMap, now_ms: i64) -> Result<Caller> {
    let token = headers.get(AUTHORIZATION).and_then(|token| token.to_str().ok());
    match token {
        None | Some("") => Ok(Caller::Guest),
        Some(token) => {
            let caller = app.glance(|read| tokens::caller(read, app.safe(), token, now_ms))?;
            if caller.is_superuser() && !throttle::admits_superusers(app, headers) {
                return Err(Error::Forbidden(NOT_FROM_HERE));
            }
            Ok(caller)
        }
    }
}

/// The parameters of the address; the first of a name counts.
pub(super) fn query(uri: &Uri) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in pairs(uri.query().unwrap_or_default()) {
        found.entry(name).or_insert(value);
    }
    found
}

/// Names and values of `a=1&b=%20`, decoded. What is no UTF-8 becomes U+FFFD.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// One segment of a path, decoded.
pub(super) fn segment(text: &str) -> String {
    decode(&text.replace('+', "%2B"))
}

fn decode(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| (*digit as char).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
                continue;
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
        rest = after;
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A request's header lines, for the rule that asks for one.
#[derive(Debug)]
struct Given(HeaderMap);

impl Lines for Given {
    fn line(&self, wanted: &str) -> Option<String> {
        let is_wanted = |name: &HeaderName| {
            let name = name.as_str().bytes();
            name.map(|byte| if byte == b'-' { b'_' } else { byte }).eq(wanted.bytes())
        };
        let (_, value) = self.0.iter().find(|(name, _)| is_wanted(name))?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

/// How the caller wants its records: the parameters `expand` and `fields`.
pub(super) fn look(request: &Request) -> Result<Look> {
    let parameter = |name: &str| request.query.get(name).map_or("", String::as_str);
    Look::parse(parameter("expand"), parameter("fields"))
}

/// An answer of those members that the parameter `fields` picks.
pub(super) fn picked(request: &Request, mut value: Value) -> Result<Response> {
    if let Some(pick) = look(request)?.pick {
        pick.apply(&mut value);
    }
    Ok(json(value.to_string()))
}

/// The names in a path, decoded. What is no UTF-8 names nothing.
pub struct Named<T>(pub T);

impl<T> FromRequestParts<App> for Named<T>
where
    Path<T>: FromRequestParts<App>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        match Path::<T>::from_request_parts(parts, app).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(_) => Err(Error::NotFound("endpoint")),
        }
    }
}

/// An answer that is JSON already.
pub(super) fn json(bytes: impl Into<Bytes>) -> Response {
    let mut response = Response::new(bytes.into().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parameter_of_a_name_counts() {
        let uri: Uri = "/x?a=1&a=2&b=%C3%A5+%2&c&=d".parse().unwrap();
        let query = query(&uri);
        assert_eq!(query["a"], "1");
        assert_eq!(query["b"], "å %2");
        assert_eq!(query["c"], "");
    }

    #[test]
    fn header_names_are_as_rules_write_them() {
        let mut given = HeaderMap::new();
        given.insert("X-My-Key", "v".parse().unwrap());
        given.append("X-My-Key", "w".parse().unwrap());
        let headers = Headers::of(Arc::new(Given(given)));
        assert_eq!(headers.get("x_my_key").as_deref(), Some("v"));
        assert_eq!(headers.get("x-my-key"), None);
    }
}
