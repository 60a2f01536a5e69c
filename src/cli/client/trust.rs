//! Whose certificates the commands believe: authorities of this system, and the server's own file.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct};
use rustls::{Error, RootCertStore, SignatureScheme, StreamOwned};

/// Where systems keep the authorities that they trust; `SSL_CERT_FILE` comes before.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Who may say that it is the server.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Anybody.
    pub insecure: bool,
    /// Also whoever shows a certificate of this file, whatever it is for: it is the server's own.
    pub cert: Option<PathBuf>,
}

#[derive(Debug)]
struct Verifier {
    insecure: bool,
    own: Vec<CertificateDer<'static>>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// A stream to `host` on which only a trusted server is heard.
    pub fn seal(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.verifier(provider)?))
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).context("the host has no usable name")?;
        Ok(StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, stream))
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Verifier> {
        let own = self.cert.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let mut roots = RootCertStore::empty();
        let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let bundle = named.or_else(|| {
            BUNDLES
                .into_iter()
                .map(PathBuf::from)
                .find(|bundle| fs::exists(bundle).unwrap_or(false))
        });
        if let (Some(bundle), false) = (bundle, self.insecure) {
            roots.add_parsable_certificates(certificates(&bundle)?);
        }
        let authorities =
            WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        Ok(Verifier {
            insecure: self.insecure,
            own,
            authorities: authorities.build().ok(),
            provider,
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read the certificates in {}", path.display()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.insecure || self.own.first().is_some_and(|own| own == shown) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.authorities {
            Some(authorities) => authorities.verify_server_cert(shown, chain, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
