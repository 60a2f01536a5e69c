//! `/api/settings`: the doors to what superusers change while the server runs.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::app::App;
use crate::domain::Result;
use crate::domain::request::Request;
use crate::domain::settings;
use crate::http::body::Submitted;
use crate::http::extract::{Superuser, look};
use crate::store::Read;

/// `GET /api/settings`
pub(super) async fn show(
    State(app): State<App>,
    Superuser(request): Superuser,
) -> Result<Json<Value>> {
    app.read(move |read| picked(read, &request)).await.map(Json)
}

/// `PATCH /api/settings`
pub(super) async fn change(
    State(app): State<App>,
    Superuser(request): Superuser,
    Submitted(patch): Submitted,
) -> Result<Json<Value>> {
    let inside = app.clone();
    let changed = app
        .write(move |tx| {
            settings::change(tx, inside.safe(), &request.caller, &patch)?;
            picked(tx, &request)
        })
        .await?;
    app.reload_settings()?;
    Ok(Json(changed))
}

/// The settings as the caller wants to see them.
fn picked(read: &dyn Read, request: &Request) -> Result<Value> {
    let mut shown = settings::shown(read, &request.caller)?;
    if let Some(pick) = look(request)?.pick {
        pick.apply(&mut shown);
    }
    Ok(shown)
}
