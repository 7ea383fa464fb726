use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use dispatch_core::Topic;
use dispatch_core::log::{LogEntry, LogError, LogRecord, Offset};
use uuid::Uuid;

use super::actor::{Done, Hub, TopicState};
use super::fall::end_below;
use super::protocol::{Few, PublishReply};
use super::{Publish, Published};
use crate::bus::BusError;
use crate::bus::subscription::{HeadMoved, Pushed};

/// A batch that waits to be appended.
pub(super) struct Waiting {
    entries: Few<LogEntry>,
    reply: PublishReply,
}

/// Which of the messages that were given are new.
enum New {
    All(usize),
    Some(Vec<bool>),
}

impl New {
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

/// What one publisher has given, and waits for.
struct Batch {
    /// All of it, if it may be needed once more.
    entries: Few<LogEntry>,
    new: New,
    reply: PublishReply,
}

impl Batch {
    /// Takes its entries, those that are new.
    fn take_new(&mut self) -> impl Iterator<Item = LogEntry> {
        let mut new = match &self.new {
            New::All(_) => None,
            New::Some(new) => Some(new.iter()),
        };
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().filter(move |_| new.as_mut().is_none_or(|new| new.next() == Some(&true)))
    }
}

/// What is appended at once.
///
/// What is new is decided here, when no other append to the topic is under way: everything that was seen before is in the
/// log by then, and a second copy among these shares the fate of the first.
#[derive(Default)]
struct Group {
    entries: Vec<LogEntry>,
    batches: Vec<Batch>,
    /// Messages that were given, duplicates among them.
    given: usize,
    /// The envelopes in it, if anybody asks for duplicates.
    ids: HashSet<Uuid>,
}

/// An append that has ended.
pub(super) struct Appended {
    topic: Topic,
    batches: Vec<Batch>,
    given: usize,
    ids: HashSet<Uuid>,
    /// Whether somebody had the topic when it began.
    heard: bool,
    result: Result<Vec<Offset>, LogError>,
    /// Where the log had ended, if that is below what was known.
    fell: Option<Offset>,
}

impl Handler<Publish> for Hub {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Context<Self>) {
        let Publish { topic, mut entries, reply } = publish;
        if self.is_draining() {
            let _ = reply.send(Err(BusError::Stopped));
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
        for entry in &mut entries {
            entry.envelope.set_topic(&topic);
        }
        if state.transient || entries.is_empty() {
            let new = state.take_new(&mut entries, now);
            let _ = reply.send(Ok(new.answer(&mut std::iter::empty())));
            let is_first = state.unlogged.is_empty();
            state.unlogged.extend(entries);
            if is_first && !state.unlogged.is_empty() {
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
        state.waiting.push_back(Waiting { entries, reply });
        if is_first {
            self.dirty.push(topic);
        }
    }
}

impl Hub {
    /// Appends what waits for a topic, if nothing is being appended to it.
    pub(super) fn append_next(&mut self, topic: &Topic, cx: &mut TaskContext<'_>) {
        let (max_batch, clock) = (self.config.max_batch, &self.clock);
        let Some(state) = self.topics.get_mut(topic) else { return };
        if !state.unlogged.is_empty() {
            state.push_unlogged(clock.wall());
        }
        if state.appending || state.waiting.is_empty() {
            return;
        }
        let heard = !state.readers.is_empty();
        let Group { entries, batches, given, ids } = state.next_group(max_batch, clock.now());
        if entries.is_empty() {
            // Nothing but duplicates, of what is in the log.
            state.waiting_count = state.waiting_count.saturating_sub(given);
            for Batch { new, reply, .. } in batches {
                let _ = reply.send(Ok(new.answer(&mut std::iter::empty())));
            }
            if !state.waiting.is_empty() {
                self.dirty.push(topic.clone());
            }
            return;
        }
        state.appending = true;
        let (log, topic, known) = (Arc::clone(&self.log), topic.clone(), state.head);
        let mut work: futures_util::future::BoxFuture<'static, Done> = Box::pin(async move {
            let result = log.append(&topic, entries).await;
            let fell = match &result {
                Ok(offsets) => end_below(&*log, &topic, known, offsets).await,
                Err(_) => None,
            };
            Done::Appended(Appended { topic, batches, given, ids, heard, result, fell })
        });
        // Logs in memory answer at once.
        match work.as_mut().poll(cx) {
            Poll::Ready(Done::Appended(appended)) => self.appended(appended),
            Poll::Ready(_) => {}
            Poll::Pending => self.io.push(work),
        }
    }

