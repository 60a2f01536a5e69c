//! The public keys that other services verify our tokens with.

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde_json::json;

use crate::app::App;
use crate::domain::Result;
use crate::domain::signing;

/// How long others may keep the answer. A new key signs at once, so those who keep a list must ask
/// again when they meet a key they don't know; RFC 7517 libraries do.
const KEEP: &str = "public, max-age=300";

/// `GET /.well-known/jwks.json`
pub(super) async fn show(State(app): State<App>) -> Result<impl IntoResponse> {
    // So that whoever asks first does not keep an empty list.
    app.can_sign().await?;
    let keys = app.glance(|read| signing::public_keys(read, app.safe()))?;
    Ok(([(CACHE_CONTROL, KEEP)], Json(json!({ "keys": keys }))))
}
