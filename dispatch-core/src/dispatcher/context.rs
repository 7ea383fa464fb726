use std::time::SystemTime;

use uuid::Uuid;

use super::NodeKind;
use crate::dispatch::Identity;
use crate::ids::{DispatcherId, SpanId, TraceId};
use crate::topic::Topic;

/// What a dispatcher may know about the dispatch it takes part in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Context {
    /// The dispatcher's own id.
    pub dispatcher_id: DispatcherId,
    /// The topic of the dispatch.
    pub topic: Topic,
    /// Id of the dispatch.
    pub dispatch_id: Uuid,
    /// Correlation id of the envelope, or the one generated for it.
    pub correlation_id: Uuid,
    /// Trace of the envelope, or the one generated for it.
    pub trace_id: TraceId,
    /// The span of this dispatch.
    pub span_id: SpanId,
    /// The kind the dispatcher was registered with.
    pub node_kind: Option<NodeKind>,
    /// Wall time at which the envelope was routed. Absent for kinds that must be deterministic.
    pub now: Option<SystemTime>,
}

impl Context {
    /// The form in which an engine makes one. A kind that must be deterministic is not shown the time.
    #[must_use]
    pub fn new(
        dispatcher_id: DispatcherId,
        topic: Topic,
        identity: &Identity,
        node_kind: Option<NodeKind>,
        now: SystemTime,
    ) -> Self {
        let deterministic = node_kind.is_some_and(NodeKind::is_deterministic);
        Self {
            dispatcher_id,
            topic,
            dispatch_id: identity.dispatch_id,
            correlation_id: identity.correlation_id,
            trace_id: identity.trace_id,
            span_id: identity.span_id,
            node_kind,
            now: (!deterministic).then_some(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::DispatchResult;

    #[test]
    fn a_deterministic_kind_is_not_shown_the_time() {
        let (topic, result) =
            (Topic::new("a.events").unwrap(), DispatchResult::skipped("to have an identity"));
        let now = |kind| {
            Context::new("d".into(), topic.clone(), result.identity(), kind, SystemTime::UNIX_EPOCH).now
        };
        for kind in [NodeKind::Reducer, NodeKind::Compute] {
            assert_eq!(now(Some(kind)), None);
        }
        for kind in [None, Some(NodeKind::Effect), Some(NodeKind::Orchestrator)] {
            assert_eq!(now(kind), Some(SystemTime::UNIX_EPOCH));
        }
    }
}
