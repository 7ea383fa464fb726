use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use super::outcome::Leg;
use super::path::{Path, TopicText};
use crate::ids::{IdGenerator, SpanId, TraceId};

/// The ids that every result carries.
///
/// Where the envelope brings no correlation id or no trace, the dispatch begins one: both then have the bits of
/// the dispatch id, so that whatever belongs together is found with one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Id of the dispatch, a UUID v7.
    pub dispatch_id: Uuid,
    /// Correlation id of the envelope, or the one generated for it.
    pub correlation_id: Uuid,
    /// Trace of the envelope, or the one generated for it.
    pub trace_id: TraceId,
    /// The span of this dispatch.
    pub span_id: SpanId,
}

/// What a result is about: the form in which an engine opens one.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The ids.
    pub identity: Identity,
    /// Where the envelope went.
    pub path: Arc<Path>,
    /// When the dispatch began.
    pub started_at: SystemTime,
}

impl Subject {
    /// For results that were not made by an engine.
    pub(super) fn unknown<const N: usize>(legs: [Leg; N]) -> Self {
        let dispatch_id = Uuid::now_v7();
        let mut ids = IdGenerator::from_seed(dispatch_id.as_u64_pair().1);
        Self {
            identity: Identity {
                dispatch_id,
                correlation_id: ids.uuid_v4(),
                trace_id: ids.trace_id(),
                span_id: ids.span_id(),
            },
            path: Arc::new(Path {
                topic: TopicText::Refused("".into()),
                category: None,
                message_type: None,
                legs: legs.into(),
            }),
            started_at: SystemTime::now(),
        }
    }
}