    pub(super) fn appended(&mut self, appended: Appended) {
        let Appended { topic, mut batches, given, ids, heard, result, fell } = appended;
        if let Some(end) = fell {
            self.fell(&topic, end);
        }
        let (now, is_shared) = (self.clock.now(), self.log.is_shared());
        let Some(state) = self.topics.get_mut(&topic) else { return };
        state.appending = false;
        let again = batches.len() > 1 && result.as_ref().is_err_and(LogError::is_about_entries);
        if !again {
            state.waiting_count = state.waiting_count.saturating_sub(given);
        }
        match result {
            Ok(offsets) => {
                state.head = offsets.last().map_or(state.head, |last| last.next().max(state.head));
                if let Some(seen) = &mut state.seen {
                    for id in ids {
                        seen.insert(id, now);
                    }
                }
                if heard {
                    let wall = self.clock.wall();
                    let pairs = offsets.iter().zip(batches.iter_mut().flat_map(Batch::take_new));
                    let records = pairs.map(|(offset, entry)| LogRecord::new(*offset, wall, entry)).collect();
                    state.push(records, is_shared);
                }
                // Somebody may have come after this had begun, and others may have appended more.
                state.tell();
                let mut offsets = offsets.into_iter();
                for Batch { new, reply, .. } in batches {
                    // Whoever published may have gone; the message is in the log all the same.
                    let _ = reply.send(Ok(new.answer(&mut offsets)));
                }
            }
            // One publisher's fault is not that of the others: before anything that came later, each gets its own answer.
            Err(_) if again => {
                state.alone = batches.len();
                for Batch { entries, reply, .. } in batches.into_iter().rev() {
                    state.waiting.push_front(Waiting { entries, reply });
                }
            }
            // What is published again after an error gets through: nothing of it was remembered.
            Err(error) => {
                if !error.is_about_entries() {
                    // Each of the others would wait for the same, one after the other.
                    state.alone = 0;
                }
                for Batch { reply, .. } in batches {
                    let _ = reply.send(Err(error.repeat().into()));
                }
            }
        }
        if !state.waiting.is_empty() {
            self.dirty.push(topic.clone());
        }
        self.catch_up(&topic);
        self.follow(&topic);
    }
}

impl TopicState {
    /// What is appended next.
    fn next_group(&mut self, max_batch: usize, now: Duration) -> Group {
        let most = if self.alone > 0 { 1 } else { self.waiting.len() };
        self.alone = self.alone.saturating_sub(1);
        // Of several, one may have to go without the others.
        let keep = most > 1 || !self.readers.is_empty();
        let mut group = Group { batches: Vec::with_capacity(most), ..Group::default() };
        while group.batches.len() < most
            && let Some(next) = self.waiting.front()
            && (group.given == 0 || group.given + next.entries.len() <= max_batch)
            && let Some(Waiting { mut entries, reply }) = self.waiting.pop_front()
        {
            group.given += entries.len();
            let kept = if keep { entries.clone() } else { Few::new() };
            let new = match &mut self.seen {
                None => New::All(entries.len()),
                Some(seen) => {
                    let mut new = Vec::with_capacity(entries.len());
                    entries.retain(|entry| {
                        let id = entry.envelope.id();
                        new.push(!seen.contains(&id, now) && group.ids.insert(id));
                        new.last() == Some(&true)
                    });
                    New::Some(new)
                }
            };
            if group.entries.is_empty() && entries.spilled() {
                group.entries = entries.into_vec();
            } else {
                if group.entries.is_empty() {
                    group.entries.reserve(self.waiting_count.min(max_batch));
                }
                group.entries.extend(entries);
            }
            group.batches.push(Batch { entries: kept, new, reply });
        }
        group
    }

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
    fn push_unlogged(&mut self, wall: SystemTime) {
        let entries = std::mem::take(&mut self.unlogged);
        let (first, count) = (self.head, entries.len() as u64);
        self.head = first.plus(count);
        let records = first.range(count).zip(entries);
        self.push(records.map(|(offset, entry)| LogRecord::new(offset, wall, entry)).collect(), false);
    }

    /// Says how long the topic is to everybody who reads it himself and does not know.
    pub(super) fn tell(&mut self) {
        let head = self.head;
        for reader in self.readers.iter_mut().filter(|reader| !reader.is_live && reader.told < head) {
            reader.told = head;
            reader.actor.do_send(HeadMoved { topic: reader.slot, head });
        }
    }

    /// Hands records to everybody who has the topic, if these are all there is up to the last of them.
    fn push(&mut self, records: Vec<LogRecord>, is_shared: bool) {
        let Some((first, end)) =
            records.first().zip(records.last()).map(|(first, last)| (first.offset, last.offset.next()))
        else {
            return;
        };
        let gapless = records.windows(2).all(|pair| matches!(pair, [a, b] if a.offset.next() == b.offset));
        let records = Arc::new(records);
        // If somebody else has written in between, they have to be read.
        for reader in self.readers.iter_mut().filter(|reader| gapless && !reader.is_live) {
            reader.told = reader.told.max(end);
            reader.actor.do_send(Pushed { topic: reader.slot, records: Arc::clone(&records) });
        }
        // Else they are read, with what others have written before and in between.
        if !is_shared || (gapless && first == self.live && !self.catching) {
            self.push_to_live(&records);
        }
    }
}
