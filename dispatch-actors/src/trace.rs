//! Spans and events, in the words of the specification.
//!
//! A dispatch has a span, each of its dispatchers a child of it. Nothing is made, formatted or copied unless a
//! subscriber wants it.

use std::time::Duration;

use dispatch_core::dispatch::{DispatchResult, Identity, Outcome, Path};
use dispatch_core::{Category, DispatchStatus, DispatcherId, MessageType};
use tracing::{Level, Span, field};

/// The target of every span and event of the engine.
pub(crate) const TARGET: &str = "dispatch";

/// Whether anybody wants spans.
pub(crate) fn wanted() -> bool {
    tracing::span_enabled!(target: TARGET, Level::INFO)
        || tracing::event_enabled!(target: TARGET, Level::ERROR)
}

/// Opens the span of a dispatch and says that it has started.
pub(crate) fn started(engine: &str, path: &Path, identity: &Identity) -> Span {
    let topic = path.topic_str();
    let category = path.category.map(Category::as_str).unwrap_or_default();
    let message_type = path.message_type.as_ref().map(MessageType::as_str).unwrap_or_default();
    let span = tracing::info_span!(
        target: TARGET,
        "dispatch",
        engine,
        topic,
        category,
        message_type,
        correlation_id = %identity.correlation_id,
        trace_id = %identity.trace_id,
        dispatcher_count = path.legs.len(),
        error_code = field::Empty,
    );
    span.in_scope(|| {
        tracing::info!(target: TARGET, topic, category, message_type, "dispatch started");
        if tracing::event_enabled!(target: TARGET, Level::DEBUG) {
            let dispatcher_ids: Vec<_> = path.legs.iter().map(|leg| leg.dispatcher_id.as_str()).collect();
            tracing::debug!(target: TARGET, ?dispatcher_ids, "routing decision");
        }
    });
    span
}

/// Says how a dispatch ended. The event says all that finding it again takes, because its span is not there for
/// a subscriber that leaves out `INFO`.
pub(crate) fn completed(engine: &str, span: &Span, result: &DispatchResult) {
    macro_rules! say {
        ($level:expr, $text:literal $(, $field:ident = $value:expr)*) => {
            tracing::event!(
                target: TARGET,
                $level,
                engine,
                topic = result.topic(),
                category = result.message_category().map(Category::as_str).unwrap_or_default(),
                message_type = result.message_type().map(MessageType::as_str).unwrap_or_default(),
                dispatcher_count = result.dispatcher_ids().len(),
                duration_ms = millis(result.duration()),
                correlation_id = %result.correlation_id(),
                trace_id = %result.trace_id(),
                status = result.status().as_str(),
                $($field = $value,)*
                $text
            )
        };
    }
    span.in_scope(|| {
        let Some(code) = result.error_code() else {
            return say!(Level::INFO, "dispatch completed");
        };
        let (code, error) = (code.as_str(), result.error_message().unwrap_or_default());
        span.record("error_code", code);
        if result.status() == DispatchStatus::NoDispatcher {
            say!(Level::WARN, "no dispatcher", error_code = code, error = error);
        } else {
            say!(Level::ERROR, "dispatch failed", error_code = code, error = error);
        }
    });
}

/// A duration in milliseconds, to the microsecond.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Says that an envelope's category contradicts its topic.
pub(crate) fn category_mismatch(path: &Path) {
    tracing::warn!(target: TARGET, topic = path.topic_str(), "category mismatch");
}

/// Opens the span of one dispatcher's part.
pub(crate) fn dispatcher(parent: &Span, id: &DispatcherId) -> Span {
    tracing::info_span!(target: TARGET, parent: parent, "dispatcher", dispatcher_id = id.as_str())
}

/// Says how one dispatcher's part ended.
pub(crate) fn executed(span: &Span, id: &DispatcherId, outcome: &Outcome) {
    span.in_scope(|| {
        let duration_ms = millis(outcome.duration());
        match outcome.error_message() {
            None => {
                tracing::debug!(target: TARGET, dispatcher_id = id.as_str(), duration_ms, "dispatcher executed");
            }
            Some(error) => {
                tracing::error!(target: TARGET, dispatcher_id = id.as_str(), duration_ms, error, "dispatcher failed");
            }
        }
    });
}
