//! Compresses answers, where the caller accepts that and it pays.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::http::encoding::Encoding;

/// Smaller answers fit into one packet anyway.
const FROM_BYTES: u64 = 1400;
/// Larger ones are compressed aside: a millisecond is enough to keep others waiting.
const ASIDE_FROM_BYTES: usize = 256 << 10;
/// Still larger ones go out as they are; nobody keeps such answers in memory twice.
const UPTO_BYTES: u64 = 32 << 20;

/// Cheapest first: what is sent once should not cost more to pack than to make.
const PREFERRED: [Encoding; 3] = [Encoding::Zstd, Encoding::Brotli, Encoding::Gzip];

/// Compresses `response` in one of the `accepted` encodings, or leaves it alone.
pub(super) async fn answer(mut response: Response, accepted: [bool; 3]) -> Response {
    if !is_compressible(&response) {
        return response;
    }
    response.headers_mut().append(VARY, HeaderValue::from_static(ACCEPT_ENCODING.as_str()));
    let Some(encoding) = PREFERRED.into_iter().find(|one| accepted[one.index()]) else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        // Its length was known, so it is in memory; a body that breaks off is a fault of ours.
        parts.status = StatusCode::INTERNAL_SERVER_ERROR;
        return Response::from_parts(parts, Body::empty());
    };
    let packed = match bytes.len() < ASIDE_FROM_BYTES {
        true => encoding.compress_once(&bytes),
        false => aside(encoding, bytes.clone()).await,
    };
    let Some(packed) = packed else { return Response::from_parts(parts, Body::from(bytes)) };
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}

async fn aside(encoding: Encoding, bytes: Bytes) -> Option<Vec<u8>> {
    let task = tokio::task::spawn_blocking(move || encoding.compress_once(&bytes));
    task.await.ok().flatten()
}

/// Text of a known and worthwhile length that nobody compressed yet.
fn is_compressible(response: &Response) -> bool {
    let size = response.body().size_hint().exact().unwrap_or(0);
    let headers = response.headers();
    (FROM_BYTES..=UPTO_BYTES).contains(&size)
        && response.status() != StatusCode::PARTIAL_CONTENT
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(http::header::ETAG)
        && headers.get(CONTENT_TYPE).is_some_and(is_text)
}

fn is_text(kind: &HeaderValue) -> bool {
    let kind = kind.as_bytes();
    kind.starts_with(b"application/json")
        || kind.starts_with(b"text/plain")
        || kind.starts_with(b"application/x-ndjson")
        || kind.starts_with(b"text/csv")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn packed(size: usize, kind: &'static str, accepted: [bool; 3]) -> Response {
        let mut response = Response::new(Body::from("abcdefgh".repeat(size / 8)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        answer(response, accepted).await
    }

    fn encoding(response: &Response) -> &str {
        response.headers().get(CONTENT_ENCODING).map_or("", |name| name.to_str().unwrap())
    }

    #[tokio::test]
    async fn long_json_is_packed_as_the_caller_accepts_it() {
        for (accepted, name) in [
            ([true, true, true], "zstd"),
            ([true, false, true], "br"),
            ([false, false, true], "gzip"),
            ([false, false, false], ""),
        ] {
            for size in [4 << 10, 1 << 20] {
                let response = packed(size, "application/json", accepted).await;
                assert_eq!(encoding(&response), name);
                assert_eq!(response.headers()[VARY], "accept-encoding");
                let bytes = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(bytes.len() < size, !name.is_empty());
            }
        }
    }

    #[tokio::test]
    async fn short_answers_pictures_and_streams_go_out_as_they_are() {
        let all = [true, true, true];
        assert_eq!(encoding(&packed(800, "application/json", all).await), "");
        assert_eq!(encoding(&packed(8000, "image/png", all).await), "");
        let pieces = vec![Ok::<_, std::io::Error>("x".repeat(8000))];
        let mut stream = Response::new(Body::from_stream(futures_util::stream::iter(pieces)));
        stream.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert_eq!(encoding(&answer(stream, all).await), "");
    }
}
