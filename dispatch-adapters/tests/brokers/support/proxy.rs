use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A way to a server that can be cut.
pub(crate) struct Proxy {
    upstream: String,
    address: SocketAddr,
    running: Option<JoinHandle<()>>,
    accepted: Arc<AtomicUsize>,
}

impl Proxy {
    /// A way to `host:port`.
    pub(crate) async fn to(upstream: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (upstream, address) = (upstream.into(), listener.local_addr().unwrap());
        let mut proxy = Self { upstream, address, running: None, accepted: Arc::default() };
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

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn run(&mut self, listener: TcpListener) {
        let forward = forward(listener, self.upstream.clone(), Arc::clone(&self.accepted));
        self.running = Some(tokio::spawn(forward));
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
async fn forward(listener: TcpListener, upstream: String, accepted: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    while let Ok((mut inbound, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::SeqCst);
        let upstream = upstream.clone();
        connections.spawn(async move {
            if let Ok(mut outbound) = TcpStream::connect(upstream).await {
                let _ = copy_bidirectional(&mut inbound, &mut outbound).await;
            }
        });
    }
}
