//! What a subscription says of itself in the log.

use std::time::Duration;

use dispatch_core::Topic;
use dispatch_core::log::Offset;

use crate::bus::LOG_TARGET as TARGET;

pub(super) fn exhausted(
    subscription: &str,
    topic: &Topic,
    offset: Offset,
    attempts: u32,
    reason: &str,
    then: &str,
) {
    tracing::warn!(
        target: TARGET,
        subscription,
        topic = topic.as_str(),
        offset = offset.get(),
        attempts,
        reason,
        then,
        "the retries of a message are used up"
    );
}

pub(super) fn failed(subscription: &str, what: &str, error: &str) {
    tracing::error!(target: TARGET, subscription, error, "{what}; it is tried again, and told again after a minute");
}

pub(super) fn end_fell(subscription: &str, topic: &Topic, cursor: Offset, end: Offset) {
    tracing::error!(
        target: TARGET,
        subscription,
        topic = topic.as_str(),
        cursor = cursor.get(),
        end = end.get(),
        "the log of a topic has lost its end; the subscription goes on there, if it was past it"
    );
}

pub(in crate::bus) fn consumer_gone(subscription: &str, consumer: &str, reason: &str) {
    tracing::warn!(target: TARGET, subscription, consumer, reason, "a consumer is gone");
}

pub(in crate::bus) fn consumer_restarts(subscription: &str, consumer: &str, delay: Duration, reason: &str) {
    let delay_ms = crate::trace::millis(delay);
    tracing::warn!(target: TARGET, subscription, consumer, delay_ms, reason, "a consumer died, restarting");
}
