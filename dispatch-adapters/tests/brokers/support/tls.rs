use std::sync::Arc;

use dispatch_adapters::model::{Adapter, HealthStatus};
use dispatch_adapters::tls::TlsOptions;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{order, unique};

/// What is said in the clear before TLS begins.
#[derive(Clone, Copy)]
pub(crate) enum Opening {
    Nothing,
    /// The server greets.
    Nats,
    /// The server greets, and says that it wants TLS.
    NatsDemanding,
    /// The client asks, and the server agrees.
    Postgres,
}

/// Speaks TLS in front of a server that does not.
pub(crate) struct Ending {
    pub(crate) port: u16,
    root: NamedTempFile,
    running: JoinHandle<()>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Ending {
    /// With a certificate of its own for a name.
    pub(crate) async fn before(server: &str, name: &str, opening: Opening) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // Roots are looked up by this name; with one for all, the signature is what would be wrong.
        params.distinguished_name.push(DnType::CommonName, unique("root "));
        let certificate = params.self_signed(&key).unwrap();
        let root = NamedTempFile::new().unwrap();
        std::fs::write(&root, certificate.pem()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, server) = (TlsAcceptor::from(Arc::new(config)), server.to_owned());
        let running = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((inbound, _)) = listener.accept().await {
                let outbound = TcpStream::connect(&server).await.unwrap();
                let acceptor = acceptor.clone();
                connections.spawn(async move { drop(forward(inbound, outbound, acceptor, opening).await) });
            }
        });
        Self { port, root, running }
    }

    /// Settings of one's own that trust it.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.root.path()).unwrap()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    fn trusted(&self) -> TlsOptions {
        TlsOptions::only([self.root.path()])
    }
}

async fn forward(
    mut inbound: TcpStream,
    outbound: TcpStream,
    acceptor: TlsAcceptor,
    opening: Opening,
) -> std::io::Result<()> {
    let mut outbound = BufReader::new(outbound);
    match opening {
        Opening::Nothing => {}
        Opening::Nats | Opening::NatsDemanding => {
            let mut greeting = String::new();
            outbound.read_line(&mut greeting).await?;
            if matches!(opening, Opening::NatsDemanding) {
                greeting = greeting.replacen('{', r#"{"tls_required":true,"#, 1);
            }
            inbound.write_all(greeting.as_bytes()).await?;
        }
        Opening::Postgres => {
            let mut question = [0; 8];
            inbound.read_exact(&mut question).await?;
            assert_eq!(question, [0, 0, 0, 8, 4, 210, 22, 47], "it asks for TLS");
            inbound.write_all(b"S").await?;
        }
    }
    let mut inbound = acceptor.accept(inbound).await?;
    copy_bidirectional(&mut inbound, &mut outbound).await?;
    Ok(())
}

/// What every adapter does that can speak TLS: `make` makes one for the `localhost:port` of a server.
pub(crate) async fn speaks_tls(
    server: &str,
    topic: &str,
    opening: Opening,
    make: impl Fn(&str, TlsOptions) -> Box<dyn Adapter>,
) {
    let ending = Ending::before(server, "localhost", opening).await;
    let place = format!("localhost:{}", ending.port);
    for trusted in [ending.trusted(), TlsOptions { system_roots: true, ..ending.trusted() }] {
        let adapter = make(&place, trusted);
        adapter.deliver(&order(topic, 1)).await.unwrap();
        assert_eq!(adapter.health().await.status, HealthStatus::Healthy);
    }

    let elsewhere = Ending::before(server, "elsewhere.example", opening).await;
    let other = format!("localhost:{}", elsewhere.port);
    for (place, trusted, why) in [
        (&place, TlsOptions::default(), "UnknownIssuer"),
        (&place, elsewhere.trusted(), "UnknownIssuer"),
        (&other, elsewhere.trusted(), "certificate not valid for name"),
    ] {
        let adapter = make(place, trusted);
        let error = adapter.deliver(&order(topic, 2)).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        let text = error.message();
        for part in
            [&**place, "TLS failed: invalid peer certificate", why, "list the file of its root in tls.roots"]
        {
            assert!(text.contains(part), "no '{part}' in {text}");
        }
        assert_eq!(adapter.health().await.status, HealthStatus::Unhealthy);
    }
    assert!(CryptoProvider::get_default().is_none(), "no provider is that of the process");
}

/// Settings of TLS that come to nothing are problems, and so are those that do not hold.
pub(crate) fn names_what_is_wrong_with_tls<A>(
    plain: &str,
    secure: &str,
    make: impl Fn(&str, TlsOptions) -> Result<A, dispatch_adapters::model::RegistrationError>,
) {
    let problem = |url: &str, tls| make(url, tls).err().expect("it is refused").to_string();
    let given = TlsOptions::only(["/etc/ca.pem"]);
    let unused = problem(plain, given.clone());
    assert!(unused.contains("tls is given, but not asked for"), "{unused}");
    let unread = problem(secure, given);
    assert!(unread.contains("tls: cannot read roots from '/etc/ca.pem'"), "{unread}");
    let nobody = problem(secure, TlsOptions::only([""; 0]));
    assert!(nobody.contains("no certificate could be valid"), "{nobody}");
    assert!(make(secure, TlsOptions::default()).is_ok());
}
