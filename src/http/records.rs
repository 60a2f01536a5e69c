//! `/api/collections/{collection}/records`: the doors to records.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::app::App;
use crate::domain::answer;
use crate::domain::records::{self, Body, Listing};
use crate::domain::request::Request;
use crate::domain::{Error, Result};
use crate::http::body::{Written, body_for};
use crate::http::extract::{Asked, Named, json, look};
use crate::query;
use crate::store::Tx;

/// Tells a superuser who asks by `?explain=1` what was done to answer.
const PLAN: HeaderName = HeaderName::from_static("holdall-plan");

/// `GET /api/collections/{collection}/records`
pub(super) async fn list(
    State(app): State<App>,
    Named(collection): Named<String>,
    Asked(request): Asked,
) -> Result<Response> {
    page(&app, request, collection).await
}

/// A page of `collection`, as the parameters ask for it.
pub(super) async fn page(app: &App, request: Request, collection: String) -> Result<Response> {
    let (listing, look) = (listing(&request)?, look(&request)?);
    let explain = explains(&request);
    let (bytes, plan) = app
        .read(move |read| {
            let paging = records::list(read, &request, &collection, &listing)?;
            Ok((answer::page(read, &request, &paging, &look)?, paging.plan))
        })
        .await?;
    Ok(explained(explain, json(bytes), &plan))
}

/// Whether a superuser asks how the answer was found.
pub(super) fn explains(request: &Request) -> bool {
    request.caller.is_superuser() && is_set(request, "explain").unwrap_or(false)
}

/// The answer, with the plan in a header when it was asked for.
pub(super) fn explained(explain: bool, mut response: Response, plan: &query::Plan) -> Response {
    if !explain {
        return response;
    }
    let plan = serde_json::to_string(plan).ok();
    if let Some(plan) = plan.and_then(|plan| HeaderValue::from_str(&plan).ok()) {
        response.headers_mut().insert(PLAN, plan);
    }
    response
}

/// `GET /api/collections/{collection}/records/{id}`
pub(super) async fn view(
    State(app): State<App>,
    Named((collection, id)): Named<(String, String)>,
    Asked(request): Asked,
) -> Result<Response> {
    let bytes = app
        .read(move |read| {
            let record = records::view(read, &request, &collection, &id)?;
            answer::record(read, &request, &record, &look(&request)?)
        })
        .await?;
    Ok(json(bytes))
}

/// `POST /api/collections/{collection}/records`
pub(super) async fn create(
    State(app): State<App>,
    Named(collection): Named<String>,
    Asked(request): Asked,
    submitted: Result<Written>,
) -> Result<Response> {
    let body = body_for(&app, &collection, submitted)?;
    add(&app, request, collection, body).await
}

/// Adds a record to `collection`.
pub(super) async fn add(
    app: &App,
    request: Request,
    collection: String,
    body: Body,
) -> Result<Response> {
    hash_ahead(app, &request, &collection, None, &body).await?;
    let name = collection.clone();
    let rule = move |tx: &mut Tx| {
        let record = records::create(tx, &request, &collection, &body)?;
        answer::record(tx, &request, &record, &look(&request)?)
    };
    Ok(json(write(app, &name, rule).await?))
}

/// `PATCH /api/collections/{collection}/records/{id}`
pub(super) async fn update(
    State(app): State<App>,
    Named((collection, id)): Named<(String, String)>,
    Asked(request): Asked,
    submitted: Result<Written>,
) -> Result<Response> {
    let body = body_for(&app, &collection, submitted)?;
    hash_ahead(&app, &request, &collection, Some(&id), &body).await?;
    let name = collection.clone();
    let rule = move |tx: &mut Tx| {
        let record = records::update(tx, &request, &collection, &id, &body)?;
        answer::record(tx, &request, &record, &look(&request)?)
    };
    Ok(json(write(&app, &name, rule).await?))
}

/// `DELETE /api/collections/{collection}/records/{id}`
pub(super) async fn delete(
    State(app): State<App>,
    Named((collection, id)): Named<(String, String)>,
    Asked(request): Asked,
) -> Result<Response> {
    app.write_briefly(move |tx| records::delete(tx, &request, &collection, &id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Runs a rule that writes a record of `collection`: in place, unless it may hash a password.
async fn write<T, R>(app: &App, collection: &str, rule: R) -> Result<T>
where
    T: Send + 'static,
    R: Fn(&mut Tx) -> Result<T> + Send + 'static,
{
    if app.glance(|read| records::may_hash(read, collection))? {
        app.write(rule).await
    } else {
        app.write_briefly(rule).await
    }
}

/// Hashes a submitted password in the lane of hashing, so that the rule, which would hold up other
/// writers meanwhile, finds it done.
pub(super) async fn hash_ahead(
    app: &App,
    request: &Request,
    collection: &str,
    id: Option<&str>,
    body: &Body,
) -> Result<()> {
    let Some(submitted) =
        app.glance(|read| records::password(read, request, collection, id, body))?
    else {
        return Ok(());
    };
    let hashing = request.hashing.clone();
    app.hash(move || Ok(hashing.hash(&submitted.owner, &submitted.plain).map(drop)?)).await
}

/// The parameters of a list.
pub(super) fn listing(request: &Request) -> Result<Listing> {
    let text = |name: &str| request.query.get(name).map_or("", |text| text.trim());
    let number = |name: &'static str| match request.query.get(name).map_or("", String::as_str) {
        "" => Ok(0),
        text => match text.parse::<i64>() {
            Ok(number) => Ok(number.max(0) as u64),
            Err(_) => Err(Error::Bad(format!("`{name}` must be an integer."))),
        },
    };
    Ok(Listing {
        page: number("page")?,
        per_page: number("perPage")?,
        sort: text("sort").to_owned(),
        filter: text("filter").to_owned(),
        skip_total: is_set(request, "skipTotal")?,
        after: Some(text("after").to_owned()).filter(|id| !id.is_empty()),
    })
}

fn is_set(request: &Request, name: &str) -> Result<bool> {
    match request.query.get(name).map(String::as_str) {
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        None | Some("" | "0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(_) => Err(Error::Bad(format!("`{name}` must be true or false."))),
    }
}
