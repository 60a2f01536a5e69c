//! `/api/collections/{collection}/explain`: which part of an access rule decided.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value};

use crate::app::App;
use crate::domain::records::explain::{self, Question};
use crate::domain::{Error, Result};
use crate::http::body::Submitted;
use crate::http::extract::{Named, Superuser};

/// `POST /api/collections/{collection}/explain`
pub(super) async fn answer(
    State(app): State<App>,
    Named(collection): Named<String>,
    Superuser(request): Superuser,
    Submitted(body): Submitted,
) -> Result<Json<Value>> {
    app.read(move |read| explain::explain(read, &request, &collection, &question(&body)?))
        .await
        .map(Json)
}

fn question(body: &Map<String, Value>) -> Result<Question> {
    let misfit = |name: &str| Error::Bad(format!("`{name}` has the wrong JSON type."));
    let text = |map: &Map<String, Value>, name: &str| match map.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(misfit(name)),
    };
    let object = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object.clone())),
        Some(_) => Err(misfit(name)),
    };
    let account = match object("as")? {
        None => None,
        Some(account) => Some((text(&account, "collection")?, text(&account, "id")?)),
    };
    Ok(Question {
        action: text(body, "action")?,
        id: text(body, "id")?,
        account,
        body: object("body")?.unwrap_or_default(),
        query: object("query")?.unwrap_or_default(),
        headers: object("headers")?.unwrap_or_default(),
        filter: text(body, "filter")?,
    })
}
