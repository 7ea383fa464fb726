use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use dispatch_core::log::{LogEntry, LogError, LogRecord, Offset};
use dispatch_core::{Payload, Topic};

use super::actor::{Done, Hub, TopicState};
use super::protocol::{Few, PublishReply};
use super::{Publish, Published};
use crate::bus::BusError;
use crate::bus::subscription::{HeadMoved, Pushed};

/// A batch that waits to be appended.
pub(super) struct Waiting {
    entries: Few<LogEntry>,
    new: New,
    reply: PublishReply,
}

/// Which of the messages that were given are new.
enum New {
    All(usize),
    Some(Vec<bool>),
}

impl New {
    fn count(&self) -> usize {
        match self {
            Self::All(count) => *count,
            Self::Some(new) => new.iter().filter(|new| **new).count(),
        }
    }

    /// What became of each; those that are new have the next offset, if there is one.
    fn answer(self, offsets: &mut impl Iterator<Item = Offset>) -> Few<Published> {
        match self {
            Self::All(count) => {
                (0..count).map(|_| Published { offset: offsets.next(), duplicate: false }).collect()
            }
            Self::Some(new) => new
                .into_iter()
                .map(|new| Published { offset: if new { offsets.next() } else { None }, duplicate: !new })
                .collect(),
        }
    }
}

/// An append that has ended.
pub(super) struct Appended {
    topic: Topic,
    /// The batches in it, and who waits for them.
    batches: Vec<(New, PublishReply)>,
    /// What was appended, if somebody has the topic.
    entries: Option<Vec<LogEntry>>,
    result: Result<Vec<Offset>, LogError>,
}

impl Handler<Publish> for Hub {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Context<Self>) {
        let Publish { topic, mut entries, reply } = publish;
        if self.is_draining() {
            let _ = reply.send(Err(BusError::Stopped));
            return;
        }
        if let Some(error) = self.too_large(&entries) {
            let _ = reply.send(Err(error));
            return;
        }
        let max_waiting = self.config.max_waiting;
        let now = if self.config.dedup_capacity > 0 { self.clock.now() } else { Duration::ZERO };
        let state = self.topic(&topic);
        if state.waiting_count > 0 && state.waiting_count + entries.len() > max_waiting {
            let waiting = state.waiting_count;
            let _ = reply.send(Err(BusError::Overloaded { topic: topic.to_string(), waiting }));
            return;
        }
        let new = state.take_new(&mut entries, now);
        for entry in &mut entries {
            entry.envelope.set_topic(&topic);
        }
        if state.transient || entries.is_empty() {
            let _ = reply.send(Ok(new.answer(&mut std::iter::empty())));
            let is_first = state.live.is_empty();
            state.live.extend(entries);
            if is_first && !state.live.is_empty() {
                self.dirty.push(topic);
            }
            return;
        }
        state.waiting_count += entries.len();
        // One that waits already is on the list, or comes there when the append under way has ended.
        let is_first = state.waiting.is_empty() && !state.appending;
        if state.waiting.capacity() == 0 {
            // Room for four is a lot where one message comes now and then.
            state.waiting.reserve_exact(1);
        }
        state.waiting.push_back(Waiting { entries, new, reply });
        if is_first {
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
        let (max_batch, clock) = (self.config.max_batch, &self.clock);
        let Some(state) = self.topics.get_mut(topic) else { return };
        if !state.live.is_empty() {
            state.push_live(clock.wall());
        }
        if state.appending || state.waiting.is_empty() {
            return;
        }
        let (mut entries, mut batches) = (Vec::new(), Vec::with_capacity(state.waiting.len()));
        let fits = |entries: &[LogEntry], next: &Waiting| {
            entries.is_empty() || entries.len() + next.entries.len() <= max_batch
        };
        while state.waiting.front().is_some_and(|next| fits(&entries, next))
            && let Some(waiting) = state.waiting.pop_front()
        {
            if entries.is_empty() && waiting.entries.spilled() {
                entries = waiting.entries.into_vec();
            } else {
                if entries.is_empty() {
                    entries.reserve(state.waiting_count.min(max_batch));
                }
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
        let Some(state) = self.topics.get_mut(&topic) else { return };
        state.appending = false;
        match result {
            Ok(offsets) => {
                state.waiting_count = state.waiting_count.saturating_sub(offsets.len());
                state.head = offsets.last().map_or(state.head, |last| last.next().max(state.head));
                if let Some(entries) = entries {
                    let wall = self.clock.wall();
                    let pairs = offsets.iter().zip(entries);
                    let records = pairs.map(|(offset, entry)| LogRecord::new(*offset, wall, entry)).collect();
                    state.push(records);
                }
                let mut offsets = offsets.into_iter();
                for (new, reply) in batches {
                    // Whoever published may have gone; the message is in the log all the same.
                    let _ = reply.send(Ok(new.answer(&mut offsets)));
                }
            }
            Err(error) => {
                let count: usize = batches.iter().map(|(new, _)| new.count()).sum();
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
    /// Leaves those that were not published before.
    fn take_new(&mut self, entries: &mut Few<LogEntry>, now: Duration) -> New {
        let Some(seen) = &mut self.seen else { return New::All(entries.len()) };
        let mut new = Vec::with_capacity(entries.len());
        entries.retain(|entry| {
            let is_new = seen.insert(entry.envelope.id(), now);
            new.push(is_new);
            is_new
        });
        New::Some(new)
    }

    /// Hands what was published without a log to everybody who has the topic.
    fn push_live(&mut self, wall: SystemTime) {
        let entries = std::mem::take(&mut self.live);
        let (first, count) = (self.head, entries.len() as u64);
        self.head = first.plus(count);
        let records = first.range(count).zip(entries);
        self.push(records.map(|(offset, entry)| LogRecord::new(offset, wall, entry)).collect());
    }

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
