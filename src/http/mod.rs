//! The front door: the one list of routes. If it is not here, it is not served.

use axum::Router;
use axum::routing::{delete, get, post, put};

use crate::app::App;
use crate::domain::Error;

mod accounts;
mod aggregates;
mod arriving;
mod assets;
mod attend;
mod batch;
mod body;
mod collections;
mod compress;
mod connections;
mod cors;
mod doorway;
mod encoding;
pub mod error;
mod explain;
mod extract;
mod front;
mod health;
mod jwks;
mod last_word;
pub mod limits;
mod listening;
mod metrics;
mod neighbours;
mod openapi;
mod otherwise;
mod porch;
mod proxy;
mod records;
mod routes;
pub mod serve;
mod settings;
mod streamed;
mod strict;
mod testing;
mod throttle;
pub mod tls;
mod typed;
mod users;
mod watched;

use routes::Routes;

/// Every path that we answer, with what answers it.
fn routes(app: &App) -> Router {
    let files = otherwise::Otherwise::new(app);
    Routes::new()
        // Probes.
        .probe("/health", get(health::brief))
        .probe("/health/live", get(health::live))
        .probe("/health/ready", get(health::ready))
        .probe("/ready", get(health::ready))
        .probe("/startup", get(health::startup))
        .probe("/api/health", get(health::api))
        .probe_if(!app.has_metrics_apart(), "/metrics", get(metrics::show))
        .at("/api/openapi.json", get(openapi::show))
        // Collections.
        .at("/api/collections", get(collections::list).post(collections::create))
        .at("/api/collections/import", put(collections::import))
        .at("/api/collections/meta/scaffolds", get(collections::scaffolds))
        .at("/api/collections/meta/dry-run-view", post(collections::dry_run_view))
        .at("/api/collections/meta/oauth2-providers", get(collections::oauth2_providers))
        .at(
            "/api/collections/{collection}",
            get(collections::view).patch(collections::update).delete(collections::delete),
        )
        .at("/api/collections/{collection}/truncate", delete(collections::truncate))
        // Records.
        .at("/api/collections/{collection}/records", get(records::list).post(records::create))
        .at(
            "/api/collections/{collection}/records/{id}",
            get(records::view).patch(records::update).delete(records::delete),
        )
        .at("/api/collections/{collection}/aggregate", get(aggregates::show))
        .at("/api/collections/{collection}/explain", post(explain::answer))
        .at("/api/batch", post(batch::run))
        .at("/api/users", get(users::list).post(users::create))
        // Accounts.
        .at("/api/collections/{collection}/auth-methods", get(accounts::methods))
        .at("/api/collections/{collection}/auth-with-password", post(accounts::with_password))
        .at("/api/collections/{collection}/auth-refresh", post(accounts::refresh))
        .at("/api/collections/{collection}/impersonate/{id}", post(accounts::impersonate))
        .at("/.well-known/jwks.json", get(jwks::show))
        // Operations.
        .at("/api/test/reset", post(testing::reset))
        .at("/api/settings", get(settings::show).patch(settings::change))
        .otherwise(move |request| files.clone().answer(request))
        .open(app)
}

/// What is served on the listener of the metrics, where they have one of their own.
fn metrics_routes(app: &App) -> Router {
    Routes::new()
        .probe("/health/live", get(health::live))
        .probe("/metrics", get(metrics::show))
        .otherwise(async || Error::NotFound("endpoint"))
        .open(app)
}
