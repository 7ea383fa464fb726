use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::TlsOptions;
use crate::wire::Checks;

/// What it takes to speak TLS with one server: whom to trust, and the name that its certificate must have.
#[derive(Clone)]
pub(crate) struct Secure {
    connector: TlsConnector,
    name: ServerName<'static>,
    port: u16,
}

impl Secure {
    /// For the host of a URL; what is wrong becomes a problem.
    pub(crate) fn of(
        options: &TlsOptions,
        url: &Url,
        default_port: u16,
        checks: &mut Checks,
    ) -> Option<Self> {
        let name = match url.host()? {
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::from(address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::from(address)),
            Host::Domain(name) => match ServerName::try_from(name.to_owned()) {
                Ok(name) => name,
                Err(_) => {
                    checks.add("url: its host is no name that a certificate could have: use one of DNS");
                    return None;
                }
            },
        };
        let config = checks.tls_client(options)?;
        let port = url.port().unwrap_or(default_port);
        Some(Self { connector: TlsConnector::from(Arc::new(config)), name, port })
    }

    /// Connects and makes the handshake.
    #[cfg_attr(
        not(any(feature = "amqp", feature = "redis")),
        allow(dead_code, reason = "the client of PostgreSQL connects by itself")
    )]
    pub(crate) async fn dial(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((&*self.name.to_str(), self.port)).await?;
        // Messages are short, and whoever sends one waits for the answer.
        stream.set_nodelay(true)?;
        self.connect(stream).await
    }

    /// The handshake.
    pub(crate) async fn connect<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connector.connect(self.name.clone(), stream).await
    }
}
