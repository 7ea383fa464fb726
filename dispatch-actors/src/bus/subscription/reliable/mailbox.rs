//! What the mailbox brings.

use std::sync::Arc;

use dispatch_core::log::{LogEntry, LogError, LogRecord, Offset, TopicLog};
use dispatch_core::subscription::{ConsumerId, Event, SubscriptionConfig};
use dispatch_core::{DeadLetter, DeadLetterOrigin, Topic};
use tokio::sync::oneshot;

use super::{Done, Reliable};
use crate::bus::BusError;
use crate::bus::subscription::{
    AddTopic, Command, Connect, HeadMoved, PauseConsumer, Pushed, SeekTo, StopReport, SubscriptionInfo,
};

/// Where in a topic that is.
pub(in crate::bus) async fn place(log: &dyn TopicLog, topic: &Topic, to: SeekTo) -> Result<Offset, LogError> {
    let bounds = log.bounds(topic).await?;
    Ok(match to {
        SeekTo::Earliest => bounds.oldest,
        SeekTo::Latest => bounds.head,
        SeekTo::Offset(offset) => offset.clamp(bounds.oldest, bounds.head),
        SeekTo::Time(time) => log.offset_at(topic, time).await?,
    })
}

impl Reliable {
    pub(in crate::bus::subscription) fn pushed(&mut self, pushed: Pushed) {
        let messages = self.intake().messages(Arc::unwrap_or_clone(pushed.records));
        self.push(Event::Appended { topic: pushed.topic, messages });
    }

    pub(in crate::bus::subscription) fn head_moved(&mut self, moved: &HeadMoved) {
        self.push(Event::HeadMoved { topic: moved.topic, head: moved.head });
    }

    pub(in crate::bus::subscription) fn add_topic(&mut self, add: AddTopic) {
        let AddTopic { topic, next, settled, head, stored } = add;
        if self.topics.is_empty() {
            // Most have one.
            self.topics.reserve_exact(1);
        }
        self.topics.push(topic);
        self.push(Event::TopicAdded { next, settled, head, stored });
    }

    pub(in crate::bus::subscription) fn connect(&mut self, mut connect: Connect) {
        if self.stopping {
            return;
        }
        if let Some(full) = self.consumers.full(self.connecting.len()) {
            let _ = connect.reply.send(Err(full));
            return;
        }
        let (consumer, keys) = (self.consumers.next_id(), connect.keys.take());
        self.connecting.push((consumer, connect));
        self.push(Event::ConsumerAdded { consumer, keys });
    }

    pub(in crate::bus::subscription) fn disconnect(&mut self, consumer: ConsumerId) {
        if self.consumers.remove(consumer).is_some() {
            self.doubts.gone(consumer);
            // Its functions are dropped where they stand; what they worked on goes to others.
            self.running.retain(|running| running.consumer() != consumer);
            self.push(Event::ConsumerGone { consumer });
        }
    }

    pub(in crate::bus::subscription) fn pause_consumer(&mut self, pause: &PauseConsumer) {
        let PauseConsumer { consumer, paused } = *pause;
        self.push(Event::ConsumerPaused { consumer, paused });
    }

    pub(in crate::bus::subscription) fn stop(&mut self) {
        self.stopping = true;
        self.push(Event::Paused(true));
        self.push(Event::Flush);
    }

    /// Whether consumers have answered, what they refused for good is where it goes, and all of it is saved.
    pub(in crate::bus::subscription) fn is_quiet(&self) -> bool {
        self.events.is_empty() && self.io.is_empty() && self.state.in_flight() == 0 && self.state.is_saved()
    }

    pub(in crate::bus::subscription) fn report(&self) -> StopReport {
        StopReport {
            name: String::new(),
            unacknowledged: self.state.in_flight(),
            lag: self.state.status().lag(),
            unsaved: !self.state.is_saved(),
        }
    }

    pub(in crate::bus::subscription) fn command(&mut self, command: Command) {
        match command {
            Command::Pause(paused) => self.push(Event::Paused(paused)),
            Command::Window(window) => self.push(Event::Window(window)),
            Command::Flush(reply) => self.flushes.add(reply),
            Command::Info(reply) => self.infos.push((self.pushed, reply)),
            Command::Seek { topic, to, reply } => self.seek(topic, to, reply),
            Command::Resolve { topic, offset, resolution, reply } => {
                let known = self.slot(&topic).filter(|slot| self.state.blocked().contains(&(*slot, offset)));
                let answer = match known {
                    Some(topic) => {
                        self.push(Event::Resolved { topic, offset, resolution });
                        Ok(())
                    }
                    None => Err(BusError::NotBlocked { name: self.name(), topic: topic.to_string(), offset }),
                };
                let _ = reply.send(answer);
            }
            Command::Replay { letters, reply } => {
                let _ = reply.send(self.replay(letters));
            }
            Command::Stop { .. } => {}
        }
    }

    /// Goes elsewhere in a topic, once it is known where that is.
    fn seek(&mut self, topic: Topic, to: SeekTo, reply: oneshot::Sender<Result<Offset, BusError>>) {
        let Some(slot) = self.slot(&topic) else {
            let _ = reply.send(Err(BusError::UnknownTopic { name: self.name(), topic: topic.to_string() }));
            return;
        };
        let log = Arc::clone(&self.parts.shared.log);
        self.io.push(Box::pin(async move {
            match place(&*log, &topic, to).await {
                Ok(to) => {
                    let _ = reply.send(Ok(to));
                    Done::event(Event::Seek { topic: slot, to })
                }
                Err(error) => {
                    let _ = reply.send(Err(error.into()));
                    Done::nothing()
                }
            }
        }));
    }

    /// Delivers parked messages again; how many.
    fn replay(&mut self, letters: Vec<Arc<DeadLetter>>) -> Result<usize, BusError> {
        let mut events = Vec::with_capacity(letters.len());
        for letter in letters {
            let DeadLetterOrigin::Subscription { topic, offset, .. } = &letter.origin else { continue };
            let Some(slot) = self.slot(topic) else {
                return Err(BusError::UnknownTopic { name: self.name(), topic: topic.to_string() });
            };
            let entry = LogEntry::new(letter.envelope.clone());
            let record = LogRecord::new(*offset, letter.history.first_failed_at, entry);
            let message = self.intake().message(record);
            events.push(Event::Replayed { topic: slot, message, parked: letter.id });
        }
        let count = events.len();
        events.into_iter().for_each(|event| self.push(event));
        Ok(count)
    }

    pub(super) fn info(&self) -> SubscriptionInfo {
        let status = self.state.status();
        let oldest = self.state.oldest_unacknowledged();
        SubscriptionInfo {
            config: SubscriptionConfig::clone(&self.parts.config),
            topics: self.topics.iter().cloned().zip(status.topics.iter().copied()).collect(),
            status,
            consumers: self.consumers.info(self.state.active()),
            oldest_unacknowledged: oldest.map(|record| {
                self.parts.shared.clock.wall().duration_since(record.appended_at).unwrap_or_default()
            }),
            last_error: self.troubles.last().map(str::to_owned),
        }
    }
}
