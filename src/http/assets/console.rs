//! The console's files, which are part of the binary, and the page at `/` for those without a site of their own.

use std::collections::HashMap;
use std::fmt::Write as _;

use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::header;
use bytes::Bytes;
use rust_embed::EmbeddedFile;
use rust_embed::RustEmbed;

use super::file::Contents;
use super::file::File;
use super::file::mark_of;
use super::path::Wanted;
use crate::http::encoding::Encoding;

/// What `build.rs` laid out: every file, and beside it its compressed forms.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/console"]
struct Embedded;

/// The page that other places of the console are answered with; it finds its way by the address.
const PAGE: &str = "index.html";

/// Nothing from elsewhere, nothing in a frame, no script that is not a file of ours.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// The console, ready to be sent.
pub(super) struct Console {
    files: HashMap<String, File>,
    start: File,
}

impl Console {
    /// Lays out the embedded files by name.
    pub fn load() -> Self {
        let packed = |name: &str| Encoding::ALL.iter().any(|one| name.ends_with(one.ending()));
        let files = Embedded::iter()
            .filter(|name| !packed(name))
            .filter_map(|name| Some((name.to_string(), load(&name)?)))
            .collect();
        let start = include_str!("../../../web/start.html")
            .replace("{{version}}", env!("CARGO_PKG_VERSION"));
        let mark = mark_of(start.as_bytes());
        let start = File::new(PAGE, &mark, Contents::Memory(start.into()));
        Self { files, start }
    }

    /// The file at a path below the console's own; its page where the path is a page's.
    pub fn find(&self, wanted: &Wanted) -> Option<&File> {
        let exact = if wanted.is_folder { None } else { self.files.get(&wanted.name) };
        exact.or_else(|| wanted.is_page().then(|| self.files.get(PAGE)).flatten())
    }

    /// What `/` shows when no site is served there.
    pub fn start(&self) -> &File {
        &self.start
    }
}

/// Adds what keeps others out of the console's pages.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex, nofollow"),
    );
}

fn load(name: &str) -> Option<File> {
    let plain = Embedded::get(name)?;
    let mark = mark(&plain);
    let mut file = File::new(name, &mark, Contents::Memory(bytes(plain)));
    for encoding in Encoding::ALL {
        if let Some(packed) = Embedded::get(&format!("{name}{}", encoding.ending())) {
            file = file.with(encoding, &mark, bytes(packed));
        }
    }
    Some(file.sealed())
}

/// Half a SHA-256 tells any two versions of a page apart.
fn mark(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash().iter().take(16).fold(String::new(), |mut mark, byte| {
        let _ = write!(mark, "{byte:02x}");
        mark
    })
}

fn bytes(file: EmbeddedFile) -> Bytes {
    match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => bytes.into(),
    }
}
