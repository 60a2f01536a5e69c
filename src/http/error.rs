//! Errors to answers: pairs each with a status and a code, and tells the caller nothing of our own faults.
//!
//! | code | status | meaning |
//! |---|---|---|
//! | `bad_request` | 400 | malformed input that no single field is to blame for |
//! | `invalid` | 400 | input refused by field, see `data` |
//! | `query_too_expensive` | 400 | the query would visit more rows than a request may |
//! | `unauthorized` | 401 | the endpoint wants a signed-in caller |
//! | `forbidden` | 403 | the caller is known but may not |
//! | `not_found` | 404 | no such endpoint, method, collection, record or file |
//! | `timed_out` | 408 | the body did not arrive in time |
//! | `conflict` | 503 | others kept changing what the request relied on |
//! | `precondition_failed` | 412 | the file is another than `If-Match` wants |
//! | `too_large` | 413 | the body, or what it asks to be written, is too large |
//! | `url_too_long` | 414 | path and query are too long |
//! | `range_outside` | 416 | the file has no such part |
//! | `rate_limited` | 429 | too many requests from this caller |
//! | `headers_too_large` | 431 | the header lines are too large |
//! | `internal` | 500 | our fault; the log has the cause under the request id |
//! | `bad_gateway` | 502 | the server that this path is passed on to did not answer |
//! | `busy` | 503 | too much work waits already: come back after `Retry-After` |
//! | `read_only` | 503 | no writes are taken now |
//! | `timeout` | 504 | the work took longer than a request may |

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::domain::Error;
use crate::store;
use crate::telemetry::trip;

/// Seconds after which a caller who was sent away may try again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What the caller is told.
#[derive(Debug)]
pub struct Envelope {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub data: Map<String, Value>,
}

impl Envelope {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), data: Map::new() }
    }

    /// The envelope of a bare status, for refusals that come from below our handlers.
    pub fn of_status(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::UNAUTHORIZED => ("unauthorized", "Sign in first."),
            StatusCode::FORBIDDEN => ("forbidden", "You may not do this."),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                ("not_found", "There is nothing at this address.")
            }
            StatusCode::REQUEST_TIMEOUT => ("timed_out", "The request did not arrive in time."),
            StatusCode::PRECONDITION_FAILED => {
                ("precondition_failed", "The file is another than you want.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "The request is too large."),
            StatusCode::URI_TOO_LONG => ("url_too_long", "The address is too long."),
            StatusCode::RANGE_NOT_SATISFIABLE => ("range_outside", "The file has no such part."),
            StatusCode::TOO_MANY_REQUESTS => ("rate_limited", "Too many requests. Try later."),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                ("headers_too_large", "The header lines are too large.")
            }
            StatusCode::BAD_GATEWAY => {
                ("bad_gateway", "The server behind this address did not answer.")
            }
            StatusCode::SERVICE_UNAVAILABLE => ("busy", "Too much to do just now. Try again."),
            StatusCode::GATEWAY_TIMEOUT => ("timeout", "The request took too long."),
            other if other.is_client_error() => ("bad_request", "The request is malformed."),
            _ => ("internal", "Something went wrong on our side."),
        };
        let status = match status {
            StatusCode::METHOD_NOT_ALLOWED => StatusCode::NOT_FOUND,
            other => other,
        };
        Self::new(status, code, message)
    }

    /// The same with another message.
    pub fn saying(self, message: &str) -> Self {
        Self { message: message.to_owned(), ..self }
    }

    /// The envelope of a batch whose entry number `index` would have been refused with `cause`.
    fn of_entry(index: usize, cause: Error) -> Self {
        let failed = json!({
            "code": "batch_request_failed",
            "message": "This request of the batch failed.",
            "response": Self::from(cause).into_json(),
        });
        let mut data = Map::new();
        data.insert("requests".to_owned(), json!({ index.to_string(): failed }));
        Self { data, ..Self::new(StatusCode::BAD_REQUEST, "invalid", "The batch failed.") }
    }

    /// The envelope as JSON, as it goes out.
    pub fn into_json(self) -> Value {
        let request_id = trip::with(|trip| trip.id().to_owned()).unwrap_or_default();
        json!({
            "status": self.status.as_u16(),
            "message": self.message,
            "data": self.data,
            "code": self.code,
            "request_id": request_id,
        })
    }
}

