//! `/api/collections/{collection}/aggregate`: numbers about records.

use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::domain::Result;
use crate::domain::aggregates::{self, Wanted};
use crate::domain::json;
use crate::http::extract::{self, Asked, Named};
use crate::http::records::{explained, explains};

/// `GET /api/collections/{collection}/aggregate?select=count,sum(price)&group=status&filter=…`
pub(super) async fn show(
    State(app): State<App>,
    Named(collection): Named<String>,
    Asked(request): Asked,
) -> Result<Response> {
    let text = |name: &str| request.query.get(name).cloned().unwrap_or_default();
    let wanted = Wanted { filter: text("filter"), group: text("group"), select: text("select") };
    let explain = explains(&request);
    let (value, plan) =
        app.read(move |read| aggregates::find(read, &request, &collection, &wanted)).await?;
    Ok(explained(explain, extract::json(json::print(&value)), &plan))
}
