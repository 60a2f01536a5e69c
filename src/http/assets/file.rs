//! A file as it is served: its kind, how long it may be kept, and its body in every form there is.

use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;
use std::path::PathBuf;

use axum::http::HeaderValue;
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::path::last_segment;
use crate::http::encoding::Encoding;

/// Text below this size does not shrink enough to pay for a header.
const COMPRESS_FROM_BYTES: usize = 1024;

/// For names that change with their contents.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// For everything else: keep it, but ask whether it is still good.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// One file.
#[derive(Debug)]
pub(super) struct File {
    pub kind: HeaderValue,
    pub caching: HeaderValue,
    pub plain: Form,
    /// One cell an encoding. An empty cell is filled when a client first asks; `None` in it says
    /// that this file does not get smaller.
    packed: [OnceCell<Option<Form>>; 3],
}

/// One form of a file's body, with its own strong `ETag`: two forms are not the same bytes.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub etag: HeaderValue,
    pub body: Contents,
}

/// Where the bytes are.
#[derive(Debug, Clone)]
pub(super) enum Contents {
    Memory(Bytes),
    /// Too large to keep: read while it is sent.
    Disk {
        path: PathBuf,
        len: u64,
    },
}

impl Contents {
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk { len, .. } => *len,
        }
    }
}

impl File {
    /// A file whose bytes are at hand; `mark` tells this version of it from every other.
    pub fn new(name: &str, mark: &str, body: Contents) -> Self {
        let (kind, is_text) = kind(name);
        let caching = if is_hashed(name) { FOREVER } else { REVALIDATE };
        let packs = is_text
            && matches!(&body, Contents::Memory(bytes) if bytes.len() >= COMPRESS_FROM_BYTES);
        let packed = std::array::from_fn(|_| {
            if packs { OnceCell::new() } else { OnceCell::new_with(Some(None)) }
        });
        Self { kind, caching, plain: Form { etag: etag(mark, ""), body }, packed }
    }

    /// Takes `bytes` as the compressed form, so that it is never made here.
    pub fn with(mut self, encoding: Encoding, mark: &str, bytes: Bytes) -> Self {
        let form = Form { etag: etag(mark, encoding.name()), body: Contents::Memory(bytes) };
        self.packed[encoding.index()] = OnceCell::new_with(Some(Some(form)));
        self
    }

    /// Settles that there are no forms but those already here.
    pub fn sealed(mut self) -> Self {
        for cell in &mut self.packed {
            if !cell.initialized() {
                *cell = OnceCell::new_with(Some(None));
            }
        }
        self
    }

    /// Whether the answer depends on `Accept-Encoding`.
    pub fn varies(&self) -> bool {
        self.packed.iter().any(|cell| cell.get().is_none_or(Option::is_some))
    }

    /// The smallest form that a client accepts. The first who asks for one waits until it is made.
    pub async fn form(&self, accepted: [bool; 3]) -> (&Form, Option<Encoding>) {
        for encoding in Encoding::ALL {
            if !accepted[encoding.index()] {
                continue;
            }
            let form = self.packed[encoding.index()].get_or_init(|| self.pack(encoding)).await;
            if let Some(form) = form {
                return (form, Some(encoding));
            }
        }
        (&self.plain, None)
    }

    async fn pack(&self, encoding: Encoding) -> Option<Form> {
        let Contents::Memory(bytes) = &self.plain.body else { return None };
        let bytes = bytes.clone();
        let packed =
            tokio::task::spawn_blocking(move || encoding.compress(&bytes)).await.ok()??;
        let mark = self.plain.etag.to_str().unwrap_or_default().trim_matches('"').to_owned();
        let body = Contents::Memory(packed.into());
        Some(Form { etag: etag(&mark, encoding.name()), body })
    }
}

