//! The last word on a connection: hyper refuses what is not HTTP with a bare status line, and callers
//! get our envelope in its place.
//!
//! Such a refusal never reaches a service, so it is recognised where it is written: it is the only
//! answer without a request id. After it, what the caller still sends is read and thrown away for a
//! while: closing at once would reset the connection, and the answer would be lost.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::error::Envelope;
use crate::http::front;
use crate::http::typed::Typed;
use crate::http::watched::Watched;
use crate::telemetry::line::Access;
use crate::telemetry::trip::{self, Trip};
use crate::telemetry::{logs, series};

/// Bytes of a bare refusal: a status line and three short headers.
const BARE_BYTES: std::ops::Range<usize> = 60..200;
/// Bytes thrown away after the last word, more than anything of good will: twice what a body may
/// have by default. The time for it is that of a header.
const DISCARD_BYTES: usize = 64 << 20;

/// What is wrong most often, when somebody typed an address by hand.
const MALFORMED: &str = "The request is not valid HTTP. In its address, blanks and other special characters \
    must be percent-encoded (a blank is `%20`).";

/// What hyper would say, where nobody asks it.
const BARE: &str = "HTTP/1.1 400 Bad Request\r\n";
const PLAIN: &str = "This port speaks https, and the request came as plain http.";

/// A stream on which a bare refusal is said in our words.
pub(super) struct LastWord {
    inner: Watched,
    peer: IpAddr,
    word: Option<Box<Word>>,
    typed: Typed,
    /// What was read already, but did not fit.
    rest: Vec<u8>,
}

/// What is said instead, and how far that is.
struct Word {
    bytes: Vec<u8>,
    said: usize,
    /// Bytes that it stands for.
    instead_of: usize,
    discarded: usize,
    is_shut: bool,
}

impl LastWord {
    pub fn new(inner: Watched, peer: IpAddr) -> Self {
        Self { inner, peer, word: None, typed: Typed::default(), rest: Vec::new() }
    }
}

impl LastWord {
    /// Says the last word, if `bytes` are a bare refusal or the word has begun.
    fn poll_word(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.word.is_none() {
            if !BARE_BYTES.contains(&bytes.len()) || self.inner.watch.is_busy() {
                return None;
            }
            let (status, bare) = bare_refusal(bytes)?;
            let word = told_refusal(status, bare, self.peer);
            self.word = Some(Box::new(Word::new(word, bytes.len())));
        }
        let word = self.word.as_mut().filter(|word| word.said < word.bytes.len())?;
        Some(word.poll_say(&mut self.inner, context))
    }
}

/// Answers somebody who speaks plain HTTP where TLS is spoken, and hears them out.
pub(super) async fn refuse_plain(mut stream: Watched, peer: IpAddr) {
    tracing::debug!("plain http came to a port that speaks https");
    let trip = Arc::new(Trip::start(peer, None, None));
    let envelope = Envelope::of_status(StatusCode::BAD_REQUEST).saying(PLAIN);
    let mut word = Word::new(refusal(envelope, BARE, &trip), 0);
    // Whoever has gone misses nothing.
    let _ = poll_fn(|context| word.poll_say(&mut stream, context)).await;
    let _ = poll_fn(|context| word.poll_linger(&mut stream, context)).await;
}

impl Word {
    fn new(bytes: Vec<u8>, instead_of: usize) -> Self {
        Self { bytes, said: 0, instead_of, discarded: 0, is_shut: false }
    }

