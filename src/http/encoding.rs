//! Which compression a client gets: the best of those that it accepts.

use axum::http::HeaderMap;
use axum::http::header;

/// How hard each encoding tries.
#[derive(Debug, Clone, Copy)]
struct Levels {
    brotli: u32,
    zstd: i32,
    gzip: u32,
}

/// For files, compressed while a client waits and kept: a good share of the best, in a hundredth
/// of its time.
const KEPT: Levels = Levels { brotli: 5, zstd: 6, gzip: 6 };
/// For answers, compressed for one client.
const ONCE: Levels = Levels { brotli: 1, zstd: 1, gzip: 2 };

/// A way to make a body smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Zstd,
    Gzip,
}

impl Encoding {
    /// Every encoding, smallest results first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What a file so compressed ends with.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// Its place in `ALL`.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Compresses what is kept, or gives nothing if that saves less than a sixteenth.
    pub fn compress(self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.compress_with(bytes, KEPT)
    }

    /// Compresses what is sent once: three quarters of the savings for a fraction of the work.
    pub fn compress_once(self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.compress_with(bytes, ONCE)
    }

    fn compress_with(self, bytes: &[u8], levels: Levels) -> Option<Vec<u8>> {
        use std::io::Write as _;
        let packed = match self {
            Self::Brotli => {
                let mut packed = Vec::new();
                let mut writer =
                    brotli::CompressorWriter::new(&mut packed, 4096, levels.brotli, 22);
                writer.write_all(bytes).ok()?;
                drop(writer);
                packed
            }
            Self::Zstd => zstd::bulk::compress(bytes, levels.zstd).ok()?,
            Self::Gzip => {
                let level = flate2::Compression::new(levels.gzip);
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
                writer.write_all(bytes).ok()?;
                writer.finish().ok()?
            }
        };
        (packed.len() < bytes.len() - bytes.len() / 16).then_some(packed)
    }
}

/// The encodings that the client accepts, one flag each in the order of `Encoding::ALL`.
pub(super) fn accepted(headers: &HeaderMap) -> [bool; 3] {
    let mut accepted = [None; 3];
    let mut any = None;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        let Ok(value) = value.to_str() else { continue };
        for item in value.split(',') {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let wanted = !is_zero(parameters);
            match name.trim() {
                "*" => any = Some(wanted),
                name => {
                    let known =
                        Encoding::ALL.iter().position(|one| one.name().eq_ignore_ascii_case(name));
                    if let Some(index) = known {
                        accepted[index] = Some(wanted);
                    }
                }
            }
        }
    }
    accepted.map(|wanted| wanted.or(any).unwrap_or(false))
}

/// `q=0`, in any of its spellings.
fn is_zero(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("q")
                && value.trim().parse::<f32>().is_ok_and(|quality| quality <= 0.0)
        })
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(value: &'static str, expected: [bool; 3]) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        assert_eq!(accepted(&headers), expected, "{value}");
    }

    #[test]
    fn takes_what_the_client_names() {
        check("gzip, deflate, br, zstd", [true, true, true]);
        check("GZIP", [false, false, true]);
        check("br;q=0, gzip;q=0.5", [false, false, true]);
        check("*", [true, true, true]);
        check("*, br;q=0.000", [false, true, true]);
        check("*;q=0, zstd", [false, true, false]);
        check("identity", [false; 3]);
        check("", [false; 3]);
    }

    #[test]
    fn nothing_said_means_nothing_accepted() {
        assert_eq!(accepted(&HeaderMap::new()), [false; 3]);
    }

    #[test]
    fn compresses_text_and_leaves_noise_alone() {
        let text = "holdall ".repeat(500);
        let noise: Vec<u8> =
            (0..4000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for encoding in Encoding::ALL {
            let packed = encoding.compress(text.as_bytes()).expect("text shrinks");
            assert!(packed.len() < text.len() / 4);
            assert!(encoding.compress(b"").is_none());
            assert_eq!(Encoding::ALL[encoding.index()], encoding);
        }
        let packed = Encoding::Zstd.compress(&noise);
        assert!(packed.is_none_or(|packed| packed.len() < noise.len()));
    }
}
