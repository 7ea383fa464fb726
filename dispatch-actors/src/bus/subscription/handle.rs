use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use dispatch_core::DeadLetter;
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::log::{Offset, TopicLog};
use dispatch_core::policy::RestartPolicy;
use dispatch_core::subscription::{Guarantee, Resolution};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Command, SeekTo, StopReport, SubscriptionActor, SubscriptionInfo};
use crate::bus::BusError;
use crate::bus::consumer::ConsumerBuilder;
use crate::bus::hub::Held;
use crate::bus::topic::topic;

/// How often an actor that the bus has made is started again in a minute: more often than a message is tried that kills it,
/// so that one of them does not cost the consumer.
const RESTARTS: u32 = 10;

/// A subscription that is open: the handle through which consumers come, and through which it is run.
///
/// It is cheap to clone and can be used from any thread and any runtime. It stays open when its handles are dropped, as
/// long as the bus has one.
#[derive(Clone)]
pub struct Subscription {
    pub(in crate::bus) name: Arc<str>,
    pub(in crate::bus) guarantee: Guarantee,
    pub(in crate::bus) actor: Addr<SubscriptionActor>,
    /// As long as there is one, the bus goes on.
    pub(in crate::bus) _held: Arc<Held>,
    pub(in crate::bus) log: Arc<dyn TopicLog>,
}

impl Subscription {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Begins to connect a consumer; its name is for people.
    pub fn consumer(&self, name: impl Into<String>) -> ConsumerBuilder {
        ConsumerBuilder {
            subscription: self.actor.clone(),
            name: name.into(),
            keys: None,
            restart: RestartPolicy { max_restarts: RESTARTS, ..RestartPolicy::default() },
        }
    }

    /// Resolves once its cursor and topics stand; what is published from then on, it gets.
    ///
    /// [`open`](crate::bus::SubscriptionBuilder::open) has waited for that already.
    ///
    /// # Errors
    /// [`BusError::Stopped`] if it has ended.
    pub async fn ready(&self) -> Result<(), BusError> {
        self.info().await.map(|_| ())
    }

    /// How it is.
    ///
    /// # Errors
    /// [`BusError::Stopped`] if it has ended.
    pub async fn info(&self) -> Result<SubscriptionInfo, BusError> {
        self.ask(Command::Info).await
    }

    /// Records from the cursor to the head.
    ///
    /// # Errors
    /// [`BusError::Stopped`] if it has ended.
    pub async fn lag(&self) -> Result<u64, BusError> {
        Ok(self.info().await?.lag())
    }

    /// Delivers nothing for now. What consumers have, they may acknowledge. At most once, what is published or
    /// due meanwhile is dropped and counted.
    pub fn pause(&self) {
        self.actor.do_send(Command::Pause(true));
    }

    /// Delivers again.
    pub fn resume(&self) {
        self.actor.do_send(Command::Pause(false));
    }

    /// Changes how many messages may be unacknowledged at a time. It is not stored.
    ///
    /// # Errors
    /// [`BusError::Invalid`] if that is none at all.
    pub fn set_window(&self, window: u32) -> Result<(), BusError> {
        if window == 0 {
            let text = format!(
                "subscription '{}': window is 0, so nothing would ever be delivered: use at least 1, or pause it",
                self.name
            );
            return Err(BusError::Invalid(Problem::new(ErrorCode::InvalidParameter, text).into()));
        }
        self.actor.do_send(Command::Window(window));
        Ok(())
    }

    /// Saves the cursor now; returns when it is as durable as the log makes it.
    ///
    /// # Errors
    /// [`BusError::Log`] if the log cannot be written: it is tried again. [`BusError::Stopped`] if it has ended.
    pub async fn flush(&self) -> Result<(), BusError> {
        self.ask(Command::Flush).await?
    }

    /// Goes on somewhere else in a topic; the offset that comes next. What is unacknowledged there is forgotten.
    ///
    /// # Errors
    /// [`BusError`] if it has no such topic, is at most once, or the log does not answer.
    pub async fn seek(&self, name: impl AsRef<str>, to: SeekTo) -> Result<Offset, BusError> {
        let topic = topic(name.as_ref())?;
        self.ask(|reply| Command::Seek { topic, to, reply }).await?
    }

    /// Delivers a topic again from an offset on, or what is left of it.
    ///
    /// # Errors
    /// Like [`seek`](Self::seek).
    pub async fn replay(&self, name: impl AsRef<str>, from: Offset) -> Result<Offset, BusError> {
        self.seek(name, SeekTo::Offset(from)).await
    }

    /// Decides about a message that blocks, or that can never be parked.
    ///
    /// # Errors
    /// [`BusError::NotBlocked`] if it does not.
    pub async fn resolve(
        &self,
        name: impl AsRef<str>,
        offset: Offset,
        resolution: Resolution,
    ) -> Result<(), BusError> {
        let topic = topic(name.as_ref())?;
        self.ask(|reply| Command::Resolve { topic, offset, resolution, reply }).await?
    }

    /// Messages that are parked, those after an id, at most so many.
    ///
    /// # Errors
    /// [`BusError::Log`].
    pub async fn parked(&self, after: Option<Uuid>, max: usize) -> Result<Vec<Arc<DeadLetter>>, BusError> {
        Ok(self.log.parked(&self.name, after, max).await?)
    }

    /// How many messages are parked.
    ///
    /// # Errors
    /// [`BusError::Log`].
    pub async fn parked_count(&self) -> Result<u64, BusError> {
        Ok(self.log.parked_count(&self.name).await?)
    }

    /// Delivers parked messages again, as they are here; how many. Each is parked no more once it is acknowledged.
    ///
    /// # Errors
    /// [`BusError::UnknownTopic`] if one is of a topic that the subscription does not have.
    pub async fn replay_parked(&self, letters: Vec<Arc<DeadLetter>>) -> Result<usize, BusError> {
        self.ask(|reply| Command::Replay { letters, reply }).await?
    }

    /// Forgets parked messages; how many there were.
    ///
    /// # Errors
    /// [`BusError::Log`].
    pub async fn discard_parked(&self, ids: &[Uuid]) -> Result<u64, BusError> {
        Ok(self.log.unpark(&self.name, ids).await?)
    }

    /// Stops: delivers nothing more, waits until the deadline for answers and for messages that are being parked or
    /// dead-lettered, saves the cursor, and says what was left. It can be opened again under its name, and goes on where
    /// it was.
    ///
    /// # Errors
    /// [`BusError::Stopped`] if it has ended.
    pub async fn stop(self, deadline: Duration) -> Result<StopReport, BusError> {
        self.ask(|reply| Command::Stop { deadline, reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, BusError> {
        let (reply, answer) = oneshot::channel();
        self.actor.do_send(command(reply));
        answer.await.map_err(|_| BusError::Stopped)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("name", &self.name)
            .field("guarantee", &self.guarantee)
            .finish_non_exhaustive()
    }
}
