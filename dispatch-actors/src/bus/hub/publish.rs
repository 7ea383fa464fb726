use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::prelude::*;
use dispatch_core::log::{LogEntry, LogError, LogRecord, Offset};
use dispatch_core::{Payload, Topic};

use super::actor::{Done, Hub, TopicState};
use super::protocol::PublishReply;
use super::{Publish, Published};
use crate::bus::BusError;
use crate::bus::subscription::{HeadMoved, Pushed};

/// A batch that waits to be appended.
pub(super) struct Waiting {
    entries: Vec<LogEntry>,
    /// Which of the messages that were given are new.
    new: Vec<bool>,
    reply: PublishReply,
}

/// An append that has ended.
pub(super) struct Appended {
    topic: Topic,
    /// The batches in it: which of their messages are new, and who waits for them.
    batches: Vec<(Vec<bool>, PublishReply)>,
    /// What was appended, if somebody has the topic.
    entries: Option<Vec<LogEntry>>,
    result: Result<Vec<Offset>, LogError>,
}

impl Handler<Publish> for Hub {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Context<Self>) {
        let Publish { topic, entries, reply } = publish;
        if self.is_draining() {
            let _ = reply.send(Err(BusError::Stopped));
            return;
        }
        if let Some(error) = self.too_large(&entries) {
            let _ = reply.send(Err(error));
            return;
        }
        let (now, wall, max_waiting) = (self.clock.now(), self.clock.wall(), self.config.max_waiting);
        let state = self.topic(&topic);
        if state.waiting_count > 0 && state.waiting_count + entries.len() > max_waiting {
            let waiting = state.waiting_count;
            let _ = reply.send(Err(BusError::Overloaded { topic: topic.to_string(), waiting }));
            return;
        }
        let count = entries.len();
        let mut fresh = Vec::with_capacity(count);
        let mut new = Vec::with_capacity(count);
        for mut entry in entries {
            let is_new = state.seen.as_mut().is_none_or(|seen| seen.insert(entry.envelope.id(), now));
            new.push(is_new);
            if is_new {
                if entry.envelope.topic() != Some(&topic) {
                    entry.envelope = entry.envelope.with_topic(&topic);
                }
                fresh.push(entry);
            }
        }
        if state.transient {
            let first = state.head;
            state.head = first.plus(fresh.len() as u64);
            let records = first.range(fresh.len() as u64).zip(fresh);
            let records = records.map(|(offset, entry)| LogRecord::new(offset, wall, entry)).collect();
            state.push(records);
            let answers = new.into_iter().map(|new| Published { offset: None, duplicate: !new });
            let _ = reply.send(Ok(answers.collect()));
            return;
        }
        if fresh.is_empty() {
            let answers = new.into_iter().map(|new| Published { offset: None, duplicate: !new });
            let _ = reply.send(Ok(answers.collect()));
            return;
        }
        state.waiting_count += fresh.len();
        state.waiting.push_back(Waiting { entries: fresh, new, reply });
        if !state.appending {
            self.dirty.push(topic);
        }
    }
}

impl Hub {
    fn too_large(&self, entries: &[LogEntry]) -> Option<BusError> {
        let limit = self.config.max_payload;
        if limit == 0 {
            return None;
        }
        entries.iter().find_map(|entry| {
            let bytes = match entry.envelope.raw_payload() {
                Payload::Bytes { data, .. } => data.len(),
                Payload::Empty => 0,
                // What is not bytes is written by the log, which has a limit of its own.
                _ => return None,
            };
            (bytes > limit).then_some(BusError::TooLarge { bytes, limit })
        })
    }

    /// Appends what waits for a topic, if nothing is being appended to it.
    pub(super) fn append_next(&mut self, topic: &Topic, cx: &mut TaskContext<'_>) {
        let max_batch = self.config.max_batch;
        let Some(state) = self.topics.get_mut(topic) else { return };
        if state.appending || state.waiting.is_empty() {
            return;
        }
        let (mut entries, mut batches) = (Vec::new(), Vec::new());
        let fits = |entries: &[LogEntry], next: &Waiting| {
            entries.is_empty() || entries.len() + next.entries.len() <= max_batch
        };
        while state.waiting.front().is_some_and(|next| fits(&entries, next))
            && let Some(waiting) = state.waiting.pop_front()
        {
            if entries.is_empty() {
                entries = waiting.entries;
            } else {
                entries.extend(waiting.entries);
            }
            batches.push((waiting.new, waiting.reply));
        }
        state.appending = true;
        let kept = (!state.readers.is_empty()).then(|| entries.clone());
        let (log, topic) = (Arc::clone(&self.log), topic.clone());
        let mut work: futures_util::future::BoxFuture<'static, Done> = Box::pin(async move {
            let result = log.append(&topic, entries).await;
            Done::Appended(Appended { topic, batches, entries: kept, result })
        });
        // Logs in memory answer at once.
        match work.as_mut().poll(cx) {
            Poll::Ready(Done::Appended(appended)) => self.appended(appended),
            Poll::Ready(_) => {}
            Poll::Pending => self.io.push(work),
        }
    }

    pub(super) fn appended(&mut self, appended: Appended) {
        let Appended { topic, batches, entries, result } = appended;
        let wall = self.clock.wall();
        let Some(state) = self.topics.get_mut(&topic) else { return };
        state.appending = false;
        match result {
            Ok(offsets) => {
                state.waiting_count = state.waiting_count.saturating_sub(offsets.len());
                state.head = offsets.last().map_or(state.head, |last| last.next().max(state.head));
                if let Some(entries) = entries {
                    let pairs = offsets.iter().zip(entries);
                    let records = pairs.map(|(offset, entry)| LogRecord::new(*offset, wall, entry)).collect();
                    state.push(records);
                }
                let mut offsets = offsets.into_iter();
                for (new, reply) in batches {
                    let answer = new.into_iter().map(|new| Published {
                        offset: if new { offsets.next() } else { None },
                        duplicate: !new,
                    });
                    // Whoever published may have gone; the message is in the log all the same.
                    let _ = reply.send(Ok(answer.collect()));
                }
            }
            Err(error) => {
                let count: usize =
                    batches.iter().map(|(new, _)| new.iter().filter(|new| **new).count()).sum();
                state.waiting_count = state.waiting_count.saturating_sub(count);
                if let Some(seen) = &mut state.seen {
                    // What is published again after an error has to get through.
                    seen.clear();
                }
                for (_, reply) in batches {
                    let _ = reply.send(Err(error.repeat().into()));
                }
            }
        }
        if !state.waiting.is_empty() {
            self.dirty.push(topic);
        }
    }
}

impl TopicState {
    /// Hands records to everybody who has the topic.
    fn push(&self, records: Vec<LogRecord>) {
        if self.readers.is_empty() || records.is_empty() {
            return;
        }
        let gapless = records.windows(2).all(|pair| matches!(pair, [a, b] if a.offset.next() == b.offset));
        if !gapless {
            // Somebody else has written in between: these have to be read.
            for reader in &self.readers {
                reader.actor.do_send(HeadMoved { topic: reader.slot, head: self.head });
            }
            return;
        }
        let records = Arc::new(records);
        for reader in &self.readers {
            reader.actor.do_send(Pushed { topic: reader.slot, records: Arc::clone(&records) });
        }
    }
}
