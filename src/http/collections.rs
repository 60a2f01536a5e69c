//! `/api/collections`: the doors to collections, for superusers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::domain::collections::{self, providers};
use crate::domain::request::Request;
use crate::domain::schema::Collection;
use crate::domain::views;
use crate::domain::{Error, Problems, Result};
use crate::http::body::{Submitted, body_for};
use crate::http::extract::{Named, Superuser, look, picked};
use crate::http::records::listing;
use crate::store::Tx;

/// `GET /api/collections`
pub(super) async fn list(
    State(app): State<App>,
    Superuser(request): Superuser,
) -> Result<Response> {
    let (listing, look) = (listing(&request)?, look(&request)?);
    let (paging, found) = {
        let request = request.clone();
        app.read(move |read| collections::list::list(read, &request, &listing)).await?
    };
    let (items, pages) = paging.totals();
    let mut list: Value =
        found.iter().map(|collection| Value::Object(collection.to_json())).collect();
    if let Some(pick) = &look.pick {
        pick.apply(&mut list);
    }
    // The envelope stays whole: only its items are picked from.
    picked(
        &Request::default(),
        json!({"page": paging.page, "perPage": paging.per_page, "totalItems": items,
            "totalPages": pages, "items": list}),
    )
}

/// `GET /api/collections/{collection}`
pub(super) async fn view(
    State(app): State<App>,
    Named(collection): Named<String>,
    Superuser(request): Superuser,
) -> Result<Response> {
    let caller = request.caller.clone();
    let found = app.read(move |read| collections::find(read, &caller, &collection)).await?;
    show(&request, &found)
}

/// `POST /api/collections`
pub(super) async fn create(
    State(app): State<App>,
    Superuser(request): Superuser,
    Submitted(definition): Submitted,
) -> Result<Response> {
    let (caller, now_ms) = (request.caller.clone(), request.now_ms);
    let made = app.write(move |tx| collections::create(tx, &caller, &definition, now_ms)).await?;
    show(&request, &made)
}

/// `PATCH /api/collections/{collection}`
pub(super) async fn update(
    State(app): State<App>,
    Named(collection): Named<String>,
    Superuser(request): Superuser,
    submitted: Result<Submitted>,
) -> Result<Response> {
    let changes = body_for(&app, &collection, submitted)?;
    let (caller, now_ms) = (request.caller.clone(), request.now_ms);
    let has_indexes = changes.contains_key("indexes");
    let asked = Arc::new((caller, collection, changes));
    let change = {
        let asked = asked.clone();
        app.write(move |tx| collections::update(tx, &asked.0, &asked.1, &asked.2, now_ms))
    };
    let changed = if has_indexes {
        let wanted = asked.clone();
        let foresee =
            move |tx: &mut Tx| collections::foresee(tx, &wanted.0, &wanted.1, &wanted.2, now_ms);
        app.rehearse(foresee).await?;
        let begin =
            move |tx: &mut Tx| collections::update_ahead(tx, &asked.0, &asked.1, &asked.2, now_ms);
        let refuse = |_: &Collection, problems: Problems| problems.check(collections::NOT_CHANGED);
        app.ahead_of(change, begin, refuse, now_ms).await?
    } else {
        change.await?
    };
    let changed = settled(&app, &request, changed).await?;
    show(&request, &changed)
}

/// The collection once its indexes are made.
async fn settled(
    app: &App,
    request: &Request,
    changed: Arc<Collection>,
) -> Result<Arc<Collection>> {
    if changed.pending.is_empty() {
        return Ok(changed);
    }
    app.settle_indexes(changed.number).await?.check(collections::NOT_CHANGED)?;
    let (caller, id) = (request.caller.clone(), changed.id.clone());
    app.read(move |read| collections::find(read, &caller, &id)).await
}

/// `DELETE /api/collections/{collection}`
pub(super) async fn delete(
    State(app): State<App>,
    Named(collection): Named<String>,
    Superuser(request): Superuser,
) -> Result<Response> {
    app.write(move |tx| collections::delete(tx, &request.caller, &collection)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /api/collections/{collection}/truncate`
pub(super) async fn truncate(
    State(app): State<App>,
    Named(collection): Named<String>,
    Superuser(request): Superuser,
) -> Result<Response> {
    app.write(move |tx| collections::truncate(tx, &request.caller, &collection, request.now_ms))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PUT /api/collections/import`
pub(super) async fn import(
    State(app): State<App>,
    Superuser(request): Superuser,
    Submitted(body): Submitted,
) -> Result<Response> {
    let definitions = definitions(&body)?;
    let delete_missing = delete_missing(&body)?;
    let now_ms = request.now_ms;
    let asked = Arc::new((request.caller.clone(), definitions));
    let wanted = asked.clone();
    let foresee = move |tx: &mut Tx| {
        collections::foresee_import(tx, &wanted.0, &wanted.1, delete_missing, now_ms)
    };
    app.rehearse(foresee).await?;
    let wanted = asked.clone();
    let begin = move |tx: &mut Tx| {
        collections::import_ahead(tx, &wanted.0, &wanted.1, delete_missing, now_ms)
    };
    let import =
        app.write(move |tx| collections::import(tx, &asked.0, &asked.1, delete_missing, now_ms));
    let imported = app.ahead_of(import, begin, collections::refuse_import, now_ms).await?;
    for collection in imported {
        settled(&app, &request, collection).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Whether what an import does not list goes. Anything but a clear answer is refused: it may be meant
/// as the opposite of what it would do.
fn delete_missing(body: &Map<String, Value>) -> Result<bool> {
    match body.get("deleteMissing") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(delete)) => Ok(*delete),
        Some(_) => {
            let (code, why) = ("validation_invalid_value", "Must be true or false.");
            let problems = Problems::one("deleteMissing", code, why);
            Err(Error::Invalid { message: "The import can't be read.".to_owned(), problems })
        }
    }
}

/// The collections that an import lists.
fn definitions(body: &Map<String, Value>) -> Result<Vec<Map<String, Value>>> {
    let malformed = || Error::Bad("`collections` must be a list of objects.".to_owned());
    match body.get("collections") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => {
            list.iter().map(|one| one.as_object().cloned().ok_or_else(malformed)).collect()
        }
        Some(_) => Err(malformed()),
    }
}

/// `GET /api/collections/meta/scaffolds`
pub(super) async fn scaffolds(Superuser(request): Superuser) -> Result<Response> {
    picked(&request, Value::Object(collections::scaffolds()))
}

/// `GET /api/collections/meta/oauth2-providers`
pub(super) async fn oauth2_providers(Superuser(request): Superuser) -> Result<Response> {
    picked(&request, providers::list())
}

/// `POST /api/collections/meta/dry-run-view`
pub(super) async fn dry_run_view(
    State(app): State<App>,
    Superuser(request): Superuser,
    Submitted(body): Submitted,
) -> Result<Response> {
    let query = body.get("query").and_then(Value::as_str).unwrap_or_default().to_owned();
    let now_ms = request.now_ms;
    let found = app.read(move |read| views::dry_run(read, &query, now_ms)).await?;
    picked(&request, found)
}

fn show(request: &Request, collection: &Collection) -> Result<Response> {
    picked(request, Value::Object(collection.to_json()))
}
