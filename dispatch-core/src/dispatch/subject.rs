use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use super::outcome::Leg;
use super::path::{Path, TopicText};
use crate::envelope::Envelope;
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

impl Identity {
    /// The identity of the dispatch of an envelope, under ids that the engine has made for it.
    #[must_use]
    pub fn of(envelope: &Envelope, dispatch_id: Uuid, span_id: SpanId) -> Self {
        Self {
            dispatch_id,
            correlation_id: envelope.correlation_id().unwrap_or(dispatch_id),
            trace_id: envelope.trace().map_or_else(|| dispatch_id.into(), |trace| trace.trace_id),
            span_id,
        }
    }
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

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;
    use crate::envelope::{Payload, TraceContext};

    proptest! {
        #[test]
        fn a_dispatch_keeps_the_ids_of_its_envelope_and_begins_those_it_lacks(
            correlation_id in of(any::<u128>()), trace_id in of(1..=u128::MAX), dispatch_id in 1..=u128::MAX,
        ) {
            let mut ids = IdGenerator::from_seed(7);
            let mut envelope = Envelope::new(Payload::Empty);
            if let Some(id) = correlation_id {
                envelope = envelope.with_correlation_id(Uuid::from_u128(id));
            }
            if let Some(id) = trace_id {
                let trace_id = TraceId::from_bytes(id.to_be_bytes()).unwrap();
                envelope = envelope.with_trace(TraceContext { trace_id, span_id: ids.span_id(), sampled: true });
            }
            let span_id = ids.span_id();
            let identity = Identity::of(&envelope, Uuid::from_u128(dispatch_id), span_id);
            prop_assert_eq!(identity.dispatch_id.as_u128(), dispatch_id);
            prop_assert_eq!(identity.correlation_id.as_u128(), correlation_id.unwrap_or(dispatch_id));
            prop_assert_eq!(identity.trace_id.as_bytes(), &trace_id.unwrap_or(dispatch_id).to_be_bytes());
            prop_assert_eq!(identity.span_id, span_id);
        }
    }
}