    fn poll_say(
        &mut self,
        stream: &mut Watched,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        while self.said < self.bytes.len() {
            match ready!(Pin::new(&mut *stream).poll_write(context, &self.bytes[self.said..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.said += count,
            }
        }
        Poll::Ready(Ok(self.instead_of))
    }

    /// Closes our side, then reads until the other side closes too, or has had enough.
    fn poll_linger(
        &mut self,
        stream: &mut Watched,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
            self.is_shut = true;
        }
        let mut bytes = [0; 4096];
        while self.discarded < DISCARD_BYTES {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.discarded += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A refusal that hyper wrote, if `bytes` are one: its status and its text.
fn bare_refusal(bytes: &[u8]) -> Option<(StatusCode, &str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let code = text.strip_prefix("HTTP/1.")?.get(2..5).filter(|code| code.starts_with('4'))?;
    let is_whole = text.ends_with("\r\n\r\n") && text.contains("\r\ncontent-length: 0\r\n");
    let is_ours = text.contains("\r\nx-request-id: ");
    (is_whole && !is_ours).then(|| StatusCode::from_bytes(code.as_bytes()).ok().zip(Some(text)))?
}

/// What is said instead of `bare`. It is counted and logged like any other answer.
fn told_refusal(status: StatusCode, bare: &str, peer: IpAddr) -> Vec<u8> {
    let started = Instant::now();
    let trip = Arc::new(Trip::start(peer, None, None));
    let mut envelope = Envelope::of_status(status);
    if status == StatusCode::BAD_REQUEST {
        envelope = envelope.saying(MALFORMED);
    }
    let bytes = refusal(envelope, bare, &trip);
    tell(&trip, status, started);
    bytes
}

/// The envelope, with the headers that every answer has.
fn refusal(envelope: Envelope, bare: &str, trip: &Arc<Trip>) -> Vec<u8> {
    let body = trip::within(Some(trip.clone()), || envelope.into_json().to_string());
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    front::dress(&mut headers, trip);
    let mut bytes = Vec::with_capacity(1 << 10);
    // Status line and date stay as they are.
    let kept = |line: &&str| !line.starts_with("con") && !line.is_empty();
    for line in bare.split("\r\n").filter(kept) {
        bytes.extend_from_slice(&[line.as_bytes(), b"\r\n"].concat());
    }
    for (name, value) in &headers {
        let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat();
        bytes.extend_from_slice(&line);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// Of its method and route nothing is known.
fn tell(trip: &Trip, status: StatusCode, started: Instant) {
    let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (route, method) = (series::of_route("-"), Method::CONNECT);
    route.count(&method, status.as_u16(), elapsed_us);
    logs::access(&Access {
        request_id: trip.id(),
        method: series::method_name(&method),
        route: route.route(),
        status: status.as_u16(),
        elapsed_us,
    });
}

impl AsyncRead for LastWord {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
            let Some(changed) = self.typed.read(&buffer.filled()[before..]) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before);
            self.rest = changed;
        }
        let fits = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..fits]);
        self.rest.drain(..fits);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LastWord {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.poll_word(context, bytes) {
            Some(said) => said,
            None => Pin::new(&mut self.inner).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let said = match slices {
            [only] => self.poll_word(context, only),
            _ => None,
        };
        match said {
            Some(said) => said,
            None => Pin::new(&mut self.inner).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, word, .. } = self.get_mut();
        // Whoever closes on a caller who still sends takes back what was said: the kernel answers
        // with a reset, and the answer is thrown away unread.
        if word.is_none() && inner.watch.should_linger() {
            *word = Some(Box::new(Word::new(Vec::new(), 0)));
        }
        match word {
            Some(word) => word.poll_linger(inner, context),
            None => Pin::new(inner).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                        date: Fri, 27 Nov 2026 19:07:57 GMT\r\n\r\n";

    #[test]
    fn only_a_bare_refusal_is_one() {
        assert_eq!(bare_refusal(WHOLE.as_bytes()), Some((StatusCode::BAD_REQUEST, WHOLE)));
        for other in [
            WHOLE.replace("400", "200"),
            WHOLE.replace("content-length: 0", "content-length: 5"),
            WHOLE.replace("date", "x-request-id: 1\r\ndate"),
            format!("{WHOLE}x"),
            format!("x{WHOLE}"),
            String::new(),
        ] {
            assert_eq!(bare_refusal(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn what_is_said_instead_has_everything_that_an_answer_has() {
        let said = told_refusal(StatusCode::BAD_REQUEST, WHOLE, [127, 0, 0, 1].into());
        let said = String::from_utf8(said).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\ndate: Fri, 27 Nov"), "{head}");
        assert!(!head.contains("content-length: 0"), "{head}");
        for name in ["content-length", "connection", "x-frame-options", "traceparent"] {
            assert_eq!(head.matches(&format!("\r\n{name}: ")).count(), 1, "{name}: {head}");
        }
        let id = body["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("\r\nx-request-id: {id}")), "{head}");
        assert_eq!((&body["status"], &body["code"]), (&400.into(), &"bad_request".into()));
    }
}
