//! What a subscription says of itself in the log.

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
    tracing::error!(target: TARGET, subscription, error, "{what}; it will be tried again");
}

pub(super) fn consumer_gone(subscription: &str, consumer: &str) {
    tracing::warn!(target: TARGET, subscription, consumer, "a consumer is gone");
}
