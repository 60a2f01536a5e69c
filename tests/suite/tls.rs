//! HTTPS, by a certificate that is made at start.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdall::app::{App, Options};
use holdall::http::serve::{self, Door};
use holdall::http::tls::{Source, Tls};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::command::Holdall;

/// Takes any certificate: what is tested is that there is one.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[tokio::test]
async fn self_signed_https_answers_and_plain_http_is_told_so() {
    let app = App::open(Options::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::with_tls(listener, Some(Tls::load(Source::SelfSigned).unwrap()));
    tokio::spawn(serve::run(door, app, std::future::pending()));

    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/api/health").header("host", "localhost");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);

    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/api/health").header("host", "localhost");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 400);
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["code"], &body["request_id"]), (&"bad_request".into(), &id.into()));
    assert!(body["message"].as_str().unwrap().contains("speaks https"), "{body}");
}

/// A certificate for `localhost` and its key, in files.
fn put(directory: &Path) -> Source {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    Source::Files { cert, key }
}

/// Serves over TLS in `runtime` and returns the port.
fn serve_in(runtime: &Runtime, source: Source) -> u16 {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let door = Door::with_tls(listener, Some(Tls::load(source).unwrap()));
    let app = App::open(Options::default()).unwrap();
    runtime.spawn(serve::run(door, app, std::future::pending()));
    port
}

#[test]
fn commands_believe_authorities_their_own_certificate_and_nobody_else() {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let port = serve_in(&runtime, put(directory.path()));
    let other = tempfile::tempdir().unwrap();
    put(other.path());
    let ask = |command: &str, host: &str| {
        Holdall::new(command).arg("--url").arg(&format!("https://{host}:{port}"))
    };
    let path = |directory: &tempfile::TempDir, name| {
        directory.path().join(name).to_str().unwrap().to_owned()
    };

    let strangers = ask("healthcheck", "localhost").run();
    let anybody = ask("healthcheck --insecure", "localhost").run();
    let authority =
        ask("healthcheck", "localhost").env("SSL_CERT_FILE", &path(&directory, "cert.pem")).run();
    let elsewhere =
        ask("healthcheck", "127.0.0.1").env("SSL_CERT_FILE", &path(&directory, "cert.pem")).run();
    let own = |directory, command| {
        let asked = ask(command, "127.0.0.1").env("HOLDALL_TLS_CERT", &path(directory, "cert.pem"));
        asked.env("HOLDALL_TLS_KEY", &path(directory, "key.pem")).run()
    };
    let waited = own(&directory, "wait --ready --timeout 5s");
    let not_own = own(&other, "healthcheck --live");

    assert_eq!(strangers.code, 1, "{strangers:?}");
    assert!(strangers.err.contains("certificate"), "{}", strangers.err);
    assert_eq!(anybody.code, 0, "{anybody:?}");
    assert_eq!(authority.code, 0, "{authority:?}");
    assert_eq!(elsewhere.code, 1, "the certificate is for localhost: {elsewhere:?}");
    assert_eq!(waited.code, 0, "{waited:?}");
    assert_eq!(not_own.code, 1, "{not_own:?}");
    runtime.shutdown_background();
}

#[test]
fn lives_over_tls_while_the_only_worker_is_stuck() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let port = serve_in(&runtime, Source::SelfSigned);
    let ask = |command: &str| {
        Holdall::new(command).arg("--url").arg(&format!("https://127.0.0.1:{port}")).run()
    };
    assert_eq!(ask("wait --ready --insecure").code, 0);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        tell.send(()).unwrap();
        let _ = held.recv();
    });
    told.recv().unwrap();

    let live = ask("healthcheck --live --insecure");
    let ready = ask("healthcheck --insecure");

    assert_eq!(live.code, 0, "{live:?}");
    assert_eq!(ready.code, 1, "{ready:?}");
    drop(release);
    runtime.shutdown_background();
}
