use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{self, ContextBuilder, PublishAckFuture};
use async_nats::rustls::crypto::ring;
use async_nats::rustls::{ClientConfig, RootCertStore};
use async_nats::{ConnectOptions, PublishErrorKind, Request, RequestErrorKind, ServerAddr};
use dispatch_core::RegistrationError;
use dispatch_core::delivery::DeliveryError;

use super::message::Message;
use super::{NatsOptions, error};
use crate::wire::{Checks, ServerUrl};

/// Where to connect, and as whom.
pub(crate) struct Server {
    pub(crate) label: String,
    address: ServerAddr,
    login: (Option<String>, Option<String>),
    tls: ClientConfig,
}

impl Server {
    /// The server of the options.
    pub(crate) fn of(options: &NatsOptions, tls: Option<ClientConfig>) -> Result<Self, RegistrationError> {
        RegistrationError::check(options.problems())?;
        let mut checks = Checks::of("nats");
        let server = checks.url(&options.url, NatsOptions::SCHEMES).and_then(|mut url| {
            let (label, login) = (ServerUrl::label(&url, 4222), ServerUrl::login(&url));
            // The login goes another way, decoded.
            let bare = url.set_username("").and_then(|()| url.set_password(None));
            let address = bare.ok().and_then(|()| ServerAddr::from_url(url).ok());
            if address.is_none() {
                checks.add("url: the client refuses it: write it as nats://host:port");
            }
            let address = address?;
            let tls = match (address.tls_required(), tls) {
                (true, None) => checks.tls_client(&options.tls)?,
                (true, Some(given)) => given,
                (false, None) => trusts_nobody()?,
                (false, Some(_)) => {
                    checks.add(
                        "url: settings of TLS are given, but not asked for: write it as tls://host:port",
                    );
                    return None;
                }
            };
            Some(Self { label, address, login, tls })
        });
        RegistrationError::check(checks.problems())?;
        server.ok_or_else(|| Checks::nothing_left("nats"))
    }

    /// Connects once; the connection is kept up from then on.
    pub(crate) async fn connect(&self, options: &NatsOptions) -> Result<Client, DeliveryError> {
        let mut settings = ConnectOptions::new()
            .tls_client_config(self.tls.clone())
            // For every server of the cluster that this one tells of, too.
            .require_tls(self.address.tls_required())
            .connection_timeout(options.timeout)
            .request_timeout(Some(options.timeout))
            // A server that vanished is noticed within three of these.
            .ping_interval(Duration::from_secs(10))
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(25 << attempts.min(6)).min(Duration::from_secs(1))
            });
        settings = match self.login.clone() {
            (Some(user), Some(password)) => settings.user_and_password(user, password),
            (Some(token), None) => settings.token(token),
            _ => settings,
        };
        let connected = settings.connect(self.address.clone()).await;
        let inner = connected
            .map_err(|refused| error::not_connected(refused, &self.label, self.address.tls_required()))?;
        let stream = options.jetstream.then(|| {
            ContextBuilder::new()
                .timeout(options.timeout)
                .ack_timeout(options.timeout)
                .backpressure_on_inflight(true)
                .build(inner.clone())
        });
        Ok(Client { inner, stream, timeout: options.timeout, closed: AtomicBool::new(false) })
    }
}

/// Settings for a server that wants TLS although nobody here does. Without them the client would make its own, and
/// install a provider of cryptography for the whole process.
fn trusts_nobody() -> Option<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    Some(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// A connection that makes itself anew.
pub(crate) struct Client {
    inner: async_nats::Client,
    stream: Option<Context>,
    timeout: Duration,
    /// The tasks behind it are gone, with the runtime they ran on: it will not come back.
    closed: AtomicBool,
}

impl Client {
    pub(crate) fn is_usable(&self) -> bool {
        !self.is_closed()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The connection itself, and JetStream on it if that was asked for.
    #[cfg(feature = "jetstream")]
    pub(crate) fn parts(&self) -> (&async_nats::Client, Option<&Context>) {
        (&self.inner, self.stream.as_ref())
    }

    /// It was found to be gone for good.
    #[cfg(feature = "jetstream")]
    pub(crate) fn give_up(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn connects(&self) -> u64 {
        self.inner.statistics().connects.load(Ordering::Acquire)
    }

    /// Which connection this is, if it is up: what is sent while it is not would wait, and arrive later.
    pub(crate) fn epoch(&self, server: &str) -> Result<u64, DeliveryError> {
        let epoch = self.connects();
        match self.inner.connection_state() {
            State::Connected => Ok(epoch),
            _ => {
                Err(DeliveryError::retry(format!("the connection to {server} is lost and being made again")))
            }
        }
    }

    /// Sends a message; what will be answered, if anything will.
    pub(super) async fn send(
        &self,
        message: Message,
        server: &str,
    ) -> Result<Option<PublishAckFuture>, DeliveryError> {
        let Message { subject, headers, body } = message;
        if let Some(stream) = &self.stream {
            let sent = stream.publish_with_headers(subject, headers, body.into()).await;
            return sent.map(Some).map_err(|refused| {
                if refused.kind() == context::PublishErrorKind::Other {
                    self.closed.store(true, Ordering::Release);
                }
                error::not_stored(refused, server)
            });
        }
        let sent = self.inner.publish_with_headers(subject, headers, body.into()).await;
        sent.map(|()| None).map_err(|refused| {
            let made = match refused.kind() {
                PublishErrorKind::Send => {
                    self.closed.store(true, Ordering::Release);
                    DeliveryError::retry(format!("the connection to {server} was closed"))
                }
                kind => DeliveryError::permanent(format!("the message cannot be sent to {server}: {kind}")),
            };
            made.with_source(refused)
        })
    }

    /// Asks for something that nobody answers: the server says so, once it has read all that was sent before.
    pub(super) async fn round_trip(&self, epoch: u64, server: &str) -> Result<(), DeliveryError> {
        let request = Request::new().timeout(Some(self.timeout));
        let answer = self.inner.send_request(self.inner.new_inbox(), request).await;
        match answer {
            Err(refused) if refused.kind() != RequestErrorKind::NoResponders => {
                if refused.kind() == RequestErrorKind::Other {
                    self.closed.store(true, Ordering::Release);
                }
                let text = format!("{server} has not confirmed what was sent: {}", refused.kind());
                Err(DeliveryError::retry(text).with_source(refused))
            }
            // What was sent before may have been lost with the other connection.
            _ if self.connects() != epoch => {
                Err(DeliveryError::retry(format!("the connection to {server} was lost before it confirmed")))
            }
            _ => Ok(()),
        }
    }
}
