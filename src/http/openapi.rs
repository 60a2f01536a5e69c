//! `/api/openapi.json`: the door to the description of all the others.

use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::domain::Result;
use crate::domain::openapi;
use crate::domain::request::Request;
use crate::domain::schema::Schema;
use crate::http::extract::{Asked, picked};

/// `GET /api/openapi.json`
pub(super) async fn show(State(app): State<App>, Asked(request): Asked) -> Result<Response> {
    let caller = request.caller;
    let document =
        app.read(move |read| Ok(openapi::document(&*Schema::load(read)?, &caller))).await?;
    picked(&Request::default(), document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::request::Caller;

    #[test]
    fn every_route_is_described() {
        let document = openapi::document(&Schema::default(), &Caller::Guest);
        let list = include_str!("mod.rs").split('"').skip(1).step_by(2);
        let mut routes = 0;
        for path in list.filter(|text| text.starts_with('/')) {
            assert!(document["paths"].get(path).is_some(), "{path} is not in the document");
            routes += 1;
        }
        assert!(routes > 20, "the list of routes was not found");
    }
}
