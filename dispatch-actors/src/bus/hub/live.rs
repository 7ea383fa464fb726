//! What others append, for subscriptions that read nothing themselves.
//!
//! At most once, a subscription gets what is pushed to it. Where a bus is not the only one that appends, it reads for these
//! what it has not appended itself: everything from `live` on, once, in the order of offsets, however many of them there
//! are.

use std::sync::Arc;

use dispatch_core::Topic;
use dispatch_core::log::{LogError, LogRead, LogRecord, Offset, ReadLimit};

use super::actor::{Done, Hub, TopicState};
use crate::bus::subscription::Pushed;

/// Most records of one read.
const MOST: usize = 1_024;

/// A read for those that read nothing themselves.
pub(super) struct Caught {
    topic: Topic,
    result: Result<LogRead, LogError>,
}

impl TopicState {
    /// Whether somebody has the topic who reads nothing himself.
    pub(super) fn has_live(&self) -> bool {
        self.readers.iter().any(|reader| reader.is_live)
    }

    /// Hands records to those who read nothing themselves.
    pub(super) fn push_to_live(&mut self, records: &Arc<Vec<LogRecord>>) {
        let Some(last) = records.last() else { return };
        self.live = last.offset.next();
        for reader in self.readers.iter().filter(|reader| reader.is_live) {
            reader.actor.do_send(Pushed { topic: reader.slot, records: Arc::clone(records) });
        }
    }

    /// Whether there is something that those have not got who read nothing themselves.
    const fn is_behind(&self) -> bool {
        self.live.get() < self.head.get()
    }
}

impl Hub {
    /// Reads what somebody else has appended, if somebody waits for it.
    pub(super) fn catch_up(&mut self, topic: &Topic) {
        if !self.log.is_shared() {
            return;
        }
        let Some(state) = self.topics.get_mut(topic) else { return };
        if state.transient || state.catching || !state.is_behind() || !state.has_live() {
            return;
        }
        state.catching = true;
        let (log, topic, from) = (Arc::clone(&self.log), topic.clone(), state.live);
        self.io.push(Box::pin(async move {
            let result = log.read(&topic, from, ReadLimit::records(MOST)).await;
            Done::Caught(Caught { topic, result })
        }));
    }

    pub(super) fn caught(&mut self, caught: Caught) {
        let Caught { topic, result } = caught;
        let Some(state) = self.topics.get_mut(&topic) else { return };
        state.catching = false;
        // After an error the next heartbeat tries again.
        let Ok(LogRead { mut records, bounds }) = result else { return };
        let before = state.live;
        records.retain(|record| record.offset >= before);
        state.push_to_live(&Arc::new(records));
        // What was trimmed before anybody could read it is not waited for.
        state.live = state.live.max(bounds.oldest.min(state.head));
        if state.live > before {
            self.catch_up(&topic);
        }
    }

    /// Somebody begins to read nothing himself: what comes from here on is for him.
    pub(super) fn begin_live(state: &mut TopicState, at: Offset) {
        if !state.has_live() {
            state.live = at;
        }
    }
}
