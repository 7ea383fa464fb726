//! Connections as the client wants them: from a reactor.
//!
//! The client's own TLS would make its provider of cryptography that of the process, and without the feature for that it
//! would speak in the clear where the URL asks for TLS. So it is handed a stream that is safe already.

use std::future::{Future, ready};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_compat::{Compat, CompatExt as _};
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use tokio::net::TcpStream;

use super::login::{Login, LoginStream};
use crate::tls::Secure;

/// How the server is reached.
#[derive(Clone)]
pub(super) enum Dial {
    /// In the clear, at a host and a port.
    Plain(String, u16),
    Secure(Secure),
}

impl Dial {
    async fn stream(&self) -> io::Result<Box<dyn Wire>> {
        Ok(match self {
            Self::Plain(host, port) => {
                let stream = TcpStream::connect((&**host, *port)).await?;
                // Messages are short, and whoever sends one waits for the answer.
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Secure(secure) => Box::new(secure.dial().await?),
        })
    }
}

/// A stream, safe or not.
trait Wire: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Wire for T {}

/// Connects; where there is TLS, the handshake is made before the client speaks.
///
/// It runs on the client's thread, which does not hear that nobody waits any more. Hence the limit.
pub(super) async fn connect(
    uri: AMQPUri,
    login: Login,
    properties: ConnectionProperties,
    dial: Dial,
    limit: Duration,
) -> lapin::Result<Connection> {
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), Streams(Tokio::current())));
    let dial = async move |_, _| {
        let dialled = tokio::time::timeout(limit, dial.stream()).await;
        let stream = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        Ok(AsyncTcpStream::Plain(login.clone().on(stream.compat())))
    };
    Connection::connector(uri, runtime, dial, properties).await
}

/// That of tokio, but for its connections.
#[derive(Debug, Clone)]
struct Streams(Tokio);

impl Reactor for Streams {
    type TcpStream = LoginStream<Compat<Box<dyn Wire>>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// For things other than connections, of which there are none.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Compat<TcpStream>, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    /// Connections come from the closure above: an address alone has no name to verify.
    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