impl From<Error> for Envelope {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(what) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", format!("No such {what}."))
            }
            Error::SignedOut => Self::of_status(StatusCode::UNAUTHORIZED),
            Error::Forbidden(why) => Self::new(StatusCode::FORBIDDEN, "forbidden", why),
            Error::Bad(why) => Self::new(StatusCode::BAD_REQUEST, "bad_request", why),
            Error::Invalid { message, problems } => Self {
                data: problems.into_json(),
                ..Self::new(StatusCode::BAD_REQUEST, "invalid", message)
            },
            Error::Entry { index, cause } => Self::of_entry(index, *cause),
            Error::TooExpensive(why) => {
                Self::new(StatusCode::BAD_REQUEST, "query_too_expensive", why)
            }
            Error::TooLarge(_) => Self::of_status(StatusCode::PAYLOAD_TOO_LARGE),
            Error::Busy(_) => Self::of_status(StatusCode::SERVICE_UNAVAILABLE),
            Error::TimedOut => Self::of_status(StatusCode::GATEWAY_TIMEOUT),
            Error::Store(error) => of_store(error),
            Error::Broken(cause) => broken(&cause),
        }
    }
}

fn of_store(error: store::Error) -> Envelope {
    match error {
        store::Error::Conflict | store::Error::TooOld => Envelope::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "conflict",
            "Others keep changing the same data. Try again.",
        ),
        store::Error::TooLarge(what) => Envelope::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("Too much for one request: {what}."),
        ),
        store::Error::ReadOnly(cause) => {
            tracing::warn!(cause, "a write was refused");
            Envelope::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "read_only",
                "No changes are taken just now.",
            )
        }
        error @ store::Error::Damaged(_) => broken(&error.to_string()),
        store::Error::Broken(cause) => broken(&cause),
    }
}

/// Logs our own fault once, with its cause; the caller gets the request id to ask about it.
fn broken(cause: &str) -> Envelope {
    tracing::error!(cause, "a request failed: {cause}");
    Envelope::of_status(StatusCode::INTERNAL_SERVER_ERROR)
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Envelope::from(self).into_response()
    }
}

impl IntoResponse for Envelope {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = Response::new(Body::from(self.into_json().to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Problems;

    fn check(error: Error, status: u16, code: &str) {
        let envelope = Envelope::from(error);
        assert_eq!((envelope.status.as_u16(), envelope.code), (status, code));
        assert!(!envelope.message.is_empty());
    }

    #[test]
    fn every_error_has_a_status_and_a_code() {
        check(Error::NotFound("record"), 404, "not_found");
        check(Error::SignedOut, 401, "unauthorized");
        check(Error::Forbidden("no"), 403, "forbidden");
        check(Error::Bad("no".into()), 400, "bad_request");
        check(Error::TooExpensive("no".into()), 400, "query_too_expensive");
        check(Error::TooLarge(5), 413, "too_large");
        check(Error::Busy("reads"), 503, "busy");
        check(Error::TimedOut, 504, "timeout");
        check(Error::Store(store::Error::Conflict), 503, "conflict");
        check(Error::Store(store::Error::ReadOnly("full".into())), 503, "read_only");
        check(Error::Broken("secret".into()), 500, "internal");
    }

    #[test]
    fn our_own_faults_stay_with_us() {
        for error in [
            Error::Broken("the cause".into()),
            Error::Store(store::Error::Broken("the cause".into())),
            Error::Store(store::Error::ReadOnly("the cause".into())),
        ] {
            let told = Envelope::from(error).into_json().to_string();
            assert!(!told.contains("the cause"), "{told}");
        }
    }

    #[test]
    fn problems_go_out_by_field() {
        let problems = Problems::one("title", "validation_required", "Cannot be blank.");
        let told = Envelope::from(Error::Invalid { message: "No.".into(), problems }).into_json();
        assert_eq!(told["data"]["title"]["code"], "validation_required");
        assert_eq!((&told["status"], &told["code"]), (&json!(400), &json!("invalid")));
    }
}
