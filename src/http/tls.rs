//! TLS: the certificate that we show, read again when its files change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at: whoever renews a certificate does so days ahead.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Names that a self-signed certificate is for: it never leaves the developer's machine.
const SELF_SIGNED_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Chain and key, in PEM.
    Files { cert: PathBuf, key: PathBuf },
    /// Made at every start. Browsers warn, as they should.
    SelfSigned,
}

/// What shakes hands with callers.
#[derive(Clone)]
pub struct Tls {
    pub(super) acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    source: Source,
}

/// The certificate shown now.
#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Loads the certificate; refuses one that does not fit its key.
    pub fn load(source: Source) -> Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let shown = Arc::new(Shown(ArcSwap::from_pointee(read(&source, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("cannot agree on TLS versions")?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), shown, source })
    }

    /// Reads the certificate again whenever its files change. One that is no good changes nothing.
    pub(super) async fn look_after(self) {
        let Source::Files { cert, key } = &self.source else { return };
        let mut seen = (changed(cert), changed(key));
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = (changed(cert), changed(key));
            if now == seen {
                continue;
            }
            seen = now;
            match self.reload() {
                Ok(()) => tracing::info!("the TLS certificate was read again"),
                Err(error) => {
                    let cause = format!("{error:#}");
                    tracing::error!(cause, "the new TLS certificate is no good: the old one stays");
                }
            }
        }
    }

    /// Reads the certificate again, now.
    pub fn reload(&self) -> Result<()> {
        let fresh = read(&self.source, &aws_lc_rs::default_provider())?;
        self.shown.0.store(Arc::new(fresh));
        Ok(())
    }
}

fn read(source: &Source, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let (chain, key) = match source {
        Source::Files { cert, key } => from_files(cert, key)?,
        Source::SelfSigned => self_signed()?,
    };
    CertifiedKey::from_der(chain, key, provider).context("certificate and key do not fit")
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn from_files(cert: &Path, key: &Path) -> Result<Pair> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read the TLS certificate {}", cert.display()))?;
    anyhow::ensure!(!chain.is_empty(), "{} holds no certificate", cert.display());
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the TLS key {}", key.display()))?;
    Ok((chain, key))
}

fn self_signed() -> Result<Pair> {
    let names: Vec<String> = SELF_SIGNED_NAMES.iter().map(|name| (*name).to_owned()).collect();
    let made =
        rcgen::generate_simple_self_signed(names).context("cannot make a TLS certificate")?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|words| anyhow::anyhow!("cannot use the TLS key: {words}"))?;
    Ok((vec![made.cert.der().clone()], key))
}

/// When a file was changed last; a symbolic link counts as what it leads to, as Kubernetes swaps
/// the folder behind it.
fn changed(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(directory: &Path) -> Source {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Source::Files { cert, key }
    }

    #[test]
    fn new_files_are_shown_after_a_reload_and_bad_ones_never() {
        let directory = tempfile::tempdir().unwrap();
        let tls = Tls::load(put(directory.path())).unwrap();
        let first = tls.shown.0.load().cert.clone();
        put(directory.path());
        tls.reload().unwrap();
        let second = tls.shown.0.load().cert.clone();
        assert_ne!(first, second);
        fs::write(directory.path().join("cert.pem"), "no certificate").unwrap();
        assert!(tls.reload().is_err());
        assert_eq!(tls.shown.0.load().cert, second);
    }

    #[test]
    fn certificate_of_another_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let source = put(directory.path());
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(directory.path().join("key.pem"), other.signing_key.serialize_pem()).unwrap();
        assert!(Tls::load(source).is_err());
    }

    #[test]
    fn self_signed_one_is_made() {
        assert!(Tls::load(Source::SelfSigned).is_ok());
    }
}
