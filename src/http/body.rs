//! What a request submits: an object, sent as JSON or as a form.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Number, Value};

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

/// The members that were submitted; no body is an empty object. What came in a form is text.
pub struct Submitted(pub Map<String, Value>);

/// The members of a record. What came in a form is what it would be in JSON: a rule may ask whether
/// `@request.body.n = 1`, and a json field for two numbers.
pub struct Written(pub Map<String, Value>);

impl FromRequest<App> for Submitted {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        of_request(request, app, Value::String).await.map(Self)
    }
}

impl FromRequest<App> for Written {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        of_request(request, app, plain).await.map(Self)
    }
}

impl From<Submitted> for Map<String, Value> {
    fn from(submitted: Submitted) -> Self {
        submitted.0
    }
}

impl From<Written> for Map<String, Value> {
    fn from(written: Written) -> Self {
        written.0
    }
}

/// What a text of a form stands for.
type Meaning = fn(String) -> Value;

/// A truth value or a number, if nothing of the text is lost by that.
fn plain(text: String) -> Value {
    let value = match text.as_str() {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        number if number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-')) => number,
        _ => return Value::String(text),
    };
    let number = serde_json::from_str(value).ok().filter(|number: &Number| {
        let text = number.to_string();
        // Beyond these digits, what reads it as a double reads another number.
        text == value && number.as_f64().is_some_and(|double| double.to_string() == text)
    });
    number.map_or(Value::String(text), Value::Number)
}

async fn of_request(request: Request, app: &App, meaning: Meaning) -> Result<Map<String, Value>> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    read(kind.unwrap_or_default(), body, app.limits().body_bytes, meaning).await
}

async fn read(kind: &str, body: Body, max: usize, meaning: Meaning) -> Result<Map<String, Value>> {
    let bytes = limits::collect(body, max).await?;
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        _ if bytes.is_empty() => Ok(Map::new()),
        "" | "application/json" => from_json(&bytes),
        "application/x-www-form-urlencoded" => from_form(&bytes, meaning),
        "multipart/form-data" => from_parts(kind, bytes, meaning).await,
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

fn from_form(bytes: &[u8], meaning: Meaning) -> Result<Map<String, Value>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::Bad("The form is not valid UTF-8.".to_owned()))?;
    let mut form = Form::new(meaning);
    for (name, value) in extract::pairs(text) {
        form.add(name, value)?;
    }
    Ok(form.finish())
}

async fn from_parts(kind: &str, bytes: Bytes, meaning: Meaning) -> Result<Map<String, Value>> {
    let broken = |error: multer::Error| Error::Bad(format!("The form can't be read: {error}."));
    let boundary = multer::parse_boundary(kind).map_err(broken)?;
    let body = stream::once(async move { Ok::<_, std::io::Error>(bytes) });
    let mut parts = multer::Multipart::new(body, boundary);
    let mut form = Form::new(meaning);
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
    Ok(form.finish())
}

/// The fields of a form: a value, and a list of them where a name is repeated.
struct Form {
    members: Map<String, Value>,
    /// Members that were sent as JSON. They win, wherever they stand.
    json: Map<String, Value>,
    parts: usize,
    meaning: Meaning,
}

impl Form {
    fn new(meaning: Meaning) -> Self {
        Self { members: Map::new(), json: Map::new(), parts: 0, meaning }
    }

    fn finish(mut self) -> Map<String, Value> {
        self.members.extend(self.json);
        self.members
    }

    fn add(&mut self, name: String, text: String) -> Result<()> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(Error::Bad(format!("A form may have {PARTS_MAX} parts.")));
        }
        if name == JSON_PAYLOAD {
            if text.trim().is_empty() {
                return Err(Error::Bad(format!("{JSON_PAYLOAD} must hold a JSON object.")));
            }
            self.json.extend(from_json(text.as_bytes())?);
            return Ok(());
        }
        let value = (self.meaning)(text);
        match self.members.get_mut(&name) {
            None => {
                self.members.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
        Ok(())
    }
}

/// What was submitted to `collection`. That it can't be read is told only where there is one.
pub(super) fn body_for(
    app: &App,
    collection: &str,
    submitted: Result<impl Into<records::Body>>,
) -> Result<records::Body> {
    if submitted.is_err() {
        app.glance(|read| records::find::collection(read, collection))?;
    }
    submitted.map(Into::into)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn check(kind: &str, body: &str, expected: Option<Value>) {
        let read = read(kind, Body::from(body.to_owned()), 1000, Value::String).await.ok();
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
        check(kind, "t=1&@jsonPayload=%7B%22t%22%3A7%7D&t=2", Some(json!({"t": 7}))).await;
        check(kind, "@jsonPayload=%7B", None).await;
        check(kind, "@jsonPayload=&t=x", None).await;
    }

    #[test]
    fn texts_that_are_numbers_stand_for_them() {
        for (text, value) in [("true", json!(true)), ("false", json!(false)), ("-5", json!(-5))] {
            assert_eq!(plain(text.to_owned()), value);
        }
        assert_eq!(plain("0.1".to_owned()), json!(0.1));
        for text in [
            "",
            "null",
            "True",
            "1.0",
            "01",
            "1.",
            ".5",
            "+1",
            "1e3",
            " 1",
            "1-2",
            "9007199254740993",
        ] {
            assert_eq!(plain(text.to_owned()), json!(text));
        }
        let digits = "123456789012345678901234567890";
        assert_eq!(plain(digits.to_owned()), json!(digits));
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
