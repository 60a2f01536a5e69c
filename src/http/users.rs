//! `/api/users`: the users collection, for clients written against a plain REST shape.

use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::auth::random;
use crate::domain::Result;
use crate::http::body::Written;
use crate::http::extract::Asked;
use crate::http::records;

const USERS: &str = "users";
/// Length of a password that nobody knows.
const UNKNOWN_LENGTH: usize = 40;

/// `GET /api/users`
pub(super) async fn list(State(app): State<App>, Asked(request): Asked) -> Result<Response> {
    records::page(&app, request, USERS.to_owned()).await
}

/// `POST /api/users`: superusers may leave the password out; then nobody knows it.
pub(super) async fn create(
    State(app): State<App>,
    Asked(request): Asked,
    Written(mut body): Written,
) -> Result<Response> {
    if request.caller.is_superuser() && !body.contains_key("password") {
        let password = random::text(random::MIXED, UNKNOWN_LENGTH);
        body.insert("password".to_owned(), password.clone().into());
        body.insert("passwordConfirm".to_owned(), password.into());
    }
    records::add(&app, request, USERS.to_owned(), body).await
}
