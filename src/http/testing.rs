//! `/api/test/…`: what only a throw-away instance answers.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::app::App;
use crate::domain::Result;

/// `POST /api/test/reset`: everything is again as it was after seeding. Elsewhere there is no such
/// endpoint. Whoever can reach a throw-away instance may ask: there is nothing to protect.
pub(super) async fn reset(State(app): State<App>) -> Result<Response> {
    app.start_over().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
