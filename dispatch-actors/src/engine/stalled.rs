use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dispatch_core::dispatch::{DispatchResult, Failure, Identity, Path, Subject, TopicText};
use dispatch_core::ids::IdGenerator;
use dispatch_core::{DispatchStatus, Envelope, ErrorCode, MessageType};
use uuid::Uuid;

use super::TopicArg;

/// The result for a caller on another thread when the engine's thread does not move.
pub(super) fn stalled(topic: &TopicArg, envelope: &Envelope, waited: Duration) -> DispatchResult {
    let dispatch_id = Uuid::now_v7();
    let mut ids = IdGenerator::from_seed(dispatch_id.as_u64_pair().1);
    let trace = envelope.trace();
    let (topic, category) = match topic {
        TopicArg::Valid(topic) => (TopicText::Valid(topic.clone()), topic.category()),
        TopicArg::Refused(refused) => (refused.text.clone(), None),
    };
    let message_type: MessageType = envelope.message_type();
    let path = Path { topic, category, message_type: Some(message_type), legs: Box::default() };
    let subject = Subject {
        identity: Identity {
            dispatch_id,
            correlation_id: envelope.correlation_id().unwrap_or_else(|| ids.uuid_v4()),
            trace_id: trace.map_or_else(|| ids.trace_id(), |trace| trace.trace_id),
            span_id: ids.span_id(),
        },
        path: Arc::new(path),
        started_at: SystemTime::now().checked_sub(waited).unwrap_or(SystemTime::UNIX_EPOCH),
    };
    let failure = Failure {
        code: ErrorCode::Timeout,
        message: format!(
            "Engine thread did not answer within {} ms: a handler blocks it.",
            waited.as_millis()
        ),
    };
    DispatchResult::unhandled(subject, DispatchStatus::Timeout, failure, waited)
}