/// A mark made of the contents themselves.
pub(super) fn mark_of(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn etag(mark: &str, form: &str) -> HeaderValue {
    let text = if form.is_empty() { format!("\"{mark}\"") } else { format!("\"{mark}-{form}\"") };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// `Content-Type` by the name's ending, and whether it is text that compresses.
fn kind(name: &str) -> (HeaderValue, bool) {
    let ending = last_segment(name).rsplit_once('.').map_or("", |(_, ending)| ending);
    let (kind, is_text) = match ending.to_ascii_lowercase().as_str() {
        "html" | "htm" => ("text/html; charset=utf-8", true),
        "js" | "mjs" | "cjs" => ("text/javascript; charset=utf-8", true),
        "css" => ("text/css; charset=utf-8", true),
        "json" | "map" => ("application/json", true),
        "webmanifest" => ("application/manifest+json", true),
        "svg" => ("image/svg+xml", true),
        "txt" => ("text/plain; charset=utf-8", true),
        "md" => ("text/markdown; charset=utf-8", true),
        "xml" => ("application/xml", true),
        "csv" => ("text/csv; charset=utf-8", true),
        "wasm" => ("application/wasm", true),
        "ttf" => ("font/ttf", true),
        "otf" => ("font/otf", true),
        "ico" => ("image/x-icon", true),
        "woff" => ("font/woff", false),
        "woff2" => ("font/woff2", false),
        "png" => ("image/png", false),
        "jpg" | "jpeg" => ("image/jpeg", false),
        "gif" => ("image/gif", false),
        "webp" => ("image/webp", false),
        "avif" => ("image/avif", false),
        "mp4" => ("video/mp4", false),
        "webm" => ("video/webm", false),
        "mp3" => ("audio/mpeg", false),
        "ogg" => ("audio/ogg", false),
        "wav" => ("audio/wav", false),
        "pdf" => ("application/pdf", false),
        "zip" => ("application/zip", false),
        "gz" => ("application/gzip", false),
        _ => ("application/octet-stream", false),
    };
    (HeaderValue::from_static(kind), is_text)
}

/// Whether a bundler put a hash of the contents into the name, as in `index-B3xk2Lq9.js` and
/// `main.3f2a9c1b.chunk.js`. A word must not pass for one: what it names would stay stale for a year.
fn is_hashed(name: &str) -> bool {
    let file = last_segment(name);
    let mut parts = file.split('.');
    let Some(stem) = parts.next() else { return false };
    parts.next_back();
    parts.any(is_hex_hash) || is_dashed_hash(stem) || {
        let dashed = stem.rsplit_once('-').map(|(_, last)| last);
        dashed.is_some_and(is_hex_hash)
    }
}

/// Eight or more hexadecimal digits, of both sorts (digits alone may be a date).
fn is_hex_hash(part: &str) -> bool {
    part.len() >= 8
        && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && part.bytes().any(|byte| byte.is_ascii_digit())
        && part.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Eight characters of base64url behind a dash, with small letters, capitals past the first
/// character or digits mixed as no word mixes them.
fn is_dashed_hash(stem: &str) -> bool {
    let Some(at) = stem.len().checked_sub(9) else { return false };
    let Some((_, tail)) = stem.split_at_checked(at) else { return false };
    let Some(hash) = tail.strip_prefix('-') else { return false };
    let has = |test: fn(&u8) -> bool| hash.as_bytes().iter().skip(1).any(test);
    hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && has(u8::is_ascii_uppercase)
        && (has(u8::is_ascii_lowercase) || has(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_hashed_names() {
        for name in [
            "assets/index-B3xk2Lq9.js",
            "assets/index-C-ocB3fN.js",
            "assets/index-Dv__JWR9.css",
            "static/js/main.3f2a9c1b.chunk.js",
            "static/js/main.3f2a9c1b.js",
            "runtime-3f2a9c1b04.js",
        ] {
            assert!(is_hashed(name), "{name}");
        }
    }

    #[test]
    fn does_not_take_words_for_hashes() {
        for name in [
            "index.html",
            "assets/my-favorite.js",
            "assets/Logo-Complete.svg",
            "assets/photo-20240102.jpg",
            "assets/jquery.min.js",
            "assets/report-deadbeef.txt",
            "sw.js",
            "a.b",
            "ü-üüüü.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[tokio::test]
    async fn makes_the_form_that_is_accepted_and_marks_it() {
        let text = Bytes::from("holdall ".repeat(500));
        let file = File::new("a.js", "m", Contents::Memory(text.clone()));

        let (plain, none) = file.form([false; 3]).await;
        let (packed, gzip) = file.form([false, false, true]).await;

        assert_eq!((none, gzip), (None, Some(Encoding::Gzip)));
        assert_eq!(plain.etag, "\"m\"");
        assert_eq!(packed.etag, "\"m-gzip\"");
        assert!(packed.body.len() < plain.body.len());
        assert!(file.varies());
    }

    #[tokio::test]
    async fn leaves_pictures_as_they_are() {
        let file = File::new("a.png", "m", Contents::Memory(vec![0; 5000].into()));
        assert_eq!(file.form([true; 3]).await.1, None);
        assert!(!file.varies());
    }
}
