use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dispatch_core::RegistrationError;
use dispatch_core::delivery::DeliveryError;
use lapin::options::ConfirmSelectOptions;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::dial::{self, Dial};
use super::login::Login;
use super::{AmqpOptions, error};
use crate::tls::Secure;
use crate::wire::{Checks, ServerUrl};

/// Calls that may be under way at a time on one connection; others wait for their turn.
const CHANNELS: u16 = 64;

/// Where to connect, and as whom.
pub(super) struct Server {
    pub(super) label: String,
    /// With a login that means nothing.
    uri: AMQPUri,
    login: Login,
    dial: Dial,
    timeout: Duration,
}

impl Server {
    /// The server of the options.
    pub(super) fn of(options: &AmqpOptions) -> Result<Self, RegistrationError> {
        RegistrationError::check(options.problems())?;
        let mut checks = Checks::of("amqp");
        let server = checks.url(&options.url, AmqpOptions::SCHEMES).and_then(|url| {
            let Ok(mut uri) = url.as_str().parse::<AMQPUri>() else {
                checks.add("url: the client refuses it: write it as amqp://user:password@host:port/%2f");
                return None;
            };
            // A broker that vanished is noticed within two of these.
            uri.query.heartbeat.get_or_insert(10);
            let Some(login) = Login::take_from(&mut uri) else {
                checks
                    .add("url: auth_mechanism must be plain, external or anonymous: leave it out for plain");
                return None;
            };
            let (dial, port) = match url.scheme() {
                "amqps" => (Dial::Secure(Secure::of(&options.tls, &url, 5671, &mut checks)?), 5671),
                // An address of IPv6 is in brackets.
                _ => {
                    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
                    (Dial::Plain(host.to_owned(), url.port().unwrap_or(5672)), 5672)
                }
            };
            let label = ServerUrl::label(&url, port);
            Some(Self { label, uri, login, dial, timeout: options.timeout })
        });
        RegistrationError::check(checks.problems())?;
        server.ok_or_else(|| Checks::nothing_left("amqp"))
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Session, DeliveryError> {
        let open = async {
            let properties = ConnectionProperties::default().with_connection_name("dispatch".into());
            let (uri, login, dial) = (self.uri.clone(), self.login.clone(), self.dial.clone());
            let connection = dial::connect(uri, login, properties, dial, self.timeout).await?;
            // No limit is written as 0.
            let most = match connection.configuration().channel_max() {
                0 => CHANNELS,
                most => most.min(CHANNELS),
            };
            let places = Semaphore::new(most.into());
            Ok(Session { connection, places, idle: Mutex::default() })
        };
        open.await.map_err(|failed| error::not_connected(failed, &self.label))
    }
}

/// A connection, and its channels with publisher confirms.
///
/// The broker hands a message back that leads nowhere *before* it confirms it, and does not say which confirmation goes
/// with it; nor does the client, which pairs it with any that comes next. So a channel serves one call at a time, which
/// looks at all that came back when all is confirmed.
pub(super) struct Session {
    connection: Connection,
    places: Semaphore,
    idle: Mutex<Vec<Channel>>,
}

impl Session {
    pub(super) fn is_open(&self) -> bool {
        self.connection.status().connected()
    }

    /// A channel for one call.
    pub(super) async fn channel(&self, server: &str) -> Result<Lease<'_>, DeliveryError> {
        // It is never closed.
        let place = self.places.acquire().await.map_err(|_| DeliveryError::retry("no channel is left"))?;
        let idle = {
            let mut idle = self.idle();
            idle.retain(|channel| channel.status().connected());
            idle.pop()
        };
        let channel = match idle {
            Some(channel) => channel,
            None => self.open().await.map_err(|failed| error::not_taken(failed, server))?,
        };
        Ok(Lease { session: self, channel, _place: place })
    }

    /// Asks the broker whether it is there.
    pub(super) async fn ask(&self, server: &str) -> Result<(), DeliveryError> {
        let lease = self.channel(server).await?;
        let asked = lease.channel.confirm_select(ConfirmSelectOptions::default()).await;
        asked.map_err(|failed| error::not_taken(failed, server))?;
        lease.give_back();
        Ok(())
    }

    async fn open(&self) -> lapin::Result<Channel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Channel>> {
        // Nothing is half done when a holder panics.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel that nobody else uses. It is closed when it is dropped, unless it is given back.
pub(super) struct Lease<'a> {
    session: &'a Session,
    pub(super) channel: Channel,
    _place: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// Leaves the channel to the next call. Everything sent on it must have been confirmed.
    pub(super) fn give_back(self) {
        // After some errors the broker closes it.
        if self.channel.status().connected() {
            self.session.idle().push(self.channel);
        }
    }
}
