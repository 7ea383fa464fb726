use std::sync::Arc;

use dispatch_core::RegistrationError;
use dispatch_core::delivery::DeliveryError;
use dispatch_core::uuid::Uuid;
use rumqttc::tokio_rustls::rustls::ClientConfig;
use rumqttc::{
    AsyncClient, ConnAck, Event, EventLoop, Incoming, MqttOptions as Settings, PublishNotice,
    TlsConfiguration, Transport,
};
use tokio::task::JoinHandle;

use super::message::Message;
use super::{MqttOptions, QualityOfService, error};
use crate::wire::{Checks, ServerUrl};

/// Where to connect, and as whom.
pub(super) struct Server {
    pub(super) label: String,
    host: String,
    port: u16,
    login: (Option<String>, Option<String>),
    client_id: Option<String>,
    qos: QualityOfService,
    tls: Option<Arc<ClientConfig>>,
    timeout: std::time::Duration,
}

impl Server {
    /// The server of the options.
    pub(super) fn of(
        options: &MqttOptions,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, RegistrationError> {
        RegistrationError::check(options.problems())?;
        let mut checks = Checks::of("mqtt");
        let server = checks.url(&options.url, MqttOptions::SCHEMES).and_then(|url| {
            let wants_tls = url.scheme() == "mqtts";
            if !wants_tls && tls.is_some() {
                checks
                    .add("url: settings of TLS are given, but not asked for: write it as mqtts://host:port");
            }
            let tls = match (wants_tls, tls) {
                (true, None) => Some(Arc::new(checks.tls_client(&options.tls)?)),
                (true, given) => given,
                (false, _) => None,
            };
            let default_port = if wants_tls { 8883 } else { 1883 };
            Some(Self {
                label: ServerUrl::label(&url, default_port),
                host: url.host_str()?.to_owned(),
                port: url.port().unwrap_or(default_port),
                login: ServerUrl::login(&url),
                client_id: options.client_id.clone(),
                qos: options.qos,
                tls,
                timeout: options.timeout,
            })
        });
        RegistrationError::check(checks.problems())?;
        server.ok_or_else(|| Checks::nothing_left("mqtt"))
    }

    fn settings(&self) -> Settings {
        let id = self.client_id.clone().unwrap_or_else(|| format!("dispatch-{}", Uuid::new_v4().simple()));
        let mut settings = Settings::new(id, (self.host.clone(), self.port));
        settings.set_connect_timeout(self.timeout);
        // A broker that vanished is noticed within two of these.
        settings.set_keep_alive(10);
        match &self.login {
            (Some(user), Some(password)) => {
                settings.set_credentials(user.clone(), password.clone().into_bytes());
            }
            (Some(user), None) => {
                settings.set_username(user.clone());
            }
            _ => {}
        }
        if let Some(tls) = &self.tls {
            settings.set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::clone(tls))));
        }
        settings
    }

    /// Connects, and keeps the connection going until it breaks.
    pub(super) async fn connect(&self) -> Result<Session, DeliveryError> {
        let (client, mut events) = AsyncClient::builder(self.settings()).capacity(256).build();
        let answer = loop {
            match events.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(answer))) => break answer,
                Ok(_) => {}
                Err(failed) => return Err(error::not_connected(failed, &self.label)),
            }
        };
        let max_qos = answer.properties.as_ref().and_then(|properties| properties.max_qos);
        if max_qos.is_some_and(|most| most < u8::from(self.qos)) {
            let text = format!("{} takes no message of qos {}: use less", self.label, u8::from(self.qos));
            return Err(DeliveryError::permanent(text));
        }
        Ok(Session {
            client,
            max_packet_bytes: max_packet_bytes(&answer),
            running: tokio::spawn(run(events)),
        })
    }
}

/// What the broker takes.
fn max_packet_bytes(answer: &ConnAck) -> usize {
    let most = answer.properties.as_ref().and_then(|properties| properties.max_packet_size);
    most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX)
}

/// Does the work of a connection until it breaks; what waits for an answer then gets an error.
async fn run(mut events: EventLoop) {
    while events.poll().await.is_ok() {}
}

/// A connection.
pub(super) struct Session {
    client: AsyncClient,
    max_packet_bytes: usize,
    running: JoinHandle<()>,
}

impl Session {
    pub(super) fn is_open(&self) -> bool {
        !self.running.is_finished()
    }

    /// Sends a message; what the broker will say about it.
    pub(super) async fn publish(
        &self,
        message: Message,
        server: &str,
    ) -> Result<PublishNotice, DeliveryError> {
        let Message { topic, options, body, packet_bytes } = message;
        if packet_bytes > self.max_packet_bytes {
            let most = self.max_packet_bytes;
            let text = format!("the message needs {packet_bytes} bytes: {server} takes at most {most}");
            return Err(DeliveryError::permanent(text));
        }
        let sent = self.client.publish_tracked(topic, body, options).await;
        sent.map_err(|_| DeliveryError::retry(format!("the connection to {server} was closed")))
    }

    /// Asks the broker for something that changes nothing.
    pub(super) async fn round_trip(&self, server: &str) -> Result<(), DeliveryError> {
        let lost = |text: String| DeliveryError::retry(format!("the connection to {server} failed: {text}"));
        // A filter of nobody: the broker answers that there is no such subscription.
        let filter = "dispatch/health";
        let asked = self.client.unsubscribe_tracked(filter).await.map_err(|_| lost("closed".to_owned()))?;
        asked.wait_async().await.map(|_| ()).map_err(|failed| lost(failed.to_string()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.running.abort();
    }
}
