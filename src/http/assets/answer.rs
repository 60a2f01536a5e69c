//! A file and a request become an answer: conditions, compression, parts.

use std::io::SeekFrom;
use std::ops::Range;
use std::path::Path;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use futures_util::stream;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncSeekExt;

use crate::http::error::Envelope;

use super::file::Contents;
use super::file::File;
use super::file::Form;
use super::range::Part;
use super::range::part;
use crate::http::encoding::Encoding;
use crate::http::encoding::accepted;

/// Bytes read at once from a file that is sent from the disk.
const CHUNK_BYTES: usize = 64 * 1024;

/// Answers a GET or HEAD for `file`.
pub(super) async fn answer(method: &Method, headers: &HeaderMap, file: &File) -> Response {
    // Parts are parts of the plain form: a part of a compressed one helps nobody.
    // Of HEAD none is asked for: its answer is that of a GET for the whole.
    let range = headers.get(header::RANGE).filter(|_| method == Method::GET);
    let range = range.and_then(|value| value.to_str().ok());
    let (form, encoding) = match range {
        Some(_) => (&file.plain, None),
        None => file.form(accepted(headers)).await,
    };
    let len = form.body.len();
    if is_another_wanted(headers, &form.etag) {
        return Envelope::of_status(StatusCode::PRECONDITION_FAILED).into_response();
    }
    if is_known(headers, &form.etag) {
        let mut response = describe(StatusCode::NOT_MODIFIED, file, form, None);
        // Of an answer to HEAD without a length, the router says that it is 0.
        if method == Method::HEAD {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
        }
        return response;
    }
    let wanted = match range {
        Some(value) if if_range_holds(headers, &form.etag) => part(value, len),
        Some(_) | None => Part::Whole,
    };
    let (status, bytes) = match wanted {
        Part::Whole => (StatusCode::OK, 0..len),
        Part::Of(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        Part::Outside => {
            let total = HeaderValue::try_from(format!("bytes */{len}")).ok();
            let mut response =
                Envelope::of_status(StatusCode::RANGE_NOT_SATISFIABLE).into_response();
            response.headers_mut().extend(total.map(|total| (header::CONTENT_RANGE, total)));
            return response;
        }
    };
    let mut response = describe(status, file, form, encoding);
    let told = response.headers_mut();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{len}", bytes.start, bytes.end - 1);
        told.extend(HeaderValue::try_from(range).ok().map(|range| (header::CONTENT_RANGE, range)));
    }
    told.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.end - bytes.start));
    if method != Method::HEAD {
        match body(&form.body, bytes).await {
            Some(body) => *response.body_mut() = body,
            // It was there a moment ago, when its length was read.
            None => return StatusCode::NOT_FOUND.into_response(),
        }
    }
    response
}

/// A response with everything but a body.
fn describe(status: StatusCode, file: &File, form: &Form, encoding: Option<Encoding>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(header::ETAG, form.etag.clone());
    headers.insert(header::CACHE_CONTROL, file.caching.clone());
    if file.varies() {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_TYPE, file.kind.clone());
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
    }
    response
}

/// Whether the client wants nothing but a form that is not this one. Comparison is strong. Without a
/// date of change there is nothing to hold `If-Unmodified-Since` against, and it is passed over.
fn is_another_wanted(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let names = |known: &str| known == "*" || known == etag;
    headers.contains_key(header::IF_MATCH) && !listed(headers, header::IF_MATCH).any(names)
}

/// Whether the client already has this form. Comparison is weak, as RFC 9110 asks for here.
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let names = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag;
    listed(headers, header::IF_NONE_MATCH).any(names)
}

fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Whether a part of this very form is wanted. Comparison is strong; a date is never our validator.
fn if_range_holds(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|known| known == etag)
}

async fn body(contents: &Contents, bytes: Range<u64>) -> Option<Body> {
    match contents {
        Contents::Memory(all) => {
            let start = usize::try_from(bytes.start).ok()?;
            let end = usize::try_from(bytes.end).ok()?;
            Some(Body::from(all.slice(start..end)))
        }
        Contents::Disk { path, .. } => from_disk(path, bytes).await,
    }
}

/// Reads ahead of the client by one chunk at most. A file that became shorter ends in an error,
/// which cuts the connection: the client must not take what it has for the whole.
async fn from_disk(path: &Path, bytes: Range<u64>) -> Option<Body> {
    let mut file = tokio::fs::File::open(path).await.ok()?;
    file.seek(SeekFrom::Start(bytes.start)).await.ok()?;
    let left = bytes.end - bytes.start;
    let chunks = stream::try_unfold((file, left), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let most = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let mut chunk = vec![0; most];
        let count = file.read(&mut chunk).await?;
        if count == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        chunk.truncate(count);
        Ok(Some((chunk, (file, left - count as u64))))
    });
    Some(Body::from_stream(chunks))
}
