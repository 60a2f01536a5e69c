//! The front door: the one list of routes. If it is not here, it is not served.

use axum::Router;
use axum::routing::get;

use crate::app::App;

mod assets;
mod cors;
pub mod error;
mod front;
mod health;
pub mod limits;
mod routes;
pub mod serve;

use routes::Routes;

/// Every path that we answer, with what answers it.
fn routes(app: &App) -> Router {
    let files = assets::Otherwise::new(app);
    Routes::new()
        // Probes.
        .at("/health", get(health::brief))
        .at("/health/live", get(health::live))
        .at("/health/ready", get(health::ready))
        .at("/ready", get(health::ready))
        .at("/startup", get(health::startup))
        .at("/api/health", get(health::api))
        .otherwise(move |request| files.clone().answer(request))
        .open(app)
}
