use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What is wrong with the way. Connections are numbered from 1 on, as they come.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    /// How long every piece takes.
    delay: Duration,
    /// Connections up to this one are closed towards the client; what the client sends still arrives.
    half_closed: usize,
    /// Connections up to this one stay open, and nothing comes through any more.
    silent: usize,
}

/// A way to a server that can be cut, be slow, end in one direction, or say nothing any more.
pub(crate) struct Proxy {
    upstream: String,
    address: SocketAddr,
    running: Option<JoinHandle<()>>,
    accepted: Arc<AtomicUsize>,
    weather: watch::Sender<Weather>,
}

impl Proxy {
    /// A way to `host:port`.
    pub(crate) async fn to(upstream: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (upstream, address) = (upstream.into(), listener.local_addr().unwrap());
        let mut proxy = Self {
            upstream,
            address,
            running: None,
            accepted: Arc::default(),
            weather: watch::Sender::default(),
        };
        proxy.run(listener);
        proxy
    }

    /// Where to connect instead of the server.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Breaks every connection and accepts no other.
    pub(crate) async fn cut(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            assert!(running.await.is_err_and(|error| error.is_cancelled()));
        }
    }

    /// Accepts connections again, at the same place.
    pub(crate) async fn restore(&mut self) {
        if self.running.is_none() {
            let listener = TcpListener::bind(self.address).await.unwrap();
            self.run(listener);
        }
    }

    /// From now on every piece takes this long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Closes the connections that there are towards the client only.
    pub(crate) fn half_close(&self) {
        self.weather.send_modify(|weather| weather.half_closed = self.accepted());
    }

    /// Of the connections that there are nothing comes through any more, and nobody is told. New ones work.
    pub(crate) fn silence(&self) {
        self.weather.send_modify(|weather| weather.silent = self.accepted());
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn run(&mut self, listener: TcpListener) {
        let (upstream, accepted) = (self.upstream.clone(), Arc::clone(&self.accepted));
        self.running = Some(tokio::spawn(forward(listener, upstream, accepted, self.weather.subscribe())));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

/// The connections end with the set that they are in.
async fn forward(
    listener: TcpListener,
    upstream: String,
    accepted: Arc<AtomicUsize>,
    weather: watch::Receiver<Weather>,
) {
    let mut connections = JoinSet::new();
    while let Ok((inbound, _)) = listener.accept().await {
        let number = accepted.fetch_add(1, Ordering::SeqCst) + 1;
        let (upstream, weather) = (upstream.clone(), weather.clone());
        connections.spawn(async move {
            let Ok(outbound) = TcpStream::connect(upstream).await else { return };
            let ((from_client, to_client), (from_server, to_server)) =
                (inbound.into_split(), outbound.into_split());
            let half = |weather: Weather| number <= weather.half_closed;
            tokio::join!(
                pipe(from_client, to_server, number, weather.clone(), |_| false),
                pipe(from_server, to_client, number, weather, half),
            );
        });
    }
}

/// One direction of a connection.
async fn pipe(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: usize,
    mut weather: watch::Receiver<Weather>,
    is_closed: impl Fn(Weather) -> bool,
) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        tokio::select! {
            biased;
            changed = weather.changed() => {
                let now = *weather.borrow_and_update();
                if changed.is_err() || is_closed(now) {
                    break;
                }
            }
            read = from.read(&mut piece) => {
                let Ok(length @ 1..) = read else { break };
                let now = *weather.borrow();
                if number <= now.silent {
                    std::future::pending::<()>().await;
                }
                if !now.delay.is_zero() {
                    tokio::time::sleep(now.delay).await;
                }
                if to.write_all(&piece[..length]).await.is_err() {
                    break;
                }
            }
        }
    }
    // What comes from the other side is read no more, and this side hears of the end.
    let _ = to.shutdown().await;
}
