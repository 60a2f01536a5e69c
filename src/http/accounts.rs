//! `/api/collections/{collection}/auth-…`: the doors to signing in.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;

use crate::app::App;
use crate::domain::accounts::sign_in::{self, SignedIn};
use crate::domain::answer;
use crate::domain::request::Request;
use crate::domain::{Error, Result};
use crate::http::body::{Submitted, body_for};
use crate::http::extract::{Asked, NOT_FROM_HERE, Named, Superuser, json, look};
use crate::http::throttle;
use crate::store::Read;

/// `GET /api/collections/{collection}/auth-methods`
pub(super) async fn methods(
    State(app): State<App>,
    Named(collection): Named<String>,
    Asked(request): Asked,
) -> Result<Json<Value>> {
    let look = look(&request)?;
    let mut methods = app.glance(|read| sign_in::methods(read, &collection))?;
    if let Some(pick) = &look.pick {
        pick.apply(&mut methods);
    }
    Ok(Json(methods))
}

/// `POST /api/collections/{collection}/auth-with-password`
pub(super) async fn with_password(
    State(app): State<App>,
    Named(collection): Named<String>,
    Asked(request): Asked,
    headers: HeaderMap,
    submitted: Result<Submitted>,
) -> Result<Response> {
    let body = body_for(&app, &collection, submitted)?;
    let admits_superusers = throttle::admits_superusers(&app, &headers);
    answer(&app, request, move |app, read, request| {
        let signed_in = sign_in::by_password(read, app.safe(), request, &collection, &body)?;
        if signed_in.caller().is_superuser() && !admits_superusers {
            return Err(Error::Forbidden(NOT_FROM_HERE));
        }
        Ok(signed_in)
    })
    .await
}

/// `POST /api/collections/{collection}/auth-refresh`
pub(super) async fn refresh(
    State(app): State<App>,
    Named(collection): Named<String>,
    Asked(request): Asked,
    headers: HeaderMap,
) -> Result<Response> {
    let token = headers.get(AUTHORIZATION).and_then(|token| token.to_str().ok());
    let token = token.unwrap_or_default().to_owned();
    answer(&app, request, move |app, read, request| {
        sign_in::refresh(read, app.safe(), request, &collection, &token)
    })
    .await
}

/// `POST /api/collections/{collection}/impersonate/{id}`
pub(super) async fn impersonate(
    State(app): State<App>,
    Named((collection, id)): Named<(String, String)>,
    Superuser(request): Superuser,
    submitted: Result<Submitted>,
) -> Result<Response> {
    let body = body_for(&app, &collection, submitted)?;
    answer(&app, request, move |app, read, request| {
        sign_in::impersonate(read, app.safe(), request, &collection, &id, &body)
    })
    .await
}

/// Signs somebody in, in the lane of hashing (a signature, too, takes most of a millisecond), and
/// answers with the token and the account as it sees itself.
async fn answer<S>(app: &App, request: Request, sign_in: S) -> Result<Response>
where
    S: Fn(&App, &dyn Read, &Request) -> Result<SignedIn> + Send + 'static,
{
    let mut look = look(&request)?;
    let pick = look.pick.take();
    app.can_sign().await?;
    let inside = app.clone();
    let bytes = app
        .hash(move || {
            inside.glance(|read| {
                let signed_in = sign_in(&inside, read, &request)?;
                let request = Request { caller: signed_in.caller(), ..request.clone() };
                let record = answer::record(read, &request, &signed_in.account, &look)?;
                answer::signed_in(&signed_in.token, &record, pick.as_ref())
            })
        })
        .await?;
    Ok(json(bytes))
}
