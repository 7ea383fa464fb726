//! Certificates are verified.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dispatch_adapters::http::{Http, HttpError, HttpOptions, PoolOptions};
use dispatch_core::{Adapter, DeliveryErrorKind};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::server::{Server, read_request};
use super::{both, cause, order, problems};

/// A server with a certificate of its own for a name, and the file of that certificate.
async fn serving(name: &str) -> (Server, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.pem", std::process::id()));
    std::fs::write(&file, certificate.pem()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            read_request(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (server, file)
}

fn https(server: &Server, pool: PoolOptions) -> [Box<dyn Adapter>; 2] {
    let url = format!("https://localhost:{}/?key=s3cret", server.port);
    both(HttpOptions::new(url).with_timeout(Duration::from_secs(20)).with_pool(pool))
}

/// Whoever uses the library may have a provider of cryptography of their own.
fn nothing_is_that_of_the_process() {
    assert!(CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_is_refused() {
    let (server, _) = serving("localhost").await;
    let (_, other) = serving("other.example").await;
    let pool = PoolOptions { system_roots: false, roots: vec![other], ..PoolOptions::default() };
    for adapter in https(&server, pool) {
        let error = adapter.deliver(&order()).await.unwrap_err();
        assert_eq!(error.kind(), DeliveryErrorKind::Retry);
        assert!(matches!(cause(&error), HttpError::Connect { .. }), "{error}");
        assert!(error.message().contains("invalid peer certificate"), "{error}");
    }
    nothing_is_that_of_the_process();
}

#[tokio::test]
async fn a_root_of_the_options_is_trusted() {
    let (server, root) = serving("localhost").await;
    for system_roots in [false, true] {
        let pool = PoolOptions { system_roots, roots: vec![root.clone()], ..PoolOptions::default() };
        for adapter in https(&server, pool) {
            adapter.deliver(&order()).await.unwrap();
        }
    }
    nothing_is_that_of_the_process();
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (server, root) = serving("elsewhere.example").await;
    let pool = PoolOptions { system_roots: false, roots: vec![root], ..PoolOptions::default() };
    for adapter in https(&server, pool) {
        let error = adapter.deliver(&order()).await.unwrap_err();
        assert!(error.message().contains("invalid peer certificate"), "{error}");
    }
    nothing_is_that_of_the_process();
}

#[tokio::test]
async fn roots_that_cannot_be_read_are_problems() {
    let empty = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-certificate.pem");
    std::fs::write(&empty, "nothing").unwrap();
    let pool = PoolOptions { roots: vec!["/no/such.pem".into(), empty], ..PoolOptions::default() };
    let http = Http::new(HttpOptions::new("https://h.example/").with_pool(pool));
    let text = problems(&http);
    assert!(text.contains("cannot read roots from '/no/such.pem'"), "{text}");
    assert!(text.contains("no-certificate.pem' holds no certificate in PEM"), "{text}");
    let pool = PoolOptions { system_roots: false, ..PoolOptions::default() };
    let text = problems(&Http::new(HttpOptions::new("https://h.example/").with_pool(pool)));
    assert!(text.contains("system_roots is off and roots is empty"), "{text}");
}
