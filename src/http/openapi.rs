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
    use serde_json::Value;

    use super::*;
    use crate::domain::request::Caller;

    fn guests() -> Value {
        openapi::document(&Schema::default(), &Caller::Guest)
    }

    #[test]
    fn every_route_is_described_with_its_methods_and_nothing_else_is() {
        let document = guests();
        let source = include_str!("mod.rs");
        let list = source.split("fn metrics_routes").next().unwrap();
        let mut served = std::collections::BTreeSet::new();
        for route in list.split(".at(").flat_map(|part| part.split(".probe")).skip(1) {
            let Some(path) = route.split('"').nth(1).filter(|path| path.starts_with('/')) else {
                continue;
            };
            let methods = route.rsplit_once('"').unwrap().1;
            for method in ["get", "post", "put", "patch", "delete"] {
                let words =
                    methods.split(|letter: char| !letter.is_alphanumeric() && letter != '(');
                if words.into_iter().any(|word| word.starts_with(&format!("{method}("))) {
                    served.insert(format!("{method} {path}"));
                }
            }
        }
        let mut described = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            described.extend(item.as_object().unwrap().keys().map(|m| format!("{m} {path}")));
        }
        assert!(served.len() > 30, "the list of routes was not found");
        assert_eq!(served, described);
    }

    #[test]
    fn every_refusal_is_described() {
        let document = guests();
        let table = include_str!("error.rs").lines().filter_map(|line| {
            let code = line.strip_prefix("//! | `")?.split('`').next()?;
            Some(code.to_owned())
        });
        let codes: Vec<String> = table.collect();
        assert_eq!(codes, openapi::ERROR_CODES);
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let refused = &operation["responses"]["default"]["content"]["application/json"];
                assert_eq!(refused["schema"]["$ref"], "#/components/schemas/Error");
            }
        }
    }
}
