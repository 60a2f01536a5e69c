//! What a request submits: an object, sent as JSON or as a form.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::app::App;
use crate::domain::records;
use crate::domain::{Error, Result};
use crate::http::extract;
use crate::http::limits;
use crate::http::strict;

/// Holds JSON members that are merged into a form.
const JSON_PAYLOAD: &str = "@jsonPayload";
/// Most parts of a form.
const PARTS_MAX: usize = 10_000;

/// The members that were submitted; no body is an empty object.
pub struct Submitted(pub Map<String, Value>);

impl FromRequest<App> for Submitted {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        read(kind.unwrap_or_default(), body, app.limits().body_bytes).await.map(Self)
    }
}

async fn read(kind: &str, body: Body, max: usize) -> Result<Map<String, Value>> {
    let bytes = limits::collect(body, max).await?;
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        _ if bytes.is_empty() => Ok(Map::new()),
        "" | "application/json" => from_json(&bytes),
        "application/x-www-form-urlencoded" => from_form(&bytes),
        "multipart/form-data" => from_parts(kind, bytes).await,
        _ => Err(Error::Bad("Send JSON or a form.".to_owned())),
    }
}

fn from_json(bytes: &[u8]) -> Result<Map<String, Value>> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match strict::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(Error::Bad("The body must be a JSON object.".to_owned())),
        Err(error) => Err(Error::Bad(format!("The body is not valid JSON: {error}."))),
    }
}

fn from_form(bytes: &[u8]) -> Result<Map<String, Value>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::Bad("The form is not valid UTF-8.".to_owned()))?;
    let mut form = Form::default();
    for (name, value) in extract::pairs(text) {
        form.add(name, value)?;
    }
    Ok(form.members)
}

async fn from_parts(kind: &str, bytes: Bytes) -> Result<Map<String, Value>> {
    let broken = |error: multer::Error| Error::Bad(format!("The form can't be read: {error}."));
    let boundary = multer::parse_boundary(kind).map_err(broken)?;
    let body = stream::once(async move { Ok::<_, std::io::Error>(bytes) });
    let mut parts = multer::Multipart::new(body, boundary);
    let mut form = Form::default();
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.file_name().is_some();
        let content = part.bytes().await.map_err(broken)?;
        if is_file {
            // Browsers send an empty file for an input where none was chosen.
            if content.is_empty() {
                continue;
            }
            return Err(Error::Bad(format!("`{name}`: this version takes no files yet.")));
        }
        let text = String::from_utf8(content.into())
            .map_err(|_| Error::Bad(format!("`{name}` is not valid UTF-8.")))?;
        form.add(name, text)?;
    }
    Ok(form.members)
}

/// The fields of a form: text, and a list of it where a name is repeated.
#[derive(Default)]
struct Form {
    members: Map<String, Value>,
    parts: usize,
}

impl Form {
    fn add(&mut self, name: String, text: String) -> Result<()> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(Error::Bad(format!("A form may have {PARTS_MAX} parts.")));
        }
        if name == JSON_PAYLOAD {
            if text.trim().is_empty() {
                return Err(Error::Bad(format!("{JSON_PAYLOAD} must hold a JSON object.")));
            }
            self.members.extend(from_json(text.as_bytes())?);
            return Ok(());
        }
        match self.members.get_mut(&name) {
            None => {
                self.members.insert(name, text.into());
            }
            Some(Value::Array(texts)) => texts.push(text.into()),
            Some(first) => *first = Value::Array(vec![first.take(), text.into()]),
        }
        Ok(())
    }
}

/// What was submitted to `collection`. That it can't be read is told only where there is one.
pub(super) fn body_for(
    app: &App,
    collection: &str,
    submitted: Result<Submitted>,
) -> Result<records::Body> {
    if submitted.is_err() {
        app.glance(|read| records::find::collection(read, collection))?;
    }
    submitted.map(|Submitted(body)| body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn check(kind: &str, body: &str, expected: Option<Value>) {
        let read = read(kind, Body::from(body.to_owned()), 1000).await.ok();
        assert_eq!(read.map(Value::Object), expected, "{kind}: {body}");
    }

    #[tokio::test]
    async fn json_must_be_an_object_or_nothing() {
        check("application/json; charset=utf-8", r#"{"a":1}"#, Some(json!({"a": 1}))).await;
        for nothing in ["", " ", "null"] {
            check("application/json", nothing, Some(json!({}))).await;
        }
        for wrong in
            ["{bad", "[]", "1", "\"x\"", "{\"a\":1} x", "{\"a\":1e999}", "{\"a\":\"\\ud800\"}"]
        {
            check("application/json", wrong, None).await;
        }
        check("text/plain", "{}", None).await;
    }

    #[tokio::test]
    async fn forms_are_texts_and_lists_of_texts() {
        let kind = "application/x-www-form-urlencoded";
        check(kind, "a=1&b=x+y&a=%32&a=3", Some(json!({"a": ["1", "2", "3"], "b": "x y"}))).await;
        check(kind, "@jsonPayload=%7B%22n%22%3A7%7D&t=x", Some(json!({"n": 7, "t": "x"}))).await;
        check(kind, "@jsonPayload=%7B", None).await;
        check(kind, "@jsonPayload=&t=x", None).await;
    }

    #[tokio::test]
    async fn multipart_forms_are_the_same() {
        let part = |head: &str, text: &str| {
            format!("--X\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n")
        };
        let end = "--X--\r\n";
        let kind = "multipart/form-data; boundary=X";
        let form = part("name=\"@jsonPayload\"", r#"{"n":7}"#) + &part("name=\"t\"", "mp") + end;
        check(kind, &form, Some(json!({"n": 7, "t": "mp"}))).await;
        let empty = part("name=\"f\"; filename=\"\"", "") + &part("name=\"t\"", "x") + end;
        check(kind, &empty, Some(json!({"t": "x"}))).await;
        check(kind, &(part("name=\"f\"; filename=\"a\"", "content") + end), None).await;
        check("multipart/form-data", &form, None).await;
        check(kind, "--X\r\nbroken", None).await;
    }
}
