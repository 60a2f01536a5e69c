//! Files for browsers: the console at `/_/`, and at `/` the team's own site or a page that says what runs.

mod answer;
mod console;
mod file;
mod folder;
mod path;
mod range;

use std::path::Path;

use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::telemetry::series;
use crate::telemetry::series::RouteSeries;
use crate::telemetry::trip;

use self::console::Console;
use self::folder::Folder;

/// Paths that belong to the program whatever a team's own site contains.
const CONSOLE: &str = "/_/";

/// What browsers are served besides the API.
pub(super) struct Assets {
    console: Console,
    site: Option<Folder>,
    console_route: &'static RouteSeries,
    site_route: &'static RouteSeries,
}

impl Assets {
    /// Takes `public` as the site at `/`, if there is one.
    pub fn new(public: Option<&Path>) -> Self {
        Self {
            console: Console::load(),
            site: public.map(Folder::new),
            console_route: series::of_route("/_/{file}"),
            site_route: series::of_route("/{file}"),
        }
    }

    /// Answers a request that no route took, or nothing if there is no such file either.
    pub async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<Response> {
        let path = uri.path();
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        if let Some(below) = path.strip_prefix(CONSOLE) {
            let file = self.console.find(&path::Wanted::parse(below)?)?;
            trip::with(|trip| trip.take_route(self.console_route));
            let mut response = answer::answer(method, headers, file).await;
            console::protect(response.headers_mut());
            return Some(response);
        }
        if path == "/_" {
            return Some(moved(CONSOLE, uri));
        }
        if is_reserved(path) {
            return None;
        }
        let Some(site) = &self.site else {
            let start = (path == "/").then(|| self.console.start())?;
            let mut response = answer::answer(method, headers, start).await;
            console::protect(response.headers_mut());
            return Some(response);
        };
        let found = site.find(&path::Wanted::parse(path.strip_prefix('/')?)?).await?;
        trip::with(|trip| trip.take_route(self.site_route));
        match found {
            folder::Found::File(file) => Some(answer::answer(method, headers, &file).await),
            folder::Found::Folder => Some(moved(&format!("{path}/"), uri)),
        }
    }
}

/// Paths at which programs ask: a page in place of an answer would tell a probe that all is well.
fn is_reserved(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/") || path.starts_with("/health/")
}

/// Relative links in a page only work when a folder's address ends with a slash.
fn moved(to: &str, from: &Uri) -> Response {
    let query = from.query().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(to) = HeaderValue::try_from(format!("{to}{query}")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, to)]).into_response()
}
