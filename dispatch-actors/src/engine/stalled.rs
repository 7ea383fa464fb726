use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use dispatch_core::dispatch::{DispatchResult, Failure, Identity, Path, Subject, TopicText};
use dispatch_core::ids::IdGenerator;
use dispatch_core::{Clock, DispatchStatus, Envelope, ErrorCode, MessageType};

use super::TopicArg;

/// Makes the results for callers on other threads when the engine's thread does not move: with the engine's clock,
/// and ids of its seed. The lock is taken when an engine is stalled, and at no other time.
pub(super) struct Stalled {
    clock: Arc<dyn Clock>,
    ids: Mutex<IdGenerator>,
}

impl Stalled {
    pub(super) fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self { clock, ids: Mutex::new(IdGenerator::from_seed(seed)) }
    }

    pub(super) fn result(&self, topic: &TopicArg, envelope: &Envelope, waited: Duration) -> DispatchResult {
        let started_at = self.clock.now().checked_sub(waited).unwrap_or(SystemTime::UNIX_EPOCH);
        let since = started_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (dispatch_id, span_id) = {
            let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
            (ids.uuid_v7(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)), ids.span_id())
        };
        let (topic, category) = match topic {
            TopicArg::Valid(topic) => (TopicText::Valid(topic.clone()), topic.category()),
            TopicArg::Refused(refused) => (refused.text.clone(), None),
        };
        let message_type: MessageType = envelope.message_type();
        let path = Path { topic, category, message_type: Some(message_type), legs: Box::default() };
        let subject = Subject {
            identity: Identity::of(envelope, dispatch_id, span_id),
            path: Arc::new(path),
            started_at,
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
}
