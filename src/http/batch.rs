//! `POST /api/batch`: several changes of records in one request, all or none.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde_json::{Map, Value};

use crate::app::App;
use crate::domain::batch::{self, Action, Done, Entry};
use crate::domain::settings::Settings;
use crate::domain::{Error, Problems, Result};
use crate::http::body::Submitted;
use crate::http::extract::{self, Asked, json};
use crate::http::records;

const REFUSED: &str = "The batch can't be read.";
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// `POST /api/batch`
pub(super) async fn run(
    State(app): State<App>,
    Asked(request): Asked,
    submitted: Result<Submitted>,
) -> Result<Response> {
    let settings = app.glance(|read| Settings::load(read))?;
    if !settings.batch.enabled {
        return Err(Error::Forbidden("Batches are switched off."));
    }
    let Submitted(body) = submitted?;
    let entries = entries(&body, settings.batch.max_requests)?;
    for entry in entries.iter().flatten() {
        let id = match &entry.action {
            Action::Update(id) => Some(id.as_str()),
            Action::Create | Action::Upsert | Action::Delete(_) => None,
        };
        records::hash_ahead(&app, &request, &entry.collection, id, &entry.body).await?;
    }
    let done = app.write(move |tx| batch::run(tx, &request, &entries)).await?;
    Ok(json(print(&done)))
}

/// `[{"status":200,"body":{…}},{"status":204,"body":null}]`
fn print(done: &[Done]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (at, done) in done.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match done {
            Some(record) => {
                out.extend_from_slice(br#"{"status":200,"body":"#);
                out.extend_from_slice(record);
                out.push(b'}');
            }
            None => out.extend_from_slice(br#"{"status":204,"body":null}"#),
        }
    }
    out.push(b']');
    out
}

/// The entries of the batch; `None` for what is none that a batch may have.
fn entries(body: &Map<String, Value>, max: i64) -> Result<Vec<Option<Entry>>> {
    let requests = match body.get("requests") {
        None | Some(Value::Null) => &Vec::new(),
        Some(Value::Array(requests)) => requests,
        Some(_) => return Err(Error::Bad("`requests` must be a list.".to_owned())),
    };
    if requests.is_empty() {
        return Problems::one("requests", "validation_required", "Cannot be blank.")
            .check(REFUSED)
            .map(|()| Vec::new());
    }
    if requests.len() as i64 > max {
        let message = format!("Send no more than {max} at once.");
        return Problems::one("requests", "validation_length_too_long", &message)
            .check(REFUSED)
            .map(|()| Vec::new());
    }
    let mut problems = Problems::new();
    for (at, request) in requests.iter().enumerate() {
        problems.nest(&at.to_string(), faults(request));
    }
    let mut outer = Problems::new();
    outer.nest("requests", problems);
    outer.check(REFUSED)?;
    Ok(requests.iter().map(entry).collect())
}

fn faults(request: &Value) -> Problems {
    let mut problems = Problems::new();
    match request["method"].as_str().unwrap_or_default() {
        "" => problems.add("method", "validation_required", "Cannot be blank."),
        method if !METHODS.contains(&method) => {
            problems.add("method", "validation_in_invalid", "Is no method.");
        }
        _ => {}
    }
    if request["url"].as_str().unwrap_or_default().is_empty() {
        problems.add("url", "validation_required", "Cannot be blank.");
    }
    problems
}

fn entry(request: &Value) -> Option<Entry> {
    let address = request["url"].as_str()?;
    // Absolute addresses name other servers.
    let uri: Uri = address.strip_prefix('/').and_then(|_| address.parse().ok())?;
    let path = uri.path().strip_prefix("/api/collections/")?;
    let names: Vec<_> = path.split('/').map(extract::segment).collect();
    let (collection, id) = match &names[..] {
        [collection, records] if records == "records" => (collection, None),
        [collection, records, id] if records == "records" => (collection, Some(id.clone())),
        _ => return None,
    };
    let action = match (request["method"].as_str()?, id) {
        ("POST", None) => Action::Create,
        ("PUT", None) => Action::Upsert,
        ("PATCH", Some(id)) => Action::Update(id),
        ("DELETE", Some(id)) => Action::Delete(id),
        _ => return None,
    };
    let body = match &request["body"] {
        Value::Object(body) => body.clone(),
        Value::Null => Map::new(),
        _ => return None,
    };
    let headers = request["headers"].as_object().into_iter().flatten();
    let headers = headers
        .map(|(name, value)| (name.to_ascii_lowercase().replace('-', "_"), value))
        // Who asks is who sent the batch.
        .filter(|(name, _)| name != "authorization")
        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
        .collect();
    let query = extract::query(&uri);
    Some(Entry { action, collection: collection.clone(), body, query, headers })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(method: &str, url: &str) -> Option<Entry> {
        entry(&json!({ "method": method, "url": url, "body": { "a": 1 } }))
    }

    #[test]
    fn only_changes_of_records_are_entries() {
        let create = read("POST", "/api/collections/a%20b/records?fields=id").unwrap();
        assert!(matches!(create.action, Action::Create));
        assert_eq!((create.collection.as_str(), create.query["fields"].as_str()), ("a b", "id"));
        assert!(matches!(
            read("PUT", "/api/collections/a/records").unwrap().action,
            Action::Upsert
        ));
        for (method, url) in [
            ("GET", "/api/collections/a/records"),
            ("POST", "/api/collections/a/records/x"),
            ("PATCH", "/api/collections/a/records"),
            ("POST", "/api/collections/users/auth-with-password"),
            ("POST", "http://elsewhere/api/collections/a/records"),
            ("POST", "//elsewhere/api/collections/a/records"),
            ("POST", "/api/batch"),
        ] {
            assert!(read(method, url).is_none(), "{method} {url}");
        }
    }

    #[test]
    fn entries_bring_no_identity() {
        let request = json!({"method": "POST", "url": "/api/collections/a/records",
            "headers": {"Authorization": "stolen", "X-Key": "v", "Bad": 1}});
        let headers = entry(&request).unwrap().headers;
        assert_eq!(headers.into_iter().collect::<Vec<_>>(), [("x_key".into(), "v".into())]);
    }

    #[test]
    fn faults_stand_where_they_are() {
        let body = json!({"requests": [{"method": "post", "url": ""}, {"url": "/x"}]});
        let Err(Error::Invalid { problems, .. }) = entries(body.as_object().unwrap(), 50) else {
            panic!("it is refused");
        };
        let data = Value::Object(problems.into_json());
        assert_eq!(data["requests"]["0"]["method"]["code"], "validation_in_invalid");
        assert_eq!(data["requests"]["0"]["url"]["code"], "validation_required");
        assert_eq!(data["requests"]["1"]["method"]["code"], "validation_required");
    }
}
