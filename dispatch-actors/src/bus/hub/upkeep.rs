use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Topic;
use dispatch_core::log::{Claims, LogError, Offset};

use super::actor::{Done, Hub, TopicState};
use crate::bus::LOG_TARGET as TARGET;

/// How many heartbeats there are between two looks for new topics.
const LOOK: u64 = 10;

/// What a heartbeat has found in the log.
pub(super) struct Beat {
    /// Where topics end, and where they were known to end when that was asked.
    heads: Vec<(Topic, Offset, Offset)>,
    topics: Vec<Topic>,
}

/// Somebody has appended to a topic, or it cannot be waited for.
pub(super) struct Tailed {
    topic: Topic,
    result: Result<Offset, LogError>,
}

impl TopicState {
    /// Whether it is to be known what others append. While an append is under way its end brings that: a log would say
    /// again and again that it is longer.
    fn is_followed(&self) -> bool {
        !self.transient && !self.appending && !self.readers.is_empty()
    }
}

impl Hub {
    /// What has to be done now and then.
    pub(super) fn upkeep(&mut self, now: Duration) {
        if now >= self.next_beat {
            self.next_beat = now.saturating_add(self.config.heartbeat);
            self.beat();
        }
        if now >= self.next_trim {
            self.next_trim = now.saturating_add(self.config.retention_interval);
            self.trim();
        }
    }

    /// Compares heads with the log: a wake-up may have been lost, or somebody else may have written.
    fn beat(&mut self) {
        if self.beating {
            return;
        }
        self.beats += 1;
        let look = self.beats.is_multiple_of(LOOK) && !self.subscriptions.is_empty();
        let is_shared = self.log.is_shared();
        // What nobody else appends need not be looked for by those who get it pushed.
        let has_readers = |state: &TopicState| state.readers.iter().any(|it| is_shared || !it.is_live);
        let watched = self.topics.iter().filter(|(_, state)| !state.transient && has_readers(state));
        let watched: Vec<_> = watched.map(|(topic, state)| (topic.clone(), state.head)).collect();
        if watched.is_empty() && !look {
            return;
        }
        self.beating = true;
        let log = Arc::clone(&self.log);
        self.io.push(Box::pin(async move {
            let mut heads = Vec::new();
            for (topic, known) in watched {
                if let Ok(bounds) = log.bounds(&topic).await {
                    heads.push((topic, known, bounds.head));
                }
            }
            let topics = if look { log.topics().await.unwrap_or_default() } else { Vec::new() };
            Done::Beat(Beat { heads, topics })
        }));
        if is_shared {
            let topics = self.topics.iter().filter(|(_, state)| !state.tailing && state.is_followed());
            for topic in topics.map(|(topic, _)| topic.clone()).collect::<Vec<_>>() {
                self.follow(&topic);
            }
        }
    }

    pub(super) fn beaten(&mut self, beat: Beat) {
        self.beating = false;
        for topic in beat.topics {
            // Joins the patterns that it matches; its head is seen with the next heartbeat.
            self.topic(&topic);
        }
        for (topic, known, head) in beat.heads {
            self.looked(&topic, known, head);
            self.moved(&topic, head);
            // A read for these may have failed.
            self.catch_up(&topic);
        }
    }

    fn moved(&mut self, topic: &Topic, head: Offset) {
        let Some(state) = self.topics.get_mut(topic) else { return };
        // What is being appended is on its way already; what others have appended beside it is seen afterwards.
        if state.appending {
            return;
        }
        state.head = state.head.max(head);
        state.tell();
        self.catch_up(topic);
    }

    /// Waits for what others append to a topic, unless that is done already or nobody wants to know.
    pub(super) fn follow(&mut self, topic: &Topic) {
        if !self.log.is_shared() {
            return;
        }
        let Some(state) = self.topics.get_mut(topic).filter(|state| !state.tailing && state.is_followed())
        else {
            return;
        };
        state.tailing = true;
        let (log, topic, head) = (Arc::clone(&self.log), topic.clone(), state.head);
        self.io.push(Box::pin(async move {
            let result = log.tail(&topic, head).await;
            Done::Tailed(Tailed { topic, result })
        }));
    }

    pub(super) fn tailed(&mut self, tailed: Tailed) {
        let Tailed { topic, result } = tailed;
        if let Some(state) = self.topics.get_mut(&topic) {
            state.tailing = false;
        }
        // After an error the next heartbeat tries again.
        if let Ok(head) = result {
            self.moved(&topic, head);
            self.follow(&topic);
        }
    }

    /// Removes what need not be kept any longer.
    fn trim(&mut self) {
        if !self.config.retention.is_limited() || std::mem::replace(&mut self.trimming, true) {
            return;
        }
        let topics: Vec<_> = self
            .topics
            .iter()
            .filter(|(_, state)| !state.transient)
            .map(|(topic, _)| topic.clone())
            .collect();
        let (log, retention, now) = (Arc::clone(&self.log), self.config.retention.clone(), self.clock.wall());
        self.io.push(Box::pin(async move {
            let claims = match Claims::of(&*log).await {
                Ok(claims) => claims,
                Err(error) => {
                    tracing::warn!(target: TARGET, %error, "the log cannot be trimmed");
                    return Done::Trimmed;
                }
            };
            for subscription in claims.unread() {
                tracing::warn!(
                    target: TARGET,
                    subscription = subscription.as_str(),
                    "its definition cannot be read, so topics that it has no cursor in are kept: open it with the version that stored it, or unsubscribe it"
                );
            }
            for topic in topics {
                match retention.apply_beside(&claims, &*log, &topic, now).await {
                    Ok(0) => {}
                    Ok(records) => tracing::debug!(target: TARGET, topic = topic.as_str(), records, "trimmed"),
                    Err(error) => {
                        tracing::warn!(target: TARGET, topic = topic.as_str(), %error, "the log cannot be trimmed");
                    }
                }
            }
            Done::Trimmed
        }));
    }
}
