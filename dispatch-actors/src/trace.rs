//! Spans and events, in the words of the specification.
//!
//! A dispatch has a span, each of its dispatchers a child of it. Nothing is made, formatted or copied unless a
//! subscriber wants it.

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

/// Says how a dispatch ended.
pub(crate) fn completed(span: &Span, result: &DispatchResult) {
    span.in_scope(|| {
        let duration_ms = result.duration().as_secs_f64() * 1000.0;
        let dispatcher_count = result.dispatcher_ids().len();
        match result.error_code() {
            None => tracing::info!(
                target: TARGET,
                status = result.status().as_str(),
                dispatcher_count,
                duration_ms,
                "dispatch completed"
            ),
            Some(code) => {
                span.record("error_code", code.as_str());
                let error = result.error_message().unwrap_or_default();
                match result.status() {
                    DispatchStatus::NoDispatcher => {
                        tracing::warn!(target: TARGET, error_code = code.as_str(), error, "no dispatcher");
                    }
                    status => tracing::error!(
                        target: TARGET,
                        status = status.as_str(),
                        error_code = code.as_str(),
                        duration_ms,
                        error,
                        "dispatch failed"
                    ),
                }
            }
        }
    });
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
        let duration_ms = outcome.duration().as_secs_f64() * 1000.0;
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
