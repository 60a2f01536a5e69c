//! Rate limits at the door: whose request is one too many, and who is let in from where.

use std::net::IpAddr;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, StatusCode};

use crate::app::App;
use crate::domain::accounts::tokens;
use crate::domain::request::Caller;
use crate::domain::schema::Schema;
use crate::domain::settings::{Settings, networks, rates};
use crate::http::error::Envelope;
use crate::telemetry::trip;

/// Only what stands below this is limited: probes, files and the console are not.
const LIMITED: &str = "/api/";

/// The refusal that `request` has earned, if any.
pub(super) fn refusal<B>(app: &App, request: &Request<B>) -> Option<Envelope> {
    let settings = app.settings();
    let path = request.uri().path();
    if !settings.rate_limits.enabled || !path.starts_with(LIMITED) {
        return None;
    }
    let address = client(&settings, request.headers())?;
    if networks::hold(&settings.rate_limits.excluded_ips, address) {
        return None;
    }
    let caller = caller(app, request.headers());
    if caller.is_superuser() {
        return None;
    }
    let method = request.method().as_str();
    let action = action(method, path);
    let collection = action.as_ref().map(|(collection, _)| named(app, collection));
    let asked = rates::Asked {
        method,
        path,
        action: collection.as_deref().zip(action.as_ref().map(|(_, names)| &names[..])),
        signed_in: !caller.is_guest(),
    };
    let now_ms = app.clock().now_ms();
    let admitted = rates::limits(&settings.rate_limits.rules, &asked).all(|rule| {
        let label = format!("{} {}", rule.label, rule.audience);
        let duration_ms = rule.duration.saturating_mul(1000);
        app.throttle().admits(&label, address, rule.max_requests, duration_ms, now_ms)
    });
    (!admitted).then(|| Envelope::of_status(StatusCode::TOO_MANY_REQUESTS))
}

/// Whether superusers may call from where this request comes from.
pub(super) fn admits_superusers(app: &App, headers: &HeaderMap) -> bool {
    let settings = app.settings();
    settings.superuser_ips.is_empty()
        || client(&settings, headers)
            .is_some_and(|address| networks::hold(&settings.superuser_ips, address))
}

/// The address of the client: the other end of the connection, or what a trusted proxy says of it.
fn client(settings: &Settings, headers: &HeaderMap) -> Option<IpAddr> {
    let proxy = &settings.trusted_proxy;
    let told = proxy.headers.iter().find_map(|name| headers.get(name)?.to_str().ok());
    let entry = told.map(|told| match proxy.use_leftmost_ip {
        true => told.split(',').next().unwrap_or_default(),
        // Each proxy appends whom it saw: only the last entry is the trusted one's own.
        false => told.rsplit(',').next().unwrap_or_default(),
    });
    let parsed = entry.and_then(|entry| entry.trim().parse().ok());
    parsed.or_else(|| trip::with(|trip| trip.peer()))
}

fn caller(app: &App, headers: &HeaderMap) -> Caller {
    let token = headers.get(AUTHORIZATION).and_then(|token| token.to_str().ok());
    let Some(token) = token else { return Caller::Guest };
    let now_ms = app.clock().now_ms();
    app.glance(|read| tokens::caller(read, app.safe(), token, now_ms)).unwrap_or_default()
}

/// The name of a collection that a path gives by id or name; what is unknown keeps its name.
fn named(app: &App, id_or_name: &str) -> String {
    let schema = app.glance(|read| Schema::load(read));
    let found = schema.ok().and_then(|schema| schema.find(id_or_name).cloned());
    found.map_or_else(|| id_or_name.to_owned(), |collection| collection.name.clone())
}

/// The collection of a path, and the names of what is done with it, the most specific first.
fn action<'p>(method: &str, path: &'p str) -> Option<(&'p str, Vec<&'static str>)> {
    let mut parts = path.strip_prefix("/api/collections/")?.split('/');
    let (collection, what, id) = (parts.next()?, parts.next()?, parts.next());
    let names = match (method, what, id.is_some()) {
        ("GET" | "HEAD", "records", false) => vec!["list"],
        ("GET" | "HEAD", "records", true) => vec!["view"],
        ("POST", "records", false) => vec!["create"],
        ("PATCH", "records", true) => vec!["update"],
        ("DELETE", "records", true) => vec!["delete"],
        ("GET" | "HEAD", "auth-methods", false) => vec!["listAuthMethods"],
        ("POST", "auth-with-password", false) => vec!["authWithPassword", "auth"],
        ("POST", "auth-refresh", false) => vec!["authRefresh", "auth"],
        ("POST", "impersonate", true) => vec!["impersonate"],
        _ => return None,
    };
    Some((collection, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_is_done_with_which_collection() {
        let check = |method, path, expected: Option<(&str, &[&str])>| {
            let found = action(method, path);
            let found = found.as_ref().map(|(collection, names)| (*collection, &names[..]));
            assert_eq!(found, expected, "{method} {path}");
        };
        check("GET", "/api/collections/posts/records", Some(("posts", &["list"])));
        check("PATCH", "/api/collections/posts/records/1", Some(("posts", &["update"])));
        let sign_in = "/api/collections/users/auth-with-password";
        check("POST", sign_in, Some(("users", &["authWithPassword", "auth"])));
        check("GET", sign_in, None);
        check("GET", "/api/collections/posts", None);
        check("GET", "/api/health", None);
    }

    #[test]
    fn a_proxy_is_believed_only_when_it_is_trusted() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "192.0.2.1, 192.0.2.2".parse().unwrap());
        let mut settings = Settings::default();
        let told = |settings: &Settings| client(settings, &headers).map(|found| found.to_string());

        assert_eq!(told(&settings), None);
        settings.trusted_proxy.headers = vec!["X-Forwarded-For".to_owned()];
        assert_eq!(told(&settings).as_deref(), Some("192.0.2.2"));
        settings.trusted_proxy.use_leftmost_ip = true;
        assert_eq!(told(&settings).as_deref(), Some("192.0.2.1"));
    }
}
