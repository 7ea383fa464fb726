use dispatch_core::RegistrationError;
use dispatch_core::delivery::DeliveryError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use tokio::task::JoinHandle;

use super::{RedisOptions, error};
use crate::tls::Secure;
use crate::wire::{Checks, ServerUrl};

/// Where to connect, and as whom.
pub(super) struct Server {
    pub(super) label: String,
    client: Client,
    secure: Option<Secure>,
}

impl Server {
    /// The server of the options.
    pub(super) fn of(options: &RedisOptions) -> Result<Self, RegistrationError> {
        RegistrationError::check(options.problems())?;
        let mut checks = Checks::of("redis");
        let server = checks.url(&options.url, RedisOptions::SCHEMES).and_then(|mut url| {
            let label = ServerUrl::label(&url, 6379);
            let secure = match url.scheme() {
                "rediss" => {
                    let secure = Secure::of(&options.tls, &url, 6379, &mut checks)?;
                    // TLS is ours: the client's own would make a provider of cryptography that of the process.
                    url.set_scheme("redis").ok()?;
                    Some(secure)
                }
                _ => None,
            };
            let client =
                Client::open(url).map_err(|refused| checks.add(format_args!("url: {}", refused.category())));
            Some(Self { label, client: client.ok()?, secure })
        });
        RegistrationError::check(checks.problems())?;
        server.ok_or_else(|| Checks::nothing_left("redis"))
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Session, DeliveryError> {
        // The deadline of the delivery is ours.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let Some(secure) = &self.secure else {
            let connected = self.client.get_multiplexed_async_connection_with_config(&config).await;
            let connection = connected.map_err(|failed| error::not_connected(failed, &self.label))?;
            return Ok(Session { connection, running: None });
        };
        let stream = secure.dial().await.map_err(|failed| error::not_dialled(failed, &self.label))?;
        let login = self.client.get_connection_info().redis_settings();
        let connected = MultiplexedConnection::new_with_config(login, stream, config).await;
        let (connection, driver) = connected.map_err(|failed| error::not_connected(failed, &self.label))?;
        Ok(Session { connection, running: Some(tokio::spawn(driver)) })
    }
}

/// A connection.
pub(super) struct Session {
    connection: MultiplexedConnection,
    /// What does its work, unless the client has seen to that.
    running: Option<JoinHandle<()>>,
}

impl Session {
    /// A handle on it, for one call.
    pub(super) fn handle(&self) -> MultiplexedConnection {
        self.connection.clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}
