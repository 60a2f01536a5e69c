//! What arrives from outside is measured here: header lines, addresses, bodies.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::HOST;
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt;

use crate::app::Limits;
use crate::domain::{Error, Result};
use crate::http::error::Envelope;
use crate::telemetry::trip;

const ONE_HOST: &str = "A request names its host in one `Host` line.";

/// Says how a request is refused for its head, if it is: for its size, or for naming no host, two,
/// or what can be read as two: a proxy before us may have believed the other.
pub(super) fn refusal_of_head<B>(request: &Request<B>, limits: &Limits) -> Option<Envelope> {
    let url_bytes = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if url_bytes > limits.url_bytes {
        return Some(Envelope::of_status(StatusCode::URI_TOO_LONG));
    }
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + ": \r\n".len()
    };
    let header_bytes: usize = request.headers().iter().map(line).sum();
    if header_bytes > limits.header_bytes {
        return Some(Envelope::of_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_amiss = match hosts.next() {
        Some(host) => !host.as_bytes().iter().copied().all(is_of_host),
        None => request.version() == Version::HTTP_11,
    };
    (is_amiss || hosts.next().is_some())
        .then(|| Envelope::of_status(StatusCode::BAD_REQUEST).saying(ONE_HOST))
}

/// Whether a host and its port may have this byte. Others begin or end something else of an address.
fn is_of_host(byte: u8) -> bool {
    let is_other = matches!(
        byte,
        0..=b' ' | 0x7f | b',' | b'/' | b'@' | b'?' | b'#' | b'\\' | b'"' | b'<' | b'>'
    );
    !is_other
}

/// Reads a body of at most `max` bytes. A larger one is refused as soon as that shows.
pub async fn collect(body: Body, max: usize) -> Result<Bytes> {
    let announced = http_body::Body::size_hint(&body);
    if announced.lower() > max as u64 {
        return Err(Error::TooLarge(max));
    }
    let mut body = body;
    trip::with(|trip| trip.await_body(true));
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::Bad("The body broke off.".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > max {
            return Err(Error::TooLarge(max));
        }
        // Most bodies are one piece, which then is not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(first.len() + data.len());
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    trip::with(|trip| trip.await_body(false));
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_pieces(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(*piece))).collect();
        Body::from_stream(futures_util::stream::iter(pieces))
    }

    #[tokio::test]
    async fn bodies_up_to_the_limit_arrive_whole() {
        for pieces in [&[][..], &["abcdef"], &["abc", "def"], &["a", "b", "c", "def"]] {
            let read = collect(in_pieces(pieces), 6).await.unwrap();
            assert_eq!(read, pieces.concat());
        }
    }

    #[tokio::test]
    async fn larger_bodies_are_refused() {
        for body in [Body::from("abcdefg"), in_pieces(&["abc", "def", "g"])] {
            assert!(matches!(collect(body, 6).await, Err(Error::TooLarge(6))));
        }
    }
}
