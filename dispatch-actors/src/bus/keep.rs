//! Where messages go whose retries are used up.

use std::sync::Arc;
use std::time::Duration;

use dispatch_core::log::{LogRecord, TopicLog};
use dispatch_core::policy::History;
use dispatch_core::subscription::{Event, Exhaustion, Keep};
use dispatch_core::{Adapter, DeadLetter, Topic};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::subscription::{Done, Parts};

/// What is kept of a message.
pub(super) fn letter(parts: &Parts, topic: &Topic, exhausted: Exhaustion<LogRecord>) -> DeadLetter {
    let Exhaustion { keep, record, attempts, first_reason, last_reason, first_failed, last_failed, parked } =
        exhausted;
    let history = History {
        attempts,
        first_error: first_reason,
        first_failed_at: parts.shared.clock.wall_at(first_failed),
        last_failed_at: parts.shared.clock.wall_at(last_failed),
    };
    let name = &parts.config.name;
    let mut letter =
        DeadLetter::of_subscription(name, topic, keep.offset, record.entry.envelope, last_reason, history);
    if let Some(parked) = parked {
        letter.id = parked;
    }
    letter
}

/// Keeps a message beside the subscription.
pub(super) fn park(
    log: Arc<dyn TopicLog>,
    subscription: String,
    keep: Keep,
    letter: DeadLetter,
    again: Duration,
) -> BoxFuture<'static, Done> {
    Box::pin(async move {
        match log.park(&subscription, vec![Arc::new(letter)]).await {
            Ok(()) => Done::event(Event::Kept(keep)),
            Err(error) => {
                // What is wrong with the store may be put right.
                let then = if error.is_about_entries() && !error.is_retryable() {
                    Event::CannotKeep { keep, reason: format!("it cannot be parked: {error}") }
                } else {
                    Event::NotKept { keep, retry_in: again }
                };
                Done::failed("a message cannot be parked", &error, Some(then))
            }
        }
    })
}

/// Delivers a message to the dead-letter target.
pub(super) fn dead_letter(
    target: Option<Arc<dyn Adapter>>,
    keep: Keep,
    letter: DeadLetter,
    again: Duration,
) -> BoxFuture<'static, Done> {
    Box::pin(async move {
        let not_kept = Event::NotKept { keep, retry_in: again };
        // A subscription without a target is not opened.
        let Some(target) = target else {
            return Done::failed("a dead letter has no target", &"give the subscription one", Some(not_kept));
        };
        match target.deliver(&letter.to_envelope()).await {
            Ok(_) => Done::event(Event::Kept(keep)),
            Err(error) => {
                Done::failed("the dead-letter target has not taken a message", &error, Some(not_kept))
            }
        }
    })
}

/// Forgets a parked message that was handled after all.
pub(super) fn unpark(log: Arc<dyn TopicLog>, subscription: String, id: Uuid) -> BoxFuture<'static, Done> {
    Box::pin(async move {
        match log.unpark(&subscription, &[id]).await {
            Ok(_) => Done::nothing(),
            Err(error) => {
                Done::failed("a handled message is still parked, and may be replayed again", &error, None)
            }
        }
    })
}
