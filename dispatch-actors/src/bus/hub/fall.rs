//! Logs that lose their end while the bus runs: a server that has forgotten what it had acknowledged, or a topic that somebody
//! has deleted and made again.
//!
//! What is appended then gets offsets that were used before, and subscriptions would pass it as something that they have
//! had. It is noticed in two ways:
//!
//! - An append is answered with an offset below the head that was known when it began, and is no duplicate.
//! - Two heartbeats one after the other find the topic shorter than it was known to be. One may have been answered by
//!   somebody who is behind.

use dispatch_core::Topic;
use dispatch_core::log::{Offset, TopicLog};

use super::actor::Hub;
use crate::bus::LOG_TARGET as TARGET;
use crate::bus::subscription::EndFell;

/// Where a log ended before an append, if that is below the head that was known then.
pub(super) async fn end_below(
    log: &dyn TopicLog,
    topic: &Topic,
    known: Offset,
    offsets: &[Offset],
) -> Option<Offset> {
    let first = offsets.iter().copied().min().filter(|first| *first < known)?;
    if log.deduplicates() {
        // It may be the place of a record that is there.
        let bounds = log.bounds(topic).await.ok()?;
        (bounds.head < known).then_some(first)
    } else {
        Some(first)
    }
}

impl Hub {
    /// A heartbeat has found a topic to end here, that was known to reach further when it asked, or not.
    pub(super) fn looked(&mut self, topic: &Topic, known: Offset, head: Offset) {
        let Some(state) = self.topics.get_mut(topic) else { return };
        // An append that is under way finds out by itself, and what is empty holds nothing that could be passed.
        if state.appending || head >= known.min(state.head) || head == Offset::ZERO {
            state.low = None;
            return;
        }
        match state.low {
            None => state.low = Some(head),
            Some(low) => self.fell(topic, low.min(head)),
        }
    }

    /// A topic ends here, or has ended here before the last append.
    pub(super) fn fell(&mut self, topic: &Topic, end: Offset) {
        let Some(state) = self.topics.get_mut(topic) else { return };
        let end = state.low.take().map_or(end, |low| low.min(end));
        let known = std::mem::replace(&mut state.head, end);
        tracing::error!(
            target: TARGET,
            topic = topic.as_str(),
            known = known.get(),
            end = end.get(),
            "the log has lost its end: acknowledged messages are gone, and their offsets are given again"
        );
        if let Some(seen) = &mut state.seen {
            // Some of these may be what is gone.
            seen.clear();
        }
        state.live = state.live.min(end);
        for reader in &mut state.readers {
            reader.told = end;
            reader.actor.do_send(EndFell { topic: reader.slot, known, end });
        }
    }
}
